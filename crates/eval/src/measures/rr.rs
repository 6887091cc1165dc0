//! RR: reciprocal rank.
//! Kantor and Voorhees, Information Retrieval 2000 (the TREC-5 confusion track).
//!
//! How soon does the first relevant document come?
//!
//! ```text
//! RR@k = 1 / min { r ≤ k : rel_r = 1 },  0 if there is none
//! ```
//!
//! Its mean over queries is MRR; `MRR@10` is read as `RR@10`.

use crate::definition::{At, Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct Rr;

impl Definition for Rr {
    fn name(&self) -> &'static str {
        "RR"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["MRR"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn at(&self) -> At {
        At::Cutoff
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("recip_rank"), before_at: None }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        reciprocal_rank(ranking, given.first_as_grade(), given.cutoff)
    }
}

/// The reciprocal rank of the first document of at least grade `rel`.
pub fn reciprocal_rank(ranking: &GradedRanking, rel: i32, cutoff: Option<u32>) -> f64 {
    ranking.relevant_ranks(rel, cutoff).next().map_or(0.0, |rank| 1.0 / f64::from(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relevance_level_moves_the_first_relevant_document() {
        let ranking = GradedRanking::new(&[None, Some(1), Some(0), Some(2)], &[2, 1, 0]);
        assert_eq!(reciprocal_rank(&ranking, 1, None), 1.0 / 2.0);
        assert_eq!(reciprocal_rank(&ranking, 2, Some(10)), 1.0 / 4.0);
        assert_eq!(reciprocal_rank(&ranking, 2, Some(3)), 0.0);
    }
}
