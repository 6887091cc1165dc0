//! Measures and significance, equal to trec_eval.
//!
//! Nothing here has heard of a retrieval method: [`evaluate`] sees judgements, a run, [`Measure`]s and a [`Policy`],
//! and [`significance`] sees two columns of values. METHODOLOGY.md says what each decides and why.

pub mod docs;
mod evaluate;
mod measure;
pub mod measures;
mod order;
mod policy;
mod ranking;
pub mod significance;
mod trec_names;

pub use evaluate::{EvalError, EvaluatedQuery, Evaluation, Measured, Ties, evaluate};
pub use measure::{Measure, MeasureError};
pub use policy::{Average, Order, Policy, UnknownPolicy};
pub use ranking::{GradedRanking, Hit};
