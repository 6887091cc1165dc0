//! Pointwise cross-entropy.
//! Nogueira and Cho, arXiv 1901.04085, 2019 (`nogueira2019monobert`).
//!
//! Whether a passage is relevant is a question with two answers, asked of each pair by itself.
//!
//! ```text
//! L = -Σ_{j ∈ relevant} log(sⱼ) - Σ_{j ∈ non-relevant} log(1 - sⱼ)                      (eq. 1)
//! ```
//!
//! Departure: one logit through a sigmoid instead of two through a softmax. They are the same function of the difference
//! of the two logits.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Batch, Needs, Objective, SCORES, softplus};
use crate::Result;

/// The parameters of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The weight of a positive beside one negative: 1 in the paper.
    pub positive_weight: f64,
}

impl Objective for Config {
    const NEEDS: Needs = SCORES;

    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        loss(*self, &batch.own)
    }
}

/// The loss as a mean over all pairs.
///
/// - `scores`: `[queries, candidates]`, logits, the positive first
fn loss(config: Config, scores: &Tensor) -> Result<Tensor> {
    let (queries, candidates) = scores.dims2()?;
    let positive = scores.narrow(1, 0, 1)?;
    // -log(sigmoid(x)) = softplus(-x), -log(1 - sigmoid(x)) = softplus(x)
    let mut sum = (softplus(&positive.neg()?)?.sum_all()? * config.positive_weight)?;
    if candidates > 1 {
        sum = (sum + softplus(&scores.narrow(1, 1, candidates - 1)?)?.sum_all()?)?;
    }
    Ok((sum / (queries * candidates) as f64)?)
}
