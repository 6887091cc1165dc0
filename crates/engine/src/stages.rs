//! The stages of a pipeline over all queries, one after the other.

use anyhow::Result;
use nir_core::{Corpus, Key, Queries, Run};
use nir_methods::{Shape, Stage};

use crate::bind::{Bound, Facts, boxed};
use crate::cache;
use crate::cache::RUN;
use crate::cost::timed;
use crate::engine::{Engine, Target};
use crate::kept::{COST, read_json, read_run, write_run};
use crate::keys::{recipe_text, write_made_with};
use crate::pipeline::Pipeline;

/// What a pipeline found, and what its last stage read.
pub(crate) struct Trace {
    /// As the last rewriter left them.
    pub(crate) queries: Queries,
    /// The runs of the methods that it fuses.
    pub(crate) inputs: Vec<Run>,
    pub(crate) run: Run,
}

impl Engine {
    /// Runs every stage over all queries; rankings between stages are kept in the cache.
    pub(crate) fn execute(
        &self,
        pipeline: &Pipeline,
        bound: &mut Bound,
        target: &Target,
    ) -> Result<Run> {
        let inputs: Vec<Run> = pipeline
            .inputs
            .iter()
            .map(|input| self.input_run(input, target))
            .collect::<Result<_>>()?;
        let mut queries = target.queries.clone();
        let mut run = Run::default();
        let last = pipeline.steps.len() - 1;
        for (i, step) in pipeline.steps.iter().enumerate() {
            note_recall(&bound.stages[i], &queries, &mut bound.facts)?;
            let work = || step_once(&bound.stages[i], &mut queries, &run, &inputs, target);
            let (seconds, found) = match (i == last, gives_run(step.shape)) {
                (false, true) => {
                    let recipe = recipe_text(&pipeline.steps[..=i]);
                    self.kept(&self.stage_key(pipeline, i, target)?, &recipe, target, work)?
                }
                _ => timed_result(work)?,
            };
            bound.costs[i].run_seconds = seconds;
            if let Some(found) = found {
                run = found;
            }
        }
        Ok(run)
    }

    /// The run of an input method as rows of this collection.
    fn input_run(&self, input: &Pipeline, target: &Target) -> Result<Run> {
        read_run(&self.rank(input, target)?.run_file, target)
    }

    /// A ranking between two stages: from the cache, or made and kept; with the seconds it took when it was made.
    fn kept(
        &self,
        key: &Key,
        recipe: &str,
        target: &Target,
        work: impl FnOnce() -> nir_core::Result<Option<Run>>,
    ) -> Result<(f64, Option<Run>)> {
        let mut made = None;
        let found = self.cache.make("stages", key.digest(), recipe, |folder| {
            let (seconds, run) = timed_result(work)?;
            write_run(folder, run.as_ref().expect("this stage gives a run"), target)?;
            made = Some((seconds, run));
            write_made_with(folder, key)?;
            cache::write(&folder.join(COST), serde_json::to_vec(&seconds)?)
        })?;
        match made {
            Some(made) => Ok(made),
            None => Ok((read_json(&found.file(COST))?, Some(read_run(&found.file(RUN), target)?))),
        }
    }
}

impl Bound {
    pub(crate) fn input_runs(
        &self,
        queries: &Queries,
        target: &Target,
    ) -> nir_core::Result<Vec<Run>> {
        self.inputs.iter().map(|input| input.search(queries, target)).collect()
    }

    /// The whole pipeline over some queries, nothing cached.
    pub(crate) fn search(&self, queries: &Queries, target: &Target) -> nir_core::Result<Run> {
        Ok(self.trace(queries, target)?.run)
    }

    /// The same, with what the last stage read.
    pub(crate) fn trace(&self, queries: &Queries, target: &Target) -> nir_core::Result<Trace> {
        let inputs = self.input_runs(queries, target)?;
        let mut queries = queries.clone();
        let mut run = Run::default();
        for stage in &self.stages {
            if let Some(found) = step_once(stage, &mut queries, &run, &inputs, target)? {
                run = found;
            }
        }
        Ok(Trace { queries, inputs, run })
    }
}

/// One stage: rewriters change `queries`, the others give a run.
pub(crate) fn step_once(
    stage: &Stage,
    queries: &mut Queries,
    run: &Run,
    inputs: &[Run],
    target: &Target,
) -> nir_core::Result<Option<Run>> {
    let found = match stage {
        Stage::Expander(_) => return Ok(None), // its work was done when it was bound
        Stage::Rewriter(rewriter) => {
            *queries = rewriter.rewrite(queries, run)?;
            return Ok(None);
        }
        Stage::Retriever(retriever) => retriever.retrieve(queries)?,
        Stage::Reranker(reranker) => reranker.rerank(queries, run)?,
        Stage::Fuser(fuser) => fuser.fuse(inputs)?,
    };
    Ok(Some(if target.exclude_query_id {
        without_query_ids(found, queries, &*target.corpus)
    } else {
        found
    }))
}

/// Adds what an approximate search misses to what its index says.
fn note_recall(stage: &Stage, queries: &Queries, facts: &mut Facts) -> Result<()> {
    let Stage::Retriever(retriever) = stage else { return Ok(()) };
    let Some(search) = retriever.prepare(queries).map_err(boxed)? else { return Ok(()) };
    if !search.is_exact() {
        let (found, exact) = (search.search(0..queries.len()), search.exhaust());
        let shares = found.iter().zip(&exact).map(|(found, exact)| found.recall(exact, 10));
        let recall = shares.sum::<f64>() / exact.len().max(1) as f64;
        let facts = facts.entry("vectors".to_owned()).or_default();
        facts.insert("recall@10".to_owned(), format!("{recall:.4}"));
    }
    Ok(())
}

fn without_query_ids(run: Run, queries: &Queries, corpus: &dyn Corpus) -> Run {
    let keep = |(ranking, query): (nir_core::Ranking, &nir_core::Query)| match corpus
        .doc_no(&query.query_id)
    {
        Some(doc) => ranking.without(doc),
        None => ranking,
    };
    run.0.into_iter().zip(queries.iter()).map(keep).collect()
}

fn gives_run(shape: Shape) -> bool {
    matches!(shape, Shape::Retriever | Shape::Reranker | Shape::Fuser)
}

fn timed_result<T>(work: impl FnOnce() -> nir_core::Result<T>) -> Result<(f64, T)> {
    let (seconds, result) = timed(work);
    Ok((seconds, result.map_err(boxed)?))
}
