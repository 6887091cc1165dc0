//! Measures and significance, equal to trec_eval.
//!
//! Nothing here has heard of a retrieval method: [`evaluate`] sees judgements, a run, [`Measure`]s and a [`Policy`],
//! and [`significance`] sees two columns of values. METHODOLOGY.md says what each decides and why.

mod definition;
pub mod docs;
mod error;
mod evaluate;
mod measure;
pub mod measures;
mod name;
mod order;
mod policy;
mod ranking;
pub mod significance;

pub use error::EvalError;
pub use evaluate::{EvaluatedQuery, Evaluation, Measured, Ties, evaluate};
pub use measure::Measure;
pub use name::MeasureError;
pub use policy::{Average, Order, Policy, UnknownPolicy};
pub use ranking::{GradedRanking, Hit};
