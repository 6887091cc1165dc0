//! Several systems joined into one ranking.
//!
//! Every fuser works query by query, in f64: a document's parts from each run are added up, in the order of the runs, or
//! multiplied.

pub mod comb_mnz;
pub mod comb_sum;
pub mod linear;
pub mod product;
pub mod rrf;

mod normalise;

use std::collections::HashMap;
use std::sync::Arc;

use nir_core::{Contribution, Corpus, DocNo, Fuser, Match, Ranking, Result, Run, Scored};

use crate::{Context, Stage};

pub use normalise::Normalise;

/// A fusion that adds up a part of a document's score for each run that found it. An algorithm's config implements it, and is
/// a [`Fuser`] as [`Sum`].
pub(crate) trait Parts: Clone + Send + Sync + 'static {
    /// The number of documents that are kept for each query.
    fn depth(&self) -> usize;

    /// What each document of the run with this number adds, in the order of `ranking`.
    fn parts(&self, number: usize, ranking: &Ranking) -> Vec<f64>;

    /// The factor of the sum of a document that so many runs found.
    fn factor(&self, _runs: usize) -> f64 {
        1.0
    }
}

/// The fuser of a [`Parts`].
struct Sum<P> {
    parts: P,
    corpus: Arc<dyn Corpus>,
}

/// The stage of a fusion over the collection of `context`.
pub(crate) fn sum<P: Parts>(parts: &P, context: &Context<'_>) -> Stage {
    Stage::Fuser(Box::new(Sum { parts: parts.clone(), corpus: Arc::clone(&context.corpus) }))
}

impl<P: Parts> Fuser for Sum<P> {
    fn fuse(&self, runs: &[Run]) -> Result<Run> {
        let queries = runs.first().map_or(0, |run| run.len());
        let fused = |query: usize| {
            let mut sums: HashMap<DocNo, (f64, usize)> = HashMap::new();
            for (number, run) in runs.iter().enumerate() {
                for (hit, part) in run[query].iter().zip(self.parts.parts(number, &run[query])) {
                    let (sum, found) = sums.entry(hit.doc).or_default();
                    *sum += part;
                    *found += 1;
                }
            }
            let score = |(sum, found)| (self.parts.factor(found) * sum) as f32;
            let scored = sums.into_iter().map(|(doc, parts)| Scored { doc, score: score(parts) });
            Ranking::top(self.parts.depth(), scored.collect(), &*self.corpus)
        };
        Ok((0..queries).map(fused).collect())
    }

    fn explain(&self, rankings: &[Ranking], doc: DocNo) -> Vec<Contribution> {
        let place = |ranking: &Ranking| ranking.iter().position(|hit| hit.doc == doc);
        let found = rankings.iter().enumerate();
        let found = found.filter_map(|(number, ranking)| Some((number, ranking, place(ranking)?)));
        let found: Vec<(usize, &Ranking, usize)> = found.collect();
        let factor = self.parts.factor(found.len());
        let one = |(number, ranking, place): (usize, &Ranking, usize)| Contribution {
            of: Match::Input { number, rank: place + 1 },
            score: (factor * self.parts.parts(number, ranking)[place]) as f32,
        };
        found.into_iter().map(one).collect()
    }
}

#[cfg(test)]
mod testing {
    use std::sync::Arc;

    use nir_core::{Corpus, DocNo, Document, Documents, Ranking, Run, Scored};

    use super::{Parts, Sum};

    /// A fusion over [`corpus`].
    pub(super) fn fuser<P: Parts>(parts: P) -> Sum<P> {
        Sum { parts, corpus: corpus() }
    }

    /// Documents `a`, `b`, `c`, … as rows 0, 1, 2, …
    pub(super) fn corpus() -> Arc<dyn Corpus> {
        let doc = |id: char| Document { doc_id: id.to_string(), ..Document::default() };
        Arc::new(Documents::new(('a'..='h').map(doc)).unwrap())
    }

    /// A run of one query.
    pub(super) fn run(hits: &[(char, f32)]) -> Run {
        let scored =
            hits.iter().map(|&(id, score)| Scored { doc: DocNo(id as u32 - 'a' as u32), score });
        Run(vec![Ranking::top(hits.len(), scored.collect(), &*corpus())])
    }

    /// The first query's documents and scores.
    pub(super) fn hits(run: &Run) -> Vec<(char, f32)> {
        run[0].iter().map(|hit| ((b'a' + hit.doc.0 as u8) as char, hit.score)).collect()
    }
}
