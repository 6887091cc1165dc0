//! The product of scores: words and vectors must both agree.
//! Xu, Guo, Duan and McAuley, Findings of ACL 2022 (`xu2022laprador`).
//!
//! A sum lets one system outvote the other. In a product each scales what the other says, so no weight between them has to
//! be chosen, and a document that one of them thinks nothing of cannot stand high. LaPraDoR multiplies the cosine of its
//! vectors with BM25's score.
//!
//! ```text
//! s(q, d) = BM25(q, d) · cos(E(q), E(d))                      the paper's lexicon-enhanced dense retrieval
//! s(d)    = Π_runs s_r(d)                                     over the documents that every run has
//! ```
//!
//! | symbol   | is                                                                     |
//! |----------|------------------------------------------------------------------------|
//! | `s_r(d)` | the score of `d` in run `r`, as it is                                  |
//!
//! A document that a run lacks has no score there, and so no product: it is left out. In the authors' code
//! (JetRunner/LaPraDoR, `code/exact_search.py`) it gets 0, which is below every document that both find, unless a cosine
//! is negative. Scores should be at least 0: the product of two that are not would rise above 0 again.
//!
//! Try it: `nir run hybrid/laprador --on pocket`

use std::collections::HashMap;
use std::sync::Arc;

use nir_core::{Corpus, DocNo, Fuser, Ranking, Result, Run, Scored};
use serde::{Deserialize, Serialize};

use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The methods whose scores are multiplied.
    pub inputs: Vec<String>,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "product";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "xu2022laprador";
    const SHAPE: Shape = Shape::Fuser;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let corpus = Arc::clone(&context.corpus);
        Ok(Stage::Fuser(Box::new(Product { depth: self.depth, corpus })))
    }

    fn inputs(&self) -> &[String] {
        &self.inputs
    }
}

struct Product {
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Fuser for Product {
    fn fuse(&self, runs: &[Run]) -> Result<Run> {
        let queries = runs.first().map_or(0, |run| run.len());
        let one = |query: usize| {
            let rankings: Vec<&Ranking> = runs.iter().map(|run| &run[query]).collect();
            Ranking::top(self.depth, products(&rankings), &*self.corpus)
        };
        Ok((0..queries).map(one).collect())
    }
}

/// The product of each document's scores, for those that every ranking has.
fn products(rankings: &[&Ranking]) -> Vec<Scored> {
    let mut products: HashMap<DocNo, (f64, usize)> = HashMap::new();
    for hit in rankings.iter().flat_map(|ranking| ranking.iter()) {
        let (product, found) = products.entry(hit.doc).or_insert((1.0, 0));
        *product *= f64::from(hit.score);
        *found += 1;
    }
    let everywhere = products.into_iter().filter(|(_, (_, found))| *found == rankings.len());
    everywhere.map(|(doc, (product, _))| Scored { doc, score: product as f32 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hybrid::testing::{corpus, hits, run};

    #[test]
    fn matches_the_hand_computed_example() {
        // BM25 and cosines. a: 8 · .25 = 2; b: 5 · .75 = 3.75; c: 2 · -.5 = -1; d and e are in one run alone.
        let runs = [
            run(&[('a', 8.0), ('b', 5.0), ('c', 2.0), ('d', 1.0)]),
            run(&[('e', 0.9), ('b', 0.75), ('a', 0.25), ('c', -0.5)]),
        ];
        let fused = Product { depth: 9, corpus: corpus() }.fuse(&runs).unwrap();
        assert_eq!(hits(&fused), [('b', 3.75), ('a', 2.0), ('c', -1.0)]);
        let best = Product { depth: 1, corpus: corpus() }.fuse(&runs).unwrap();
        assert_eq!(hits(&best), [('b', 3.75)]);
    }

    #[test]
    fn any_number_of_runs_is_multiplied_in_any_order() {
        // a: 2 · 3 · 4 = 24; b: 4 · 2 · 2 = 16
        let runs = [
            run(&[('b', 4.0), ('a', 2.0)]),
            run(&[('a', 3.0), ('b', 2.0)]),
            run(&[('a', 4.0), ('b', 2.0)]),
        ];
        let mut turned = runs.clone();
        turned.reverse();
        for runs in [runs, turned] {
            let fused = Product { depth: 2, corpus: corpus() }.fuse(&runs).unwrap();
            assert_eq!(hits(&fused), [('a', 24.0), ('b', 16.0)]);
        }
    }
}
