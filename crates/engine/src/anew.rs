//! Runs that are made now, whatever the cache has, and stages that work again and again: what a gate compares and times.

use std::sync::Arc;

use anyhow::Result;
use nir_core::{Digest, Queries, Run, TrecRun};
use nir_methods::Stage;

use crate::bind::Bound;
use crate::engine::{Engine, Target};
use crate::kept::TAG;
use crate::keys::made_with;
use crate::pipeline::Pipeline;
use crate::provenance::Origins;
use crate::stages::step_once;
use crate::workshop::boxed;

/// A run that was computed again, whatever the cache holds, with its pipeline ready to run once more.
pub struct Fresh {
    /// The ranking of every query.
    pub run: TrecRun,
    /// What the run was made with.
    pub origins: Origins,
    bound: Bound,
}

/// A stage together with the input that it read, so that its work can be repeated and timed.
pub struct Work<'a> {
    /// The name of the stage's algorithm.
    pub algorithm: String,
    stage: &'a Stage,
    queries: Queries,
    run: Run,
    inputs: Arc<Vec<Run>>,
    target: &'a Target,
}

impl Engine {
    /// Runs a pipeline again. Rankings are neither read from the cache nor written to it; indexes and vectors are.
    ///
    /// # Errors
    ///
    /// If a model, an index or a run file cannot be opened, or a stage fails.
    pub fn run_anew(&self, pipeline: &Pipeline, target: &Target) -> Result<Fresh> {
        let mut bound = self.bind(pipeline, target)?;
        let run = bound.search(&target.queries, target).map_err(boxed)?;
        let run = run.named(&target.queries, &*target.corpus);
        let mut file = Vec::new();
        nir_data::trec::write_run_lines(&mut file, &run, TAG)?;
        let facts = std::mem::take(&mut bound.facts);
        let made_with = made_with(pipeline, &self.final_key(pipeline, target)?);
        let origins = self.origins(pipeline, Digest::of(file), facts, made_with)?;
        Ok(Fresh { run, origins, bound })
    }
}

impl Fresh {
    /// Every stage that works on queries, in order, with the input that it reads. Fails if a stage fails.
    pub fn works<'a>(&'a self, target: &'a Target) -> Result<Vec<Work<'a>>> {
        let inputs = Arc::new(self.bound.input_runs(&target.queries, target).map_err(boxed)?);
        let mut queries = target.queries.clone();
        let mut run = Run::default();
        let mut works = Vec::new();
        for (stage, cost) in self.bound.stages.iter().zip(&self.bound.costs) {
            let read = (queries.clone(), run.clone(), Arc::clone(&inputs));
            if let Some(found) =
                step_once(stage, &mut queries, &run, &inputs, target).map_err(boxed)?
            {
                run = found;
            }
            if !matches!(stage, Stage::Expander(_)) {
                let (algorithm, (queries, run, inputs)) = (cost.stage.clone(), read);
                works.push(Work { algorithm, stage, queries, run, inputs, target });
            }
        }
        Ok(works)
    }
}

impl Work<'_> {
    /// Repeats the work once; its result is dropped.
    pub fn again(&self) -> Result<()> {
        let mut queries = self.queries.clone();
        step_once(self.stage, &mut queries, &self.run, &self.inputs, self.target).map_err(boxed)?;
        Ok(())
    }
}
