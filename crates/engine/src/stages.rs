//! The stages of a pipeline over all queries, one after the other.

use std::collections::BTreeSet;

use anyhow::Result;
use indexmap::IndexMap;
use nir_core::{Corpus, Key, Queries, Ranking, Reranker, Run};
use nir_methods::{Shape, Stage};

use crate::bind::Bound;
use crate::cache::{self, RUN};
use crate::cost::timed;
use crate::engine::{Engine, Target};
use crate::journal::{Journal, Reranking};
use crate::kept::{COST, read_json, read_run, write_made_with, write_run};
use crate::keys::recipe_text;
use crate::pipeline::Pipeline;
use crate::provenance::Facts;
use crate::workshop::boxed;

/// The ranking of a pipeline, and the input of its last stage.
pub(crate) struct Trace {
    /// The queries after the last rewriter.
    pub(crate) queries: Queries,
    /// The runs of the methods that the first stage fuses.
    pub(crate) inputs: Vec<Run>,
    pub(crate) run: Run,
}

/// The outcome of running every stage over all queries.
#[derive(Default)]
pub(crate) struct Ran {
    /// The ranking of the last stage.
    pub(crate) run: Run,
    /// Wall-clock seconds of each stage.
    pub(crate) seconds: Vec<f64>,
    /// The properties of the indexes, and the recall of approximate searches.
    pub(crate) facts: Facts,
    /// The seconds of each query in the last stage, if they are so many that the queries should not be run again to be
    /// timed.
    pub(crate) slow: Option<Vec<f64>>,
}

impl Engine {
    /// Runs every stage over all queries; rankings between stages are kept in the cache. `key` is that of the last one.
    pub(crate) fn execute(
        &self,
        pipeline: &Pipeline,
        key: &Key,
        bound: &Bound,
        target: &Target,
    ) -> Result<Ran> {
        let inputs = pipeline.inputs.iter().zip(&bound.inputs);
        let inputs = inputs.map(|(input, bound)| self.input_run(input, bound, target));
        let inputs: Vec<Run> = inputs.collect::<Result<_>>()?;
        let mut queries = target.queries.clone();
        let mut ran = Ran { facts: bound.facts.clone(), ..Ran::default() };
        let last = pipeline.steps.len() - 1;
        for (i, step) in pipeline.steps.iter().enumerate() {
            let stage = &bound.stages[i];
            let key = match (i == last, gives_run(step.shape)) {
                (false, true) => &self.stage_key(pipeline, i, target)?,
                _ => key,
            };
            let mut slow = None;
            let work = || {
                note_recall(stage, &queries, &target.cutoffs, &mut ran.facts)?;
                let Stage::Reranker(reranker) = stage else {
                    return step_once(stage, &mut queries, &ran.run, &inputs, target);
                };
                let mut journal = Journal::of(&self.cache, key);
                if step.recipe.served().is_some() {
                    // Every answer of a server is kept, and all are to be known as used.
                    journal.remove()?;
                }
                let (reranker, corpus) = (&**reranker, &*target.corpus);
                let work = Reranking { reranker, queries: &queries, run: &ran.run, corpus };
                let reranked = work.all(&mut journal, &*self.progress)?;
                slow = reranked.slow;
                note_asked(reranker, &mut ran.facts);
                Ok(Some(allowed(reranked.run, &queries, target)))
            };
            let asks = step.recipe.served().is_some() && self.servers.answers_digest().is_some();
            let (seconds, found) = match (i == last || asks, gives_run(step.shape)) {
                (false, true) => {
                    let recipe = recipe_text(&pipeline.steps[..=i]);
                    self.kept(key, &recipe, target, work)?
                }
                _ => timed_result(work)?,
            };
            ran.seconds.push(seconds);
            ran.slow = slow;
            if let Some(found) = found {
                ran.run = found;
            }
        }
        Ok(ran)
    }

    /// The run of a method that is fused, with ids as rows of this collection: from the cache, or made with its built
    /// stages.
    fn input_run(&self, input: &Pipeline, bound: &Bound, target: &Target) -> Result<Run> {
        let key = self.final_key(input, target)?;
        let found = match self.cache.get("runs", key.digest())? {
            Some(found) => found,
            None => self.make(input, &key, bound, target)?,
        };
        read_run(&found.file(RUN), target)
    }

    /// A ranking between two stages, from the cache or made and kept, and the seconds that it took when it was made.
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
            Journal::of(&self.cache, key).remove()?;
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

    /// Runs the whole pipeline over some queries; nothing is read from the cache or kept.
    pub(crate) fn search(&self, queries: &Queries, target: &Target) -> nir_core::Result<Run> {
        Ok(self.trace(queries, target)?.run)
    }

