//! P: precision at a cut-off.
//! van Rijsbergen, Information Retrieval, 1979 (chapter 7).
//!
//! Of the first `k` documents, which part is relevant?
//!
//! ```text
//! P@k = (1 / k) Σ_{r ≤ k} rel_r
//! ```
//!
//! A ranking shorter than `k` is filled with documents that are not relevant: the divisor stays `k`.

use crate::definition::{At, Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct Precision;

impl Definition for Precision {
    fn name(&self) -> &'static str {
        "P"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["Precision"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn at(&self) -> At {
        At::CutoffNeeded
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: None, before_at: Some("P") }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        precision(ranking, given.first_as_grade(), given.needed_cutoff())
    }
}

/// The share of relevant documents among the first `cutoff`.
pub fn precision(ranking: &GradedRanking, rel: i32, cutoff: u32) -> f64 {
    ranking.relevant_ranks(rel, Some(cutoff)).count() as f64 / f64::from(cutoff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_ranking_is_filled_with_nonrelevant_documents() {
        let ranking = GradedRanking::new(&[Some(1), Some(1)], &[1, 1, 1]);
        assert_eq!(precision(&ranking, 1, 5), 2.0 / 5.0);
    }
}
