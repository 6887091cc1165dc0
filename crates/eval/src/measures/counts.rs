//! NumRet, NumRel, NumRelRet: what was retrieved, what is relevant, and both.
//! Harman, TREC 1992: the first lines of every trec_eval report.
//!
//! ```text
//! NumRelRet = Σ_r rel_r
//! ```
//!
//! They are summed over queries and not averaged; so is NumQ, which is 1 for each query.

use crate::definition::{Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct NumQ;

impl Definition for NumQ {
    fn name(&self) -> &'static str {
        "NumQ"
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("num_q"), before_at: None }
    }

    fn is_count(&self) -> bool {
        true
    }

    fn of(&self, _ranking: &GradedRanking, _given: &Given, _policy: Policy) -> f64 {
        1.0
    }
}

pub(crate) struct NumRet;

impl Definition for NumRet {
    fn name(&self) -> &'static str {
        "NumRet"
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("num_ret"), before_at: None }
    }

    /// With a level, it counts what `NumRelRet` does: ir_measures has both names.
    fn when_given(&self, parameter: &str) -> Option<&'static dyn Definition> {
        (parameter == REL.name).then_some(&NumRelRet)
    }

    fn is_count(&self) -> bool {
        true
    }

    fn of(&self, ranking: &GradedRanking, _given: &Given, _policy: Policy) -> f64 {
        retrieved(ranking)
    }
}

pub(crate) struct NumRel;

impl Definition for NumRel {
    fn name(&self) -> &'static str {
        "NumRel"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("num_rel"), before_at: None }
    }

    fn is_count(&self) -> bool {
        true
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        relevant(ranking, given.first_as_grade())
    }
}

pub(crate) struct NumRelRet;

impl Definition for NumRelRet {
    fn name(&self) -> &'static str {
        "NumRelRet"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("num_rel_ret"), before_at: None }
    }

    fn is_count(&self) -> bool {
        true
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        relevant_retrieved(ranking, given.first_as_grade())
    }
}

/// The number of documents that were retrieved.
pub fn retrieved(ranking: &GradedRanking) -> f64 {
    f64::from(ranking.retrieved())
}

/// How many documents of the qrels have at least grade `rel`.
pub fn relevant(ranking: &GradedRanking, rel: i32) -> f64 {
    ranking.relevant(rel) as f64
}

/// The number of relevant documents that were retrieved.
pub fn relevant_retrieved(ranking: &GradedRanking, rel: i32) -> f64 {
    ranking.relevant_ranks(rel, None).count() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_what_it_says() {
        let ranking = GradedRanking::new(&[Some(1), None, Some(0), Some(2)], &[0, 1, 2, 2]);
        assert_eq!(retrieved(&ranking), 4.0);
        assert_eq!((relevant(&ranking, 1), relevant(&ranking, 2)), (3.0, 2.0));
        assert_eq!((relevant_retrieved(&ranking, 1), relevant_retrieved(&ranking, 2)), (2.0, 1.0));
    }
}
