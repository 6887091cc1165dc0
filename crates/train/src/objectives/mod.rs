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
use crate::encoded::Encoded;

/// What a ranking objective computes its loss from.
#[derive(Debug)]
pub struct Batch {
    /// The score of each query with its own candidates, `[queries, candidates]`, the positive first.
    pub own: Tensor,
    /// A teacher's scores of the same pairs.
    pub teacher: Option<Tensor>,
    /// The texts of the batch; `None` if the head reads a query and a document together.
    pub apart: Option<Apart>,
}

/// The texts of a batch as the head leaves them, and the scores of all pairs.
#[derive(Debug)]
pub struct Apart {
    /// The queries.
    pub queries: Encoded,
    /// The candidates: those of query `i` begin at `i * candidates`, the positive first.
    pub documents: Encoded,
    /// The score of each query with every candidate of the batch, `[queries, queries * candidates]`.
    pub scores: Tensor,
}

impl Batch {
    /// A batch of texts that were read by themselves: queries, and as many candidates for each of them.
    ///
    /// - `teacher`: `[queries, candidates]`
    pub fn of_texts(queries: Encoded, documents: Encoded, teacher: Option<Tensor>) -> Result<Self> {
        let scores = queries.scores(&documents)?; // [queries, queries * candidates]
        let (rows, all) = scores.dims2()?;
        let candidates = all / rows;
        let own: Vec<u32> = (0..rows)
            .flat_map(|query| (0..candidates).map(move |i| (query * candidates + i) as u32))
            .collect();
        let own = scores.gather(&Tensor::from_vec(own, (rows, candidates), scores.device())?, 1)?;
        Ok(Self { own, teacher, apart: Some(Apart { queries, documents, scores }) })
    }

    /// A batch of scores of pairs, `[queries, candidates]`, from a head that makes no vectors.
    pub fn of_pairs(own: Tensor, teacher: Option<Tensor>) -> Self {
        Self { own, teacher, apart: None }
    }

    /// The teacher's scores, `[queries, candidates]`. Panics unless the objective says that it
    /// [needs](Objective::NEEDS) them.
    pub fn teacher(&self) -> &Tensor {
        self.teacher.as_ref().expect("a recipe with this objective has a teacher")
    }

    /// The texts and the scores of all pairs. Panics unless the objective says that it [needs](Objective::NEEDS)
    /// them.
    pub fn apart(&self) -> &Apart {
        self.apart.as_ref().expect("a head with this objective has vectors")
    }
}

/// What an objective needs to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Whether it needs a teacher's scores.
    pub teacher: bool,
    /// Whether it needs queries and documents that are read by themselves, and so the scores of a query with the
    /// candidates of other queries.
    pub apart: bool,
    /// The smallest number of candidates of a query.
    pub candidates: usize,
}

/// The needs of an objective that reads only the scores of queries with their own candidates.
pub const SCORES: Needs = Needs { teacher: false, apart: false, candidates: 1 };

/// A ranking objective, which is the parameters that a recipe writes.
pub trait Objective {
    /// What the objective needs to be computed.
    const NEEDS: Needs;

    /// The loss of a batch, a tensor with a single number.
    fn loss(&self, batch: &Batch) -> Result<Tensor>;
}

/// Declares [`Ranking`] with one variant for each file.
macro_rules! objectives {
    ($($name:ident in $module:ident),* $(,)?) => {
        /// A ranking objective, by its name in a recipe.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum Ranking {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] $name($module::Config),)*
        }

        impl Ranking {
            /// What the objective needs to be computed.
            pub fn needs(&self) -> Needs {
                match self {
                    $(Self::$name(_) => <$module::Config as Objective>::NEEDS,)*
                }
            }

            /// The loss of a batch, a tensor with a single number.
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

/// `log(1 + eˣ)` for each number, computed without overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}