    /// Runs the whole pipeline over some queries, and also returns the input of the last stage.
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

/// Runs one stage: a rewriter changes `queries`, all other stages return a run.
pub(crate) fn step_once(
    stage: &Stage,
    queries: &mut Queries,
    run: &Run,
    inputs: &[Run],
    target: &Target,
) -> nir_core::Result<Option<Run>> {
    let found = match stage {
        Stage::Expander(_) => return Ok(None), // its work was done when it was bound
        Stage::Writer(writer) => {
            *queries = writer.write(queries)?;
            return Ok(None);
        }
        Stage::Rewriter(rewriter) => {
            *queries = rewriter.rewrite(queries, run)?;
            return Ok(None);
        }
        Stage::Retriever(retriever) => retriever.retrieve(queries)?,
        Stage::Reranker(reranker) => Run(reranker.rerank_all(queries, run)?),
        Stage::Fuser(fuser) => fuser.fuse(inputs)?,
    };
    Ok(Some(allowed(found, queries, target)))
}

/// Removes documents whose id is the query's id, if the collection demands that.
fn allowed(run: Run, queries: &Queries, target: &Target) -> Run {
    match target.exclude_query_id {
        true => without_query_ids(run, queries, &*target.corpus),
        false => run,
    }
}

/// Adds the recall of an approximate search at each cutoff to the properties of its index, such as `recall@10`. Only
/// for approximate searches, queries are encoded once more; that time is not measured.
fn note_recall(
    stage: &Stage,
    queries: &Queries,
    cutoffs: &BTreeSet<Option<u32>>,
    facts: &mut Facts,
) -> nir_core::Result<()> {
    let Stage::Retriever(retriever) = stage else { return Ok(()) };
    if retriever.is_exact() {
        return Ok(());
    }
    let Some(search) = retriever.prepare(queries)? else { return Ok(()) };
    let (found, exact) = (search.search(0..queries.len()), search.exhaust());
    let facts = facts.entry("vectors".to_owned()).or_default();
    facts.extend(recalls(&found, &exact, cutoffs));
    Ok(())
}

/// Adds what a reranker has asked a language model to the facts.
fn note_asked(reranker: &dyn Reranker, facts: &mut Facts) {
    let asked = reranker.facts().into_iter().map(|(name, value)| (name.to_owned(), value));
    let asked: Vec<(String, String)> = asked.collect();
    if !asked.is_empty() {
        facts.entry("language model".to_owned()).or_default().extend(asked);
    }
}

/// The mean share of the exact search's documents that were found, at each cutoff; at the whole depth for a measure
/// without a cutoff.
fn recalls(
    found: &[Ranking],
    exact: &[Ranking],
    cutoffs: &BTreeSet<Option<u32>>,
) -> IndexMap<String, String> {
    let depth = exact.iter().map(|ranking| ranking.len()).max().unwrap_or_default();
    let depths: BTreeSet<usize> =
        cutoffs.iter().map(|cutoff| cutoff.map_or(depth, |cutoff| cutoff as usize)).collect();
    let recall = |depth: usize| {
        let shares = found.iter().zip(exact).map(|(found, exact)| found.recall(exact, depth));
        shares.sum::<f64>() / exact.len().max(1) as f64
    };
    depths
        .into_iter()
        .map(|depth| (format!("recall@{depth}"), format!("{:.4}", recall(depth))))
        .collect()
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

#[cfg(test)]
mod tests {
    use nir_core::{DocNo, Documents, Scored};

    use super::*;

    fn ranking(docs: &[u32]) -> Ranking {
        let scored = docs.iter().zip((0..9u8).rev());
        let scored = scored.map(|(&doc, score)| Scored { doc: DocNo(doc), score: score.into() });
        Ranking::top(docs.len(), scored.collect(), &Documents::default())
    }

    #[test]
    fn recall_is_recorded_at_every_cutoff_of_the_measures() {
        // At 2: {1, 2} of {1, 2}, and {5, 8} of {5, 6}: (2/2 + 1/2) / 2. At the depth of 4: {1, 2, 3} of {1, 2, 3, 4}, and
        // {5, 7} of {5, 6, 7}: (3/4 + 2/3) / 2. At 10 the same, as neither ranking is that long.
        let found = [ranking(&[1, 2, 9, 3]), ranking(&[5, 8, 7])];
        let exact = [ranking(&[1, 2, 3, 4]), ranking(&[5, 6, 7])];
        let found = recalls(&found, &exact, &BTreeSet::from([None, Some(2), Some(10)]));
        let as_text = |(name, value): (&String, &String)| format!("{name} {value}");
        let found: Vec<String> = found.iter().map(as_text).collect();
        assert_eq!(found, ["recall@2 0.7500", "recall@4 0.7083", "recall@10 0.7083"]);
    }
}
