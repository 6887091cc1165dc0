//! What is minimised: one file an objective, each with its paper and its equation.
//!
//! An objective that ranks sees scores and nothing of how they were made, so every one of them trains every head. To add
//! one: a file with a function from [`Scores`] to a loss, and an arm in [`Ranking`].

pub mod distillation;
pub mod flops;
pub mod in_batch;
pub mod margin_mse;
pub mod masked_lm;
pub mod pointwise;
pub mod ranknet;
pub mod regression;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::Result;

/// What the objectives that rank compare.
#[derive(Debug)]
pub struct Scores {
    /// `[queries, candidates]`: of each query with its own candidates, the positive first.
    pub own: Tensor,
    /// The same pairs, scored by a teacher.
    pub teacher: Option<Tensor>,
    /// `[queries, queries * candidates]`: of each query with every candidate of the batch, where the head has vectors.
    /// Query `i`'s positive stands at `i * candidates`.
    pub batch: Option<Tensor>,
}

impl Scores {
    /// Of the scores of each query with every candidate of the batch, `[queries, queries * candidates]`.
    pub fn of_batch(batch: &Tensor, teacher: Option<Tensor>) -> Result<Self> {
        let (queries, all) = batch.dims2()?;
        let candidates = all / queries;
        let own: Vec<u32> = (0..queries)
            .flat_map(|query| (0..candidates).map(move |i| (query * candidates + i) as u32))
            .collect();
        let own = Tensor::from_vec(own, (queries, candidates), batch.device())?;
        let batch = batch.contiguous()?;
        Ok(Self { own: batch.gather(&own, 1)?, teacher, batch: Some(batch) })
    }
}

/// An objective that ranks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ranking {
    /// See [`in_batch`].
    InBatchSoftmax(in_batch::Config),
    /// See [`margin_mse`].
    MarginMse(margin_mse::Config),
    /// See [`distillation`].
    KlDivergence(distillation::Config),
    /// See [`pointwise`].
    Pointwise(pointwise::Config),
    /// See [`ranknet`].
    RankNet(ranknet::Config),
}

impl Ranking {
    /// Whether it needs a teacher's scores.
    pub fn needs_teacher(&self) -> bool {
        matches!(self, Self::MarginMse(_) | Self::KlDivergence(_))
    }

    /// Whether it compares a query with other queries' candidates, for which a head must have vectors.
    pub fn needs_batch(&self) -> bool {
        matches!(self, Self::InBatchSoftmax(_))
    }

    /// The fewest candidates of a query that it can compare.
    pub fn fewest_candidates(&self) -> usize {
        match self {
            Self::InBatchSoftmax(_) | Self::Pointwise(_) => 1,
            Self::MarginMse(_) | Self::KlDivergence(_) | Self::RankNet(_) => 2,
        }
    }

    /// The loss of a batch, a single number.
    pub fn loss(&self, scores: &Scores) -> Result<Tensor> {
        let teacher =
            || scores.teacher.as_ref().expect("a recipe with this objective has a teacher");
        let batch = || scores.batch.as_ref().expect("a head with this objective has vectors");
        match self {
            Self::InBatchSoftmax(config) => in_batch::loss(config, batch()),
            Self::MarginMse(config) => margin_mse::loss(config, &scores.own, teacher()),
            Self::KlDivergence(config) => distillation::loss(config, &scores.own, teacher()),
            Self::Pointwise(config) => pointwise::loss(config, &scores.own),
            Self::RankNet(config) => ranknet::loss(config, &scores.own),
        }
    }
}

/// `log(1 + eˣ)`, number by number, without overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}
