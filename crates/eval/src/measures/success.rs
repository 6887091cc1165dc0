//! Success at a cut-off.
//! TREC's web and question answering tracks use it; no paper of its own is known to us.
//!
//! Is there anything relevant among the first `k`? Question answering calls it top-k accuracy.
//!
//! ```text
//! Success@k = max_{r ≤ k} rel_r
//! ```

use crate::definition::{At, Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct Success;

impl Definition for Success {
    fn name(&self) -> &'static str {
        "Success"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn at(&self) -> At {
        At::CutoffNeeded
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: None, before_at: Some("success") }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        success(ranking, given.first_as_grade(), given.needed_cutoff())
    }
}

/// 1 where a document of at least grade `rel` is among the first `cutoff`, else 0.
pub fn success(ranking: &GradedRanking, rel: i32, cutoff: u32) -> f64 {
    f64::from(u8::from(ranking.relevant_ranks(rel, Some(cutoff)).next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_relevant_document_is_enough() {
        let ranking = GradedRanking::new(&[None, Some(1)], &[1, 1]);
        assert_eq!((success(&ranking, 1, 1), success(&ranking, 1, 2)), (0.0, 1.0));
        assert_eq!(success(&ranking, 2, 2), 0.0);
    }
}
