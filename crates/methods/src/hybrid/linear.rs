//! Linear interpolation of scores (a convex combination where the weights add up to 1).
//! Bruch, Gai and Ingber, TOIS 2023 (`bruch2023fusion`).
//!
//! Unlike ranks, scores say by how much one document is better than the next. So each run's scores are first made
//! comparable, then added with a weight each.
//!
//! ```text
//! f(d) = Σ_runs w_r · φ_r(s_r(d))                                                       (eq. 3, for two runs)
//! ```
//!
//! | symbol   | is                                                                     |
//! |----------|------------------------------------------------------------------------|
//! | `s_r(d)` | the score of `d` in run `r`                                            |
//! | `φ_r`    | `normalise`: `none`, `min-max` (eq. 2 of the paper) or `z-score`, over the documents of `r` |
//! | `w_r`    | the weight of run `r`                                                  |
//!
//! A run that did not find `d` adds 0; under `min-max` that is also what its last document gets.
//!
//! Try it: `nir run hybrid/linear-bm25-rm3 --on pocket`

use nir_core::{Ranking, Result};
use serde::{Deserialize, Serialize};

use super::{Normalise, Parts, sum};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The methods whose runs are fused.
    pub inputs: Vec<String>,
    /// The weight of each of these runs, in the same order.
    pub weights: Vec<f64>,
    /// How scores of different runs are made comparable.
    pub normalise: Normalise,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "linear";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "bruch2023fusion";
    const SHAPE: Shape = Shape::Fuser;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(sum(self, context))
    }

    fn check(&self) -> std::result::Result<(), String> {
        match (
            self.weights.len() == self.inputs.len(),
            self.weights.iter().all(|weight| weight.is_finite()),
        ) {
            (true, true) => Ok(()),
            (true, false) => Err("every weight must be a finite number".to_owned()),
            _ => Err(format!(
                "{} inputs need as many `weights`, found {}",
                self.inputs.len(),
                self.weights.len()
            )),
        }
    }

    fn inputs(&self) -> &[String] {
        &self.inputs
    }
}

impl Parts for Config {
    fn depth(&self) -> usize {
        self.depth
    }

    fn parts(&self, number: usize, ranking: &Ranking) -> Vec<f64> {
        let weight = self.weights[number];
        self.normalise.scores(ranking).into_iter().map(|score| weight * score).collect()
    }
}

#[cfg(test)]
mod tests {
    use nir_core::Fuser as _;

    use super::*;
    use crate::hybrid::testing::{fuser, hits, run};

    #[test]
    fn matches_the_hand_computed_example() {
        // min-max of the first run: a 1, b .5, c 0; of the second: b 1, d 0.
        // a: .75 · 1 = .75; b: .75 · .5 + .25 · 1 = .625; c: 0; d: 0, and the tie goes to d
        let runs = [run(&[('a', 8.0), ('b', 5.0), ('c', 2.0)]), run(&[('b', 0.9), ('d', 0.1)])];
        let weights = vec![0.75, 0.25];
        let (inputs, normalise) = (Vec::new(), Normalise::MinMax);
        let fused = fuser(Config { inputs, weights, normalise, depth: 4 }).fuse(&runs).unwrap();
        assert_eq!(hits(&fused), [('a', 0.75), ('b', 0.625), ('d', 0.0), ('c', 0.0)]);
    }
}
