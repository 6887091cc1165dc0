//! What is minimised: one file an objective, each with its paper and its equation.
//!
//! An objective that ranks sees what a batch gave and nothing of how it was made, so every one of them trains every head
//! that has what it needs. To add one: a file with a `Config` and its [`Objective`], and a line in [`Ranking`].

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

/// What an objective that ranks is computed from.
#[derive(Debug)]
pub struct Batch {
    /// `[queries, candidates]`: the score of each query with its own candidates, the positive first.
    pub own: Tensor,
    /// The same pairs, scored by a teacher.
    pub teacher: Option<Tensor>,
    /// What a head has that encodes queries and documents apart.
    pub apart: Option<Apart>,
}

/// Vectors of a batch, and what follows from them.
#[derive(Debug)]
pub struct Apart {
    /// `[queries, dim]`
    pub queries: Tensor,
    /// `[queries * candidates, dim]`: query `i`'s candidates begin at `i * candidates`, the positive first.
    pub documents: Tensor,
    /// `[queries, queries * candidates]`: the score of each query with every candidate of the batch.
    pub scores: Tensor,
}

impl Batch {
    /// Of vectors whose inner product is the score.
    pub fn of_vectors(queries: Tensor, documents: Tensor, teacher: Option<Tensor>) -> Result<Self> {
        let scores = queries.matmul(&documents.t()?)?.contiguous()?; // [queries, queries * candidates]
        let (rows, all) = scores.dims2()?;
        let candidates = all / rows;
        let own: Vec<u32> = (0..rows)
            .flat_map(|query| (0..candidates).map(move |i| (query * candidates + i) as u32))
            .collect();
        let own = scores.gather(&Tensor::from_vec(own, (rows, candidates), scores.device())?, 1)?;
        Ok(Self { own, teacher, apart: Some(Apart { queries, documents, scores }) })
    }

    /// Of scores of pairs, `[queries, candidates]`, that no vectors were made for.
    pub fn of_pairs(own: Tensor, teacher: Option<Tensor>) -> Self {
        Self { own, teacher, apart: None }
    }

    /// The teacher's scores, `[queries, candidates]`, for an objective that [needs](Objective::NEEDS) them.
    pub fn teacher(&self) -> &Tensor {
        self.teacher.as_ref().expect("a recipe with this objective has a teacher")
    }

    /// The vectors and the scores of the whole batch, for an objective that [needs](Objective::NEEDS) them.
    pub fn apart(&self) -> &Apart {
        self.apart.as_ref().expect("a head with this objective has vectors")
    }
}

/// What an objective must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// A teacher's scores.
    pub teacher: bool,
    /// Vectors of queries and documents, and so the scores of a query with other queries' candidates.
    pub apart: bool,
    /// Candidates of a query, at the fewest.
    pub candidates: usize,
}

/// One candidate of each query, and nothing else.
pub const SCORES: Needs = Needs { teacher: false, apart: false, candidates: 1 };

/// An objective that ranks, by the parameters that a recipe writes.
pub trait Objective {
    /// What it must be given.
    const NEEDS: Needs;

    /// The loss of a batch, a single number.
    fn loss(&self, batch: &Batch) -> Result<Tensor>;
}

/// One variant for each file.
macro_rules! objectives {
    ($($name:ident in $module:ident),* $(,)?) => {
        /// An objective that ranks.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum Ranking {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] $name($module::Config),)*
        }

        impl Ranking {
            /// What it must be given.
            pub fn needs(&self) -> Needs {
                match self {
                    $(Self::$name(_) => <$module::Config as Objective>::NEEDS,)*
                }
            }

            /// The loss of a batch, a single number.
            pub fn loss(&self, batch: &Batch) -> Result<Tensor> {
                match self {
                    $(Self::$name(config) => config.loss(batch),)*
                }
            }
        }
    };
}

objectives! {
    InBatchSoftmax in in_batch,
    MarginMse in margin_mse,
    KlDivergence in distillation,
    Pointwise in pointwise,
    RankNet in ranknet,
}

/// `log(1 + eˣ)`, number by number, without overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}
