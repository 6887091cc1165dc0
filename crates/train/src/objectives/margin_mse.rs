//! Margin-MSE.
//! Hofstätter, Althammer, Schröder, Sertkan and Hanbury, arXiv 2010.02666, 2020 (`hofstatter2020marginmse`).
//!
//! A cross-encoder's scores and a dense retriever's lie on different scales, but how far apart two passages are can be
//! taught: the student learns the teacher's margin between a positive and a negative.
//!
//! ```text
//! L(Q, P⁺, P⁻) = MSE(M_s(Q,P⁺) - M_s(Q,P⁻), M_t(Q,P⁺) - M_t(Q,P⁻))                       (eq. 6)
//! ```

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Batch, Needs, Objective, SCORES};
use crate::Result;

/// The parameters of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The factor of the student's scores: 1 in the paper, which compares inner products.
    pub scale: f64,
}

impl Objective for Config {
    const NEEDS: Needs = Needs { teacher: true, candidates: 2, ..SCORES };

    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        loss(*self, &batch.own, batch.teacher())
    }
}

/// The loss as a mean over all pairs of a positive and a negative.
///
/// - `scores`, `teacher`: `[queries, candidates]`, the positive first
fn loss(config: Config, scores: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let student = margins(&(scores * config.scale)?)?;
    Ok((student - margins(teacher)?)?.sqr()?.mean_all()?)
}

/// The margin of the positive over each negative, `[queries, candidates - 1]`.
fn margins(scores: &Tensor) -> Result<Tensor> {
    let negatives = scores.dim(1)? - 1;
    let positive = scores.narrow(1, 0, 1)?; // [queries, 1]
    Ok(positive.broadcast_sub(&scores.narrow(1, 1, negatives)?)?)
}
