//! CombMAX: the best of a document's scores.
//! Fox and Shaw, TREC-2, 1993 (`fox1993combination`).
//!
//! A document counts as much as the search that likes it best says it does. Scores of different searches have different
//! scales, so those of each ranking are first brought to the range from 0 to 1.
//!
//! ```text
//! CombMAX(d) = max_runs φ(s_r(d))                                                       (Table 1)
//! ```
//!
//! | symbol   | is                                                                                      |
//! |----------|-----------------------------------------------------------------------------------------|
//! | `s_r(d)` | the score of `d` in run `r`                                                             |
//! | `φ`      | min-max normalisation over the documents of `r`: `(s - min) / (max - min)`              |
//!
//! Try it: `cargo run --release -- run hybrid/max-bm25-rm3 --on pocket` in the folder of this example.

use std::collections::HashMap;
use std::sync::Arc;

use nir_core::{Corpus, DocNo, Fuser, Ranking, Result, Run, Scored};
use nir_methods::hybrid::Normalise;
use nir_methods::{Algorithm, Context, Shape, Stage};
use serde::{Deserialize, Serialize};

/// The parameters, as a config writes them below `use = "comb-max"`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The methods whose rankings are joined, by name.
    inputs: Vec<String>,
    /// How many documents are kept for each query.
    depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "comb-max";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "fox1993combination";
    const SHAPE: Shape = Shape::Fuser;
    const SOURCE: &'static str = include_str!("comb_max.rs");

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let corpus = Arc::clone(&context.corpus);
        Ok(Stage::Fuser(Box::new(CombMax { depth: self.depth, corpus })))
    }

    fn inputs(&self) -> &[String] {
        &self.inputs
    }
}

struct CombMax {
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Fuser for CombMax {
    fn fuse(&self, runs: &[Run]) -> Result<Run> {
        let queries = runs.first().map_or(0, |run| run.len());
        Ok((0..queries).map(|query| self.best(runs.iter().map(|run| &run[query]))).collect())
    }
}

impl CombMax {
    /// One query's rankings as one: each document with the largest of its normalised scores.
    fn best<'a>(&self, rankings: impl Iterator<Item = &'a Ranking>) -> Ranking {
        let mut best: HashMap<DocNo, f64> = HashMap::new();
        for ranking in rankings {
            for (hit, score) in ranking.iter().zip(Normalise::MinMax.scores(ranking)) {
                best.entry(hit.doc).and_modify(|known| *known = known.max(score)).or_insert(score);
            }
        }
        let scored = best.into_iter().map(|(doc, score)| Scored { doc, score: score as f32 });
        Ranking::top(self.depth, scored.collect(), &*self.corpus)
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};

    use super::*;

    #[test]
    fn the_larger_of_two_normalised_scores_counts() {
        let document = |name: &str| Document { doc_id: name.into(), ..Document::default() };
        let corpus = Arc::new(Documents::new(["a", "b", "c"].map(document)).expect("three names"));
        let ranking = |scores: [f32; 3]| {
            let scored = (0..3).zip(scores).map(|(doc, score)| Scored { doc: DocNo(doc), score });
            Ranking::top(3, scored.collect(), &*corpus)
        };
        // φ of the first: a 1, b (4 - 2) / (6 - 2) = 0.5, c 0. φ of the second: a 0, b (11 - 10) / (14 - 10) = 0.25, c 1.
        let runs = [Run(vec![ranking([6.0, 4.0, 2.0])]), Run(vec![ranking([10.0, 11.0, 14.0])])];
        let fused = CombMax { depth: 10, corpus: Arc::<Documents>::clone(&corpus) }.fuse(&runs);
        let found: Vec<_> =
            fused.expect("it cannot fail")[0].iter().map(|hit| (hit.doc.0, hit.score)).collect();
        assert_eq!(found, [(2, 1.0), (0, 1.0), (1, 0.5)]); // a tie goes to the larger doc_id
    }
}
