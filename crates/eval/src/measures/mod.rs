//! One file a measure, each a function of a [`GradedRanking`](crate::GradedRanking).
//!
//! In the formulas, `r` is a rank from 1, `g_r` the grade at rank `r` (0 where unjudged or negative), `rel_r` is 1
//! where `g_r` reaches the relevance level and 0 elsewhere, `R` counts the relevant documents of the qrels, and `k` is
//! the cut-off. A query without relevant documents is worth 0.

mod ap;
mod bpref;
mod compat;
mod counts;
mod err;
mod gmap;
mod iprec;
mod judged;
mod ndcg;
mod precision;
mod rbp;
mod recall;
mod rprec;
mod rr;
mod success;

pub use ap::average_precision;
pub use bpref::bpref;
pub use compat::compatibility;
pub use counts::{relevant, relevant_retrieved, retrieved};
pub use err::{MAX_GRADE, expected_reciprocal_rank};
pub use gmap::{FLOOR, geometric_mean};
pub use iprec::{Rounding, interpolated_precision};
pub use judged::judged;
pub use ndcg::{Gain, ndcg};
pub use precision::precision;
pub use rbp::rank_biased_precision;
pub use recall::recall;
pub use rprec::r_precision;
pub use rr::reciprocal_rank;
pub use success::success;

/// A sum that is 0 where there is nothing: the standard library's is -0 there, and prints so.
pub(crate) fn total(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}
