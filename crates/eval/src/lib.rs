//! Measures and significance, equal to trec_eval.
//!
//! Nothing here has heard of a retrieval method: [`evaluate`] sees judgements or answers ([`Judged`]), a run, [`Measure`]s and
//! a [`Policy`], and [`significance`] sees two columns of values. METHODOLOGY.md says what each decides and why.

mod answers;
mod definition;
pub mod docs;
mod error;
mod evaluate;
mod judged;
mod measure;
pub mod measures;
mod name;
mod order;
mod policy;
mod ranking;
pub mod significance;

pub use answers::Wanted;
pub use error::EvalError;
pub use evaluate::{EvaluatedQuery, Evaluation, Measured, Ties, evaluate};
pub use judged::Judged;
pub use measure::Measure;
pub use name::MeasureError;
pub use policy::{Average, Order, Policy, UnknownPolicy};
pub use ranking::{GradedRanking, Hit};
