//! The engine: what is needed to run pipelines, and the runs that are kept.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use nir_cache::Found;
use nir_catalogue::{Cost, StageCost};
use nir_core::{Corpus, Digest, Progress, Queries};
use nir_data::Dataset;
use nir_nn::{Backend, Precision};
use serde::{Deserialize, Serialize};

use crate::bind::{Bound, Facts, boxed};
use crate::cache::{self, Cache, RUN};
use crate::cost::{latency, peak_bytes, summary};
use crate::home::Home;
use crate::journal::Journal;
use crate::kept::{COST, read_json, write_run};
use crate::keys::{made_with, recipe_text, write_made_with};
use crate::models::{Models, Sought};
use crate::pipeline::Pipeline;
use crate::progress::Hushable;
use crate::provenance::device;
use crate::stages::Ran;

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
}

impl Target {
    /// The documents and queries of a dataset.
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            corpus: Arc::clone(&dataset.corpus),
            corpus_digest: dataset.corpus_digest,
            queries: dataset.queries.clone(),
            exclude_query_id: dataset.card.exclude_query_id,
        }
    }
}

/// A finished run in the cache.
pub struct Finished {
    /// Its file: six columns.
    pub run_file: PathBuf,
    /// What it cost when it was made.
    pub cost: Cost,
    /// Where it comes from.
    pub origins: Origins,
}

/// What a run is and what it was made with.
pub struct Origins {
    /// The digest of the rankings.
    pub run_digest: Digest,
    /// The versions of the code that made it, and digests of code that is not nir's.
    pub made_with: Vec<String>,
    /// What its indexes say.
    pub facts: Facts,
    /// The digest of each set of weights, by name; none without a model.
    pub weights: IndexMap<String, String>,
    /// What computed.
    pub device: String,
    /// How exactly its models did; none without a model.
    pub precision: Option<String>,
}

/// What lies beside a run in the cache.
#[derive(Serialize, Deserialize)]
struct Record {
    cost: Cost,
    facts: Facts,
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

    /// Whether a pipeline's run over a dataset is in the cache.
    pub fn is_cached(&self, pipeline: &Pipeline, target: &Target) -> Result<bool> {
        Ok(self.cache.has("runs", self.final_key(pipeline, target)?.digest()))
    }

    /// The ranking of a pipeline, from the cache or made now.
    pub fn rank(&self, pipeline: &Pipeline, target: &Target) -> Result<Finished> {
        let key = self.final_key(pipeline, target)?;
        let found = match self.cache.get("runs", key.digest())? {
            Some(found) => found,
            None => self.make(pipeline, &self.bind(pipeline, target)?, target)?,
        };
        let record: Record = read_json(&found.file(COST))?;
        let made_with = made_with(pipeline, &key);
        let origins = self.origins(pipeline, run_digest(&found)?, record.facts, made_with)?;
        Ok(Finished { run_file: found.file(RUN), cost: record.cost, origins })
    }

    pub(crate) fn origins(
        &self,
        pipeline: &Pipeline,
        run_digest: Digest,
        facts: Facts,
        made_with: Vec<String>,
    ) -> Result<Origins> {
        let weights = self.weights(pipeline)?;
        let device = match weights.is_empty() {
            true => "cpu".to_owned(),
            false => device(&self.backend),
        };
        let precision = (!weights.is_empty()).then(|| self.backend.precision().to_string());
        Ok(Origins { run_digest, made_with, facts, weights, device, precision })
    }

    /// The run of a pipeline that is bound already. So its vectors and indexes were made outside of the claim on the run:
    /// several processes share that work, and one of them ranks.
    pub(crate) fn make(
        &self,
        pipeline: &Pipeline,
        bound: &Bound,
        target: &Target,
    ) -> Result<Found> {
        let (key, recipe) = (self.final_key(pipeline, target)?, recipe_text(&pipeline.steps));
        self.cache.make("runs", key.digest(), &recipe, |folder| {
            let journal = Journal::of(&self.cache, &key);
            let ran = self.execute(pipeline, bound, target)?;
            let record = Record { cost: self.cost(bound, &ran, target)?, facts: ran.facts };
            write_run(folder, &ran.run, target)?;
            write_made_with(folder, &key)?;
            cache::write(&folder.join(COST), serde_json::to_vec_pretty(&record)?)?;
            journal.remove()
        })
    }

    /// What a run took, and how long single queries take; those that took seconds each are not run again to be timed.
    fn cost(&self, bound: &Bound, ran: &Ran, target: &Target) -> Result<Cost> {
        let timed = |(cost, seconds): (&StageCost, &f64)| StageCost {
            run_seconds: *seconds,
            ..cost.clone()
        };
        let stages = bound.costs.iter().zip(&ran.seconds).map(timed).collect();
        let search = |query: &Queries| bound.search(query, target).map(|_| ());
        let latency = match &ran.slow {
            Some(seconds) => summary(seconds.clone()),
            None => self.progress.hushed(|| latency(&target.queries, search)).map_err(boxed)?,
        };
        let threads = rayon::current_num_threads();
        Ok(Cost { stages, latency, peak_bytes: peak_bytes(), threads })
    }

    /// The digests of all weights that a pipeline and its inputs load.
    fn weights(&self, pipeline: &Pipeline) -> Result<IndexMap<String, String>> {
        let mut weights = IndexMap::new();
        for input in &pipeline.inputs {
            weights.extend(self.weights(input)?);
        }
        for wanted in pipeline.steps.iter().flat_map(|step| step.recipe.weights()) {
            let checkpoint = self.models.open(&wanted)?;
            let digest = checkpoint.digest()?.to_hex().to_string();
            weights.insert(self.models.name_of(&wanted, &checkpoint), digest);
        }
        Ok(weights)
    }
}

/// The digest of the ranking in a folder of the cache, which is that of its file.
fn run_digest(found: &Found) -> Result<Digest> {
    let record = found.record(RUN).context("a run in the cache has a ranking")?;
    Digest::from_hex(&record.blake3).context("a manifest has digests of 64 digits")
}
