//! Accuracy: top-k retrieval accuracy by answers.
//! Karpukhin et al., EMNLP 2020 (`karpukhin2020dpr`), Section 5.1; Chen et al., ACL 2017, before them.
//!
//! Does any of the first `k` passages hold an answer? The mean over questions is the share for which a reader of `k` passages
//! could find one. It is `Success@k` with answers in the place of judgements: which passages hold an answer is decided by their
//! tokens (`answers.rs`), so that no judgement is needed, and one that was never judged cannot be missed.
//!
//! ```text
//! Accuracy@k = max_{r ≤ k} rel_r,  rel_r = 1 where an answer stands in the text at rank r
//! ```

use crate::definition::{At, Definition, Given, JudgedBy};
use crate::{GradedRanking, Policy, measures::success};

pub(crate) struct Accuracy;

impl Definition for Accuracy {
    fn name(&self) -> &'static str {
        "Accuracy"
    }

    fn at(&self) -> At {
        At::CutoffNeeded
    }

    fn judged_by(&self) -> JudgedBy {
        JudgedBy::Answers
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        success(ranking, 1, given.needed_cutoff())
    }
}

#[cfg(test)]
mod tests {
    use crate::{GradedRanking, Measure, Policy};

    #[test]
    fn one_passage_with_an_answer_is_enough() {
        let ranking = GradedRanking::new(&[Some(0), Some(1)], &[0, 1]);
        let at = |measure: &str| {
            let measure: Measure = measure.parse().unwrap();
            measure.of(&ranking, Policy::default())
        };
        assert_eq!((at("Accuracy@1"), at("Accuracy@2")), (0.0, 1.0));
    }
}
