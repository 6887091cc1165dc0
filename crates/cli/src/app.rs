//! What every command starts from: the algorithms of the program, and where things are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use nir_data::{Dataset, Manifests, State};
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
        self.engine_with(models, None)
    }

    /// The same with a file of answers of language models behind servers.
    pub(crate) fn engine_with(
        &self,
        models: &models::Args,
        answers: Option<&Path>,
    ) -> Result<Engine> {
        let answers = answers.map(Path::to_owned);
        let options = Options { tell: Arc::new(tell), answers, ..models.options()? };
        Engine::new(&self.home, options, Arc::new(Bars::default()))
    }

    /// A dataset by name, ready to run over; what is odd about it is said.
    pub(crate) fn column(engine: &Engine, manifests: &Manifests, name: &str) -> Result<Column> {
        let column = engine.dataset(manifests.get(name)?)?;
        warn(&column.data.notes);
        Ok(column)
    }

    /// Several datasets by name, ready to run over; where some are not here, one error says how to get all of them.
    pub(crate) fn columns(
        engine: &Engine,
        manifests: &Manifests,
        names: &[String],
    ) -> Result<Vec<Column>> {
        let mut missing: Vec<&str> = Vec::new();
        for name in names {
            let state = Dataset::state(engine.cache().data(), manifests.get(name)?)?;
            missing.extend((state == State::NotFetched).then_some(name.as_str()));
        }
        match &missing[..] {
            [] => names.iter().map(|name| Self::column(engine, manifests, name)).collect(),
            [one] => bail!("`{one}` is not here yet; run `nir fetch {one}`"),
            all => bail!("{} are not here yet; run `nir fetch {}`", quoted(all), all.join(" ")),
        }
    }

    /// The folder of results that are kept for good: the one that the user names, else the home's.
    pub(crate) fn results(&self, named: Option<&PathBuf>) -> Result<PathBuf> {
        named.map_or_else(|| self.home.results(), |folder| Ok(folder.clone()))
    }

    /// The folders where a report finds results: the one that the user names; else the cache, which has what ran on this
    /// machine, and then the home's.
    pub(crate) fn all_results(&self, named: Option<&PathBuf>) -> Result<Vec<PathBuf>> {
        match named {
            Some(folder) => Ok(vec![folder.clone()]),
            None => Ok(vec![Self::cache()?.results(), self.home.results()?]),
        }
    }
}

fn quoted(names: &[&str]) -> String {
    format!("`{}`", names.join("`, `"))
}

fn tell(sentence: &str) {
    errln!("cache: {sentence}");
}
