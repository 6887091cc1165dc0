//! One file a measure, each a function of a [`GradedRanking`](crate::GradedRanking).
//!
//! In the formulas, `r` is a rank from 1, `g_r` the grade at rank `r` (0 where unjudged or negative), `rel_r` is 1
//! where `g_r` reaches the relevance level and 0 elsewhere, `R` counts the relevant documents of the qrels, and `k` is
//! the cut-off. A query without relevant documents is worth 0.

mod accuracy;
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

use crate::definition::Definition;

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

macro_rules! measures {
    ($($file:literal: $($measure:expr),+;)*) => {
        /// All measures, in the order of the documentation.
        pub(crate) const ALL: &[&dyn Definition] = &[$($(&$measure),+),*];
        /// The file in which each measure is defined, with its source.
        pub(crate) const DEFINED: &[(&dyn Definition, &str, &str)] =
            &[$($((&$measure, concat!("measures/", $file), include_str!($file))),+),*];
        /// The path and the source of each measure.
        pub(crate) const SOURCES: &[(&str, &str)] =
            &[$((concat!("measures/", $file), include_str!($file))),*];
    };
}

measures! {
    "ndcg.rs": ndcg::Ndcg;
    "rr.rs": rr::Rr;
    "ap.rs": ap::Ap;
    "precision.rs": precision::Precision;
    "recall.rs": recall::Recall;
    "success.rs": success::Success;
    "accuracy.rs": accuracy::Accuracy;
    "judged.rs": judged::Judged;
    "rprec.rs": rprec::Rprec;
    "bpref.rs": bpref::Bpref;
    "err.rs": err::Err;
    "rbp.rs": rbp::Rbp;
    "compat.rs": compat::Compat;
    "iprec.rs": iprec::IPrec;
    "gmap.rs": gmap::Gmap;
    "counts.rs": counts::NumQ, counts::NumRet, counts::NumRel, counts::NumRelRet;
}
