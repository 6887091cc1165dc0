//! Queries through a pipeline, with the parts of every score. Indexes are found in the cache; nothing is kept of the
//! answer.

use anyhow::Result;
use nir_core::{Contribution, DocNo, Queries, Query, Ranking, Scored};
use nir_methods::Stage;

use crate::engine::{Engine, Target};
use crate::pipeline::Pipeline;
use crate::stages::Trace;
use crate::workshop::boxed;

/// The documents that a pipeline found for a query.
pub struct Answer {
    /// The documents, best first.
    pub hits: Vec<Hit>,
    /// The number of documents that were found before the list was cut.
    pub found: usize,
    /// The query as the last stage read it, which is after all rewriters.
    pub query: Query,
}

/// A document of an answer.
pub struct Hit {
    /// The row of the document.
    pub doc: DocNo,
    /// The score that the last stage gave it.
    pub score: f32,
    /// The parts that add up to the score, the largest first; empty if a score has no parts.
    pub parts: Vec<Contribution>,
}

impl Engine {
    /// The best `top` documents of each query, in the order of the queries, with the parts of their scores.
    ///
    /// # Errors
    ///
    /// If a model, an index or a run file cannot be opened, or a stage fails.
    pub fn ask(
        &self,
        pipeline: &Pipeline,
        target: &Target,
        queries: &Queries,
        top: usize,
    ) -> Result<Vec<Answer>> {
        let bound = self.bind(pipeline, target)?;
        let trace = self.progress.hushed(|| bound.trace(queries, target)).map_err(boxed)?;
        let last = bound.stages.last().expect("a pipeline has a stage");
        (0..queries.len()).map(|number| answer(last, &trace, number, top)).collect()
    }
}

fn answer(last: &Stage, trace: &Trace, number: usize, top: usize) -> Result<Answer> {
    let ranking = &trace.run[number];
    let hit = |hit: &Scored| {
        let mut parts = explain(last, trace, number, hit.doc).map_err(boxed)?;
        parts.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Hit { doc: hit.doc, score: hit.score, parts })
    };
    Ok(Answer {
        hits: ranking.iter().take(top).map(hit).collect::<Result<_>>()?,
        found: ranking.len(),
        query: trace.queries[number].clone(),
    })
}

fn explain(
    stage: &Stage,
    trace: &Trace,
    number: usize,
    doc: DocNo,
) -> nir_core::Result<Vec<Contribution>> {
    let query = &trace.queries[number];
    match stage {
        Stage::Retriever(retriever) => retriever.explain(query, doc),
        Stage::Reranker(reranker) => reranker.explain(query, doc),
        Stage::Fuser(fuser) => {
            let rankings: Vec<Ranking> =
                trace.inputs.iter().map(|run| run[number].clone()).collect();
            Ok(fuser.explain(&rankings, doc))
        }
        Stage::Expander(_) | Stage::Writer(_) | Stage::Rewriter(_) => Ok(Vec::new()), // neither stands last
    }
}
