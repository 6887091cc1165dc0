//! CombSUM: the sum of a document's scores.
//! Fox and Shaw, TREC-2, 1993 (`fox1993combination`).
//!
//! What several searches find with good scores is probably good. The scores are added as they come, once they are made
//! comparable.
//!
//! ```text
//! CombSUM(d) = Σ_runs φ(s_r(d))                                                         (Table 1)
//! ```
//!
//! | symbol   | is                                                                     |
//! |----------|------------------------------------------------------------------------|
//! | `s_r(d)` | the score of `d` in run `r`                                            |
//! | `φ`      | `normalise`: `none` as in the paper, `min-max` or `z-score`, over the documents of `r` |
//!
//! The paper added raw scores of one engine; between engines `normalise = "min-max"` is usual (Lee, SIGIR 1997). A run
//! that did not find `d` adds 0.
//!
//! Try it: `nir run hybrid/combsum-bm25-rm3 --on pocket`

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
    /// How scores of different runs are made comparable.
    pub normalise: Normalise,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "comb-sum";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "fox1993combination";
    const SHAPE: Shape = Shape::Fuser;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(sum(self, context))
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
        self.normalise.scores(ranking)
    }
}

#[cfg(test)]
mod tests {
    use nir_core::Fuser as _;

    use super::*;
    use crate::hybrid::testing::{fuser, hits, run};

    #[test]
    fn matches_the_hand_computed_example() {
        // a: 4; b: 3 + 2 = 5; c: 1
        let runs = [run(&[('a', 4.0), ('b', 3.0)]), run(&[('b', 2.0), ('c', 1.0)])];
        let config = Config { inputs: Vec::new(), normalise: Normalise::None, depth: 9 };
        let fused = fuser(config).fuse(&runs).unwrap();
        assert_eq!(hits(&fused), [('b', 5.0), ('a', 4.0), ('c', 1.0)]);
    }
}
