//! The engine: what is needed to run pipelines, and the runs that are kept.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use nir_core::{Corpus, Digest, Progress, Queries};
use nir_data::{CandidateRuns, Dataset};
use nir_eval::Measure;
use nir_nn::{Backend, Precision};

use crate::cache::{Cache, Tell};
use crate::home::Home;
use crate::models::{Models, Sought};
use crate::progress::Hushable;
use crate::servers::Servers;

/// The documents and queries that a method is run over.
pub struct Target {
    /// The documents.
    pub corpus: Arc<dyn Corpus>,
    /// The digest of the documents' content.
    pub corpus_digest: Digest,
    /// The queries.
    pub queries: Queries,
    /// Whether a document whose id is the query's id is removed from the ranking.
    pub exclude_query_id: bool,
    /// The cutoffs of the official measures; `None` for a measure that reads the whole ranking. An approximate search
    /// records its recall at each of them.
    pub cutoffs: BTreeSet<Option<u32>>,
    /// The candidates that are handed out with the dataset.
    pub candidates: Arc<CandidateRuns>,
}

impl Target {
    /// The documents and queries of a dataset.
    ///
    /// # Errors
    ///
    /// If the manifest names an official measure that is not known.
    pub fn of(dataset: &Dataset) -> Result<Self> {
        let measures = official_measures(dataset)?;
        Ok(Self {
            corpus: Arc::clone(&dataset.corpus),
            corpus_digest: dataset.corpus_digest,
            queries: dataset.queries.clone(),
            exclude_query_id: dataset.card.exclude_query_id,
            cutoffs: measures.iter().map(Measure::cutoff).collect(),
            candidates: Arc::clone(&dataset.candidates),
        })
    }
}

/// The measures that the makers of a dataset or the literature report on it. A result records them all, whichever a
/// table shows.
///
/// # Errors
///
/// If a measure is not known.
pub fn official_measures(dataset: &Dataset) -> Result<Vec<Measure>> {
    Ok(dataset.card.measures.iter().map(|name| name.parse()).collect::<Result<_, _>>()?)
}

/// Settings of an engine that do not depend on what it runs.
#[derive(Clone)]
pub struct Options {
    /// The folder of the cache; if `None`, the one that `NIR_CACHE` names, else the cache folder of the platform.
    pub cache: Option<PathBuf>,
    /// The device that models compute on: `cpu` or `cuda:0`.
    pub device: String,
    /// The precision that models compute in.
    pub precision: Precision,
    /// The places where weights are looked for.
    pub models: Sought,
    /// A file of answers of language models behind servers: read before a server is asked, and written by
    /// [`Engine::write_answers`]; it need not exist yet.
    pub answers: Option<PathBuf>,
    /// Receives sentences that a user should read, for example that a damaged entry of the cache is made again.
    pub tell: Tell,
}

impl Default for Options {
    fn default() -> Self {
        let device = "cpu".to_owned();
        let (models, tell) = (Sought::default(), Arc::new(|_: &str| ()));
        Self { cache: None, device, precision: Precision::F32, models, answers: None, tell }
    }
}

/// Runs pipelines over collections, and keeps what they computed in the cache.
pub struct Engine {
    pub(crate) cache: Cache,
    pub(crate) progress: Arc<Hushable>,
    pub(crate) models: Models,
    pub(crate) servers: Servers,
    pub(crate) backend: Backend,
}

impl Engine {
    /// An engine for the files of `home`; long steps are announced to `progress`.
    ///
    /// # Errors
    ///
    /// If there is no folder for the cache, the device does not exist, the folder of models that `options` names does
    /// not, or its file of answers cannot be read.
    pub fn new(home: &Home, options: Options, progress: Arc<dyn Progress>) -> Result<Self> {
        let cache = match &options.cache {
            Some(folder) => Cache::at(folder),
            None => Cache::open()?,
        };
        let cache = cache.telling(Arc::clone(&options.tell));
        let backend = Backend::new(&options.device, options.precision)?;
        let progress = Arc::new(Hushable::new(progress));
        let offline = options.models.offline;
        let models = Models::new(home, &cache, options.models, Arc::clone(&progress) as _)?;
        let servers = Servers::new(&cache, options.answers, offline)?;
        Ok(Self { cache, progress, models, servers, backend })
    }

    /// The device and the precision of its models.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Runs `work` without announcing its steps.
    pub fn hushed<T>(&self, work: impl FnOnce() -> T) -> T {
        self.progress.hushed(work)
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Writes the file of answers that the options name, with all that this engine's runs have used.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write_answers(&self) -> Result<()> {
        self.servers.write_answers()
    }

    /// The weights that it has opened, and where it looks for others.
    pub fn models(&self) -> &Models {
        &self.models
    }
}
