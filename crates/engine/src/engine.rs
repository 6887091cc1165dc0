//! The engine: what is needed to run pipelines, and the runs that are kept.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use nir_core::{Corpus, Digest, Progress, Queries};
use nir_data::Dataset;
use nir_eval::Measure;
use nir_nn::{Backend, Precision};

use crate::cache::Cache;
use crate::home::Home;
use crate::models::{Models, Sought};
use crate::progress::Hushable;

/// What a method is run over.
pub struct Target {
    /// The collection.
    pub corpus: Arc<dyn Corpus>,
    /// Names its content.
    pub corpus_digest: Digest,
    /// The queries.
    pub queries: Queries,
    /// Whether a document named as the query is dropped.
    pub exclude_query_id: bool,
    /// Where its official measures cut a ranking, nothing for one that reads all of it: at each of them an approximate
    /// search records its recall.
    pub cutoffs: BTreeSet<Option<u32>>,
}

impl Target {
    /// The documents and queries of a dataset.
    ///
    /// # Errors
    ///
    /// Where an official measure of the dataset is none that is known.
    pub fn of(dataset: &Dataset) -> Result<Self> {
        let measures = official_measures(dataset)?;
        Ok(Self {
            corpus: Arc::clone(&dataset.corpus),
            corpus_digest: dataset.corpus_digest,
            queries: dataset.queries.clone(),
            exclude_query_id: dataset.card.exclude_query_id,
            cutoffs: measures.iter().map(Measure::cutoff).collect(),
        })
    }
}

/// What the makers of a dataset, or the literature, measure on it: what a result records, whatever a table shows.
pub fn official_measures(dataset: &Dataset) -> Result<Vec<Measure>> {
    Ok(dataset.card.measures.iter().map(|name| name.parse()).collect::<Result<_, _>>()?)
}

/// How an engine works, where that is not decided by what it runs.
#[derive(Clone)]
pub struct Options {
    /// The folder of the cache; `NIR_CACHE`, else the platform's cache folder, if not given.
    pub cache: Option<PathBuf>,
    /// Where models compute: `cpu` or `cuda:0`.
    pub device: String,
    /// How exactly they compute.
    pub precision: Precision,
    /// Where weights are looked for.
    pub models: Sought,
    /// Where sentences go that a user should read: something was found damaged and is made anew.
    pub tell: Tell,
}

/// What becomes of a sentence for the user.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        let device = "cpu".to_owned();
        let (models, tell) = (Sought::default(), Arc::new(|_: &str| ()));
        Self { cache: None, device, precision: Precision::F32, models, tell }
    }
}

/// Runs pipelines over collections, and keeps what they made.
pub struct Engine {
    pub(crate) cache: Cache,
    pub(crate) progress: Arc<Hushable>,
    pub(crate) models: Models,
    pub(crate) backend: Backend,
}

impl Engine {
    /// An engine for what `home` has; long steps are announced to `progress`.
    ///
    /// # Errors
    ///
    /// Where there is no cache folder, no such device, or a named folder of models is none.
    pub fn new(home: &Home, options: Options, progress: Arc<dyn Progress>) -> Result<Self> {
        let cache = match &options.cache {
            Some(folder) => Cache::at(folder),
            None => Cache::open()?,
        };
        let cache = cache.telling(Arc::clone(&options.tell));
        let backend = Backend::new(&options.device, options.precision)?;
        let progress = Arc::new(Hushable::new(progress));
        let models = Models::new(home, &cache, options.models, Arc::clone(&progress) as _)?;
        Ok(Self { cache, progress, models, backend })
    }

    /// Where its models compute.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Does `work` without announcing a step.
    pub fn hushed<T>(&self, work: impl FnOnce() -> T) -> T {
        self.progress.hushed(work)
    }

    /// What it keeps.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Where it takes weights from.
    pub fn models(&self) -> &Models {
        &self.models
    }
}
