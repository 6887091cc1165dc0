//! Rankings: found in the cache, or made and kept with what they cost.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use nir_cache::Found;
use nir_catalogue::{Cost, StageCost};
use nir_core::{Digest, Key, Queries};
use serde::{Deserialize, Serialize};

use crate::bind::Bound;
use crate::cache::{self, RUN};
use crate::cost::{latency, peak_bytes, summary};
use crate::engine::{Engine, Target};
use crate::journal::Journal;
use crate::kept::{COST, read_json, write_made_with, write_run};
use crate::keys::{made_with, recipe_text};
use crate::pipeline::Pipeline;
use crate::provenance::{Facts, Made, Origins, device};
use crate::stages::Ran;
use crate::workshop::boxed;

/// A complete run in the cache.
pub struct Finished {
    /// The path of the run file, in TREC's six columns.
    pub run_file: PathBuf,
    /// The cost at the time when it was made.
    pub cost: Cost,
    /// What it was made with.
    pub origins: Origins,
}

/// The content of the file beside a run in the cache.
#[derive(Serialize, Deserialize)]
struct Record {
    cost: Cost,
    facts: Facts,
    /// Where that was; not in records from before it was written down.
    #[serde(default)]
    made: Option<Made>,
}

impl Engine {
    /// Whether the cache has the run of a pipeline over a target.
    pub fn is_cached(&self, pipeline: &Pipeline, target: &Target) -> Result<bool> {
        Ok(self.cache.has("runs", self.final_key(pipeline, target)?.digest()))
    }

    /// Runs a pipeline over a target; the ranking comes from the cache if it is there.
    ///
    /// # Errors
    ///
    /// If a model, an index or a run file cannot be opened, or a stage fails.
    pub fn rank(&self, pipeline: &Pipeline, target: &Target) -> Result<Finished> {
        let key = self.final_key(pipeline, target)?;
        let found = match self.cache.get("runs", key.digest())? {
            Some(found) => found,
            None => self.make(pipeline, &key, &self.bind(pipeline, target)?, target)?,
        };
        let record: Record = read_json(&found.file(COST))?;
        let made_with = made_with(pipeline, &key);
        let mut origins = self.origins(pipeline, run_digest(&found)?, record.facts, made_with)?;
        origins.made = record.made.unwrap_or(origins.made);
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
        let precision = (!weights.is_empty()).then(|| self.backend.precision().to_string());
        let made = self.made(weights.is_empty());
        Ok(Origins { run_digest, made_with, facts, weights, made, precision })
    }

    /// This machine, with the device that computes models, today.
    fn made(&self, without_model: bool) -> Made {
        Made::here(if without_model { "cpu".to_owned() } else { device(&self.backend) })
    }

    /// Runs a pipeline whose stages are built already, and keeps the ranking under `key`. Vectors and indexes are made
    /// before the run is claimed, so that several processes share that work and only one of them ranks.
    pub(crate) fn make(
        &self,
        pipeline: &Pipeline,
        key: &Key,
        bound: &Bound,
        target: &Target,
    ) -> Result<Found> {
        self.cache.make("runs", key.digest(), &recipe_text(&pipeline.steps), |folder| {
            let journal = Journal::of(&self.cache, key);
            let ran = self.execute(pipeline, key, bound, target)?;
            let made = Some(self.made(self.weights(pipeline)?.is_empty()));
            let record = Record { cost: self.cost(bound, &ran, target)?, facts: ran.facts, made };
            write_run(folder, &ran.run, target)?;
            write_made_with(folder, key)?;
            cache::write(&folder.join(COST), serde_json::to_vec_pretty(&record)?)?;
            journal.remove()
        })
    }

    /// The cost of a run, with the time of single queries. Queries that took seconds each are not run again to be
    /// timed.
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
        let index_bytes = Some(bound.places.values().sum());
        Ok(Cost { stages, latency, index_bytes, peak_bytes: peak_bytes(), threads })
    }

    /// The digests of all weights that a pipeline and its inputs load, by name.
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

/// The digest of the run file of an entry.
fn run_digest(found: &Found) -> Result<Digest> {
    let record = found.record(RUN).context("a run in the cache has a ranking")?;
    Digest::from_hex(&record.blake3).context("a manifest has digests of 64 digits")
}
