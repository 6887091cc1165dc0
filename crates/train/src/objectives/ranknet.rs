//! RankNet.
//! Burges, Shaked, Renshaw, Lazier, Deeds, Hamilton and Hullender, ICML 2005.
//!
//! Which of two is better is a question with two answers; how likely the first is, a logistic function of the difference
//! of their scores.
//!
//! ```text
//! C = -P̄ o + log(1 + e^o),   o = f(x_i) - f(x_j)                                         (eq. 3)
//! ```
//!
//! Here `i` is the positive and `j` a negative, so that P̄ = 1 and C = log(1 + e^-o).

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Batch, Needs, Objective, SCORES, softplus};
use crate::Result;

/// The parameters of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The factor of the scores: 1 in the paper.
    pub scale: f64,
}

impl Objective for Config {
    const NEEDS: Needs = Needs { candidates: 2, ..SCORES };

    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        loss(*self, &batch.own)
    }
}

/// The loss as a mean over all pairs of a positive and a negative.
///
/// - `scores`: `[queries, candidates]`, the positive first
fn loss(config: Config, scores: &Tensor) -> Result<Tensor> {
    let negatives = scores.dim(1)? - 1;
    let scores = (scores * config.scale)?;
    let below = scores.narrow(1, 1, negatives)?.broadcast_sub(&scores.narrow(1, 0, 1)?)?; // -o
    Ok(softplus(&below)?.mean_all()?)
}
