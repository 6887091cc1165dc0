//! Rprec: precision at R.
//! Buckley and Voorhees, in: TREC, Experiment and Evaluation in Information Retrieval, 2005.
//!
//! Precision at the rank where a perfect system would have found everything; there it equals recall.
//!
//! ```text
//! Rprec = P@R
//! ```

use super::precision;
use crate::definition::{Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct Rprec;

impl Definition for Rprec {
    fn name(&self) -> &'static str {
        "Rprec"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["RPrec"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("Rprec"), before_at: None }
    }

    fn last_rank(&self, ranking: &GradedRanking, given: &Given) -> Option<u32> {
        Some(ranking.relevant(given.first_as_grade()) as u32)
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        r_precision(ranking, given.first_as_grade())
    }
}

/// The precision after as many documents as are relevant.
pub fn r_precision(ranking: &GradedRanking, rel: i32) -> f64 {
    match ranking.relevant(rel) {
        0 => 0.0,
        relevant => precision(ranking, rel, relevant as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_at_as_many_documents_as_are_relevant() {
        // R = 3: of the first three documents one is relevant.
        let ranking = GradedRanking::new(&[None, Some(1), None, Some(1)], &[1, 1, 1, 0]);
        assert_eq!(r_precision(&ranking, 1), 1.0 / 3.0);
    }
}
