//! CombMNZ: the sum of scores, times the number of runs that found the document.
//! Fox and Shaw, TREC-2, 1993 (`fox1993combination`).
//!
//! Being found by many searches is evidence of its own, beside the scores. So the sum of scores is multiplied by how many
//! runs have the document among theirs.
//!
//! ```text
//! CombMNZ(d) = |{r : d in r}| · Σ_runs φ(s_r(d))                                         (Table 1)
//! ```
//!
//! | symbol   | is                                                                     |
//! |----------|------------------------------------------------------------------------|
//! | `{…}`    | the runs that found `d`; their number is the factor                    |
//! | `s_r(d)` | the score of `d` in run `r`                                            |
//! | `φ`      | `normalise`: `none` as in the paper, `min-max` or `z-score`, over the documents of `r` |
//!
//! The paper added raw scores of one engine; between engines `normalise = "min-max"` is usual (Lee, SIGIR 1997). A run
//! that did not find `d` adds 0.
//!
//! Try it: `nir run hybrid/combmnz-bm25-rm3 --on pocket`

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
    const NAME: &'static str = "comb-mnz";
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

    fn factor(&self, runs: usize) -> f64 {
        runs as f64
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{DocNo, Fuser as _};

    use super::*;
    use crate::hybrid::testing::{fuser, hits, run};

    fn config(normalise: Normalise) -> Config {
        Config { inputs: Vec::new(), normalise, depth: 9 }
    }

    #[test]
    fn matches_the_hand_computed_example() {
        // a: 1 · 4; b: 2 · (3 + 2) = 10; c: 1 · 1
        let runs = [run(&[('a', 4.0), ('b', 3.0)]), run(&[('b', 2.0), ('c', 1.0)])];
        let fused = fuser(config(Normalise::None)).fuse(&runs).unwrap();
        assert_eq!(hits(&fused), [('b', 10.0), ('a', 4.0), ('c', 1.0)]);
    }

    #[test]
    fn parts_add_up_to_the_score() {
        let runs = [
            run(&[('a', 9.0), ('b', 8.0), ('d', 2.0)]),
            run(&[('c', 0.9), ('a', 0.5), ('e', 0.1)]),
        ];
        let rankings: Vec<Ranking> = runs.iter().map(|run| run[0].clone()).collect();
        let fuser = fuser(config(Normalise::MinMax));
        for hit in fuser.fuse(&runs).unwrap()[0].iter() {
            let parts = fuser.explain(&rankings, hit.doc);
            let sum: f32 = parts.iter().map(|part| part.score).sum();
            assert!((sum - hit.score).abs() < 1e-6, "{parts:?}");
            assert_eq!(parts.len(), if hit.doc == DocNo(0) { 2 } else { 1 });
        }
    }
}
