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

/// What every command starts from: the algorithms of this program, and the places of its files.
pub(crate) struct App {
    /// The algorithms that configs can name with `use`.
    pub(crate) registry: Registry,
    /// Where configs, datasets and results are read and written.
    pub(crate) home: Home,
}

impl App {
    /// Reads every config of the program and of the user's own folder.
    pub(crate) fn library(&self) -> Result<Library> {
        self.home.library(self.registry.clone())
    }

    /// Opens the cache of the current user, and prints to standard error what the user should know about it.
    pub(crate) fn cache() -> Result<Cache> {
        Ok(Cache::open()?.telling(Arc::new(tell)))
    }

    /// Makes an engine that prints to standard error which long computation it begins.
    pub(crate) fn engine(&self, models: &models::Args) -> Result<Engine> {
        let options = Options { tell: Arc::new(tell), ..models.options()? };
        Engine::new(&self.home, options, Arc::new(Bars::default()))
    }

    /// Opens a dataset by its name for runs over it, and prints its warnings to standard error.
    pub(crate) fn column(&self, engine: &Engine, name: &str) -> Result<Column> {
        let column = engine.dataset(self.home.datasets()?.get(name)?)?;
        warn(&column.data.notes);
        Ok(column)
    }

    /// The folder that results are written to: `named` where the user gave one, else the one of [`Home`].
    pub(crate) fn results(&self, named: Option<&PathBuf>) -> Result<PathBuf> {
        named.map_or_else(|| self.home.results(), |folder| Ok(folder.clone()))
    }
}

fn tell(sentence: &str) {
    errln!("cache: {sentence}");
}
