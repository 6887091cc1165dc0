//! Distillation by the Kullback-Leibler divergence.
//! Hinton, Vinyals and Dean, arXiv 1503.02531, 2015; over the candidates of a query as in Lin, Yang and Lin, arXiv 2010.11386, 2020
//! (`lin2020tctcolbert`).
//!
//! The teacher says how its belief is spread over the candidates, the student learns the whole distribution: which
//! negative is nearly right is worth more than which passage is right.
//!
//! ```text
//! L = Σ_d P_t(d|q) · log(P_t(d|q) / P_s(d|q)),   P(d|q) = softmax over the candidates of score / τ
//! ```

use candle_core::{D, Tensor};
use candle_nn::ops::log_softmax;
use serde::{Deserialize, Serialize};

use super::{Batch, Needs, Objective, SCORES};
use crate::Result;

/// The parameters of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The factor of the student's scores, which is 1 / τ for the student.
    pub scale: f64,
    /// The factor of the teacher's scores, which is 1 / τ for the teacher.
    pub teacher_scale: f64,
}

impl Objective for Config {
    const NEEDS: Needs = Needs { teacher: true, candidates: 2, ..SCORES };

    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        loss(*self, &batch.own, batch.teacher())
    }
}

/// The loss as a mean over the queries.
///
/// - `scores`, `teacher`: `[queries, candidates]`
fn loss(config: Config, scores: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let student = log_softmax(&(scores * config.scale)?, D::Minus1)?;
    let teacher = log_softmax(&(teacher * config.teacher_scale)?, D::Minus1)?;
    let divergence = (teacher.exp()? * (&teacher - student)?)?.sum(D::Minus1)?; // [queries]
    Ok(divergence.mean_all()?)
}
