//! What every command starts from: the algorithms of the program, and where things are.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use nir_engine::{Cache, Column, Engine, Home, Library, Options};
use nir_methods::Registry;

use crate::models;
use crate::output::errln;
use crate::progress::Bars;
use crate::terminal::warn;

/// The algorithms of the program, and where things are.
pub(crate) struct App {
    /// The algorithms.
    pub(crate) registry: Registry,
    /// Configs, datasets and results.
    pub(crate) home: Home,
}

impl App {
    /// Every config.
    pub(crate) fn library(&self) -> Result<Library> {
        self.home.library(self.registry.clone())
    }

    /// The cache; what a user should know of it goes to standard error.
    pub(crate) fn cache() -> Result<Cache> {
        Ok(Cache::open()?.telling(Arc::new(tell)))
    }

    /// An engine that announces what takes long.
    pub(crate) fn engine(&self, models: &models::Args) -> Result<Engine> {
        let options = Options { tell: Arc::new(tell), ..models.options()? };
        Engine::new(&self.home, options, Arc::new(Bars::default()))
    }

    /// A dataset by name, ready to run over; what is odd about it is said.
    pub(crate) fn column(&self, engine: &Engine, name: &str) -> Result<Column> {
        let column = engine.dataset(self.home.datasets()?.get(name)?)?;
        warn(&column.data.notes);
        Ok(column)
    }

    /// The folder of results: the one that the user names, else the home's.
    pub(crate) fn results(&self, named: Option<&PathBuf>) -> Result<PathBuf> {
        named.map_or_else(|| self.home.results(), |folder| Ok(folder.clone()))
    }
}

fn tell(sentence: &str) {
    errln!("cache: {sentence}");
}
