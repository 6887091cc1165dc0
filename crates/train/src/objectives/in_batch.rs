//! In-batch softmax with hard negatives.
//! Karpukhin, Oguz, Min, Lewis, Wu, Edunov, Chen and Yih, EMNLP 2020 (`karpukhin2020dpr`).
//!
//! A query should score its own passage above all others of the batch: those of other queries cost nothing, since they
//! are encoded anyway, and the mined ones beside them are the hard part.
//!
//! ```text
//! L(q, p⁺, p⁻₁ … p⁻ₙ) = -log( e^sim(q,p⁺) / (e^sim(q,p⁺) + Σⱼ e^sim(q,p⁻ⱼ)) )           (eq. 2)
//! ```
//!
//! `sim` is multiplied by `scale`: a cosine lies between -1 and 1, where a softmax is nearly flat.

use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

use super::{Batch, Needs, Objective, SCORES};
use crate::Result;

/// The parameters of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The factor of the scores: 1 for inner products, about 20 for cosines.
    pub scale: f64,
}

impl Objective for Config {
    const NEEDS: Needs = Needs { apart: true, ..SCORES };

    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        loss(*self, &batch.apart().scores)
    }
}

/// The loss as a mean over the queries.
///
/// - `scores`: `[queries, queries * candidates]`, where the positive of query `i` is at `i * candidates`
fn loss(config: Config, scores: &Tensor) -> Result<Tensor> {
    let (queries, all) = scores.dims2()?;
    let own = Tensor::arange_step(0, all as u32, (all / queries) as u32, scores.device())?;
    let log_likelihood = candle_nn::ops::log_softmax(&(scores * config.scale)?, D::Minus1)?;
    Ok(log_likelihood.gather(&own.unsqueeze(1)?, 1)?.mean_all()?.neg()?)
}
