//! Reciprocal rank fusion.
//! Cormack, Clarke and Büttcher, SIGIR 2009 (`cormack2009rrf`).
//!
//! Scores of different systems cannot be compared, but ranks can. A document is worth the sum of its reciprocal ranks,
//! damped by `k` so that one lucky first place does not decide.
//!
//! ```text
//! RRF(d) = Σ_runs 1 / (k + rank(d))                                                     (the paper's only equation)
//! ```
//!
//! | symbol    | is                                                                  |
//! |-----------|---------------------------------------------------------------------|
//! | `rank(d)` | the place of `d` in a run, from 1; a run that did not find it adds nothing |
//! | `k`       | how little the first places count; 60 in the paper                  |
//!
//! Try it: `nir run hybrid/rrf-bm25-rm3 --on pocket`

use nir_core::{Ranking, Result};
use serde::{Deserialize, Serialize};

use super::{Parts, sum};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The methods whose runs are fused.
    pub inputs: Vec<String>,
    /// The number that is added to every rank, so that the first ranks do not decide alone.
    pub k: f64,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "rrf";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "cormack2009rrf";
    const SHAPE: Shape = Shape::Fuser;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(sum(self, context))
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.k > -1.0 { Ok(()) } else { Err(format!("`k` must be above -1, found {}", self.k)) }
    }

    fn inputs(&self) -> &[String] {
        &self.inputs
    }
}

impl Parts for Config {
    fn depth(&self) -> usize {
        self.depth
    }

    fn parts(&self, _: usize, ranking: &Ranking) -> Vec<f64> {
        reciprocal_ranks(self.k, ranking.len())
    }
}

/// `1 / (k + rank)` for the ranks 1 to `n`.
fn reciprocal_ranks(k: f64, n: usize) -> Vec<f64> {
    (1..=n).map(|rank| 1.0 / (k + rank as f64)).collect()
}

#[cfg(test)]
mod tests {
    use nir_core::Fuser as _;

    use super::*;
    use crate::hybrid::testing::{fuser, hits, run};

    #[test]
    fn matches_the_hand_computed_example() {
        // a: 1/61 + 1/62 = 0.032522; b: 1/62 + 1/63 = 0.032002; c: 1/61 = 0.016393; d: 1/63 = 0.015873
        let runs = [
            run(&[('a', 9.0), ('b', 8.0), ('d', 7.0)]),
            run(&[('c', 0.9), ('a', 0.8), ('b', 0.7)]),
        ];
        let config = Config { inputs: Vec::new(), k: 60.0, depth: 3 };
        let fused = fuser(config).fuse(&runs).unwrap();
        let expected = [('a', 0.032_522_473), ('b', 0.032_002_047), ('c', 0.016_393_442)];
        for ((doc, score), (expected_doc, expected_score)) in hits(&fused).into_iter().zip(expected)
        {
            assert_eq!(doc, expected_doc);
            assert!(
                (score - expected_score).abs() < 1e-7,
                "{doc}: {score} is not {expected_score}"
            );
        }
    }
}
