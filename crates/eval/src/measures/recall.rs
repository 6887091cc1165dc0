//! R: recall at a cut-off.
//! van Rijsbergen, Information Retrieval, 1979 (chapter 7).
//!
//! Which part of all relevant documents is among the first `k`?
//!
//! ```text
//! R@k = (1 / R) Σ_{r ≤ k} rel_r
//! ```
//!
//! Some papers say recall where they mean [`success`](super::success).

use crate::definition::{At, Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct Recall;

impl Definition for Recall {
    fn name(&self) -> &'static str {
        "R"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["Recall"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn at(&self) -> At {
        At::CutoffNeeded
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: None, before_at: Some("recall") }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        recall(ranking, given.first_as_grade(), given.needed_cutoff())
    }
}

/// The part of the relevant documents that is among the first `cutoff`.
pub fn recall(ranking: &GradedRanking, rel: i32, cutoff: u32) -> f64 {
    match ranking.relevant(rel) {
        0 => 0.0,
        relevant => ranking.relevant_ranks(rel, Some(cutoff)).count() as f64 / relevant as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_never_retrieved_count_in_the_divisor() {
        let ranking = GradedRanking::new(&[Some(1), None, Some(2)], &[1, 2, 2, 1]);
        assert_eq!(recall(&ranking, 1, 3), 2.0 / 4.0);
        assert_eq!(recall(&ranking, 1, 2), 1.0 / 4.0);
        assert_eq!(recall(&ranking, 2, 3), 1.0 / 2.0);
    }
}
