//! IPrec: interpolated precision at a level of recall.
//! van Rijsbergen, Information Retrieval, 1979 (chapter 7); TREC's eleven-point curve.
//!
//! The best precision at this level of recall or any higher one, so that the curve never rises.
//!
//! ```text
//! IPrec@x = max { P@r : recall at r ≥ x }
//! ```
//!
//! How many relevant documents make the level `x` is a matter of [`Rounding`], on which trec_eval changed its mind
//! (m_iprec_at_recall.c), so the policy decides it.

use crate::definition::{At, Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct IPrec;

impl Definition for IPrec {
    fn name(&self) -> &'static str {
        "IPrec"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn at(&self) -> At {
        At::Recall
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: None, before_at: Some("iprec_at_recall") }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, policy: Policy) -> f64 {
        let rel = given.first_as_grade();
        interpolated_precision(ranking, rel, given.recall, policy.rounding())
    }
}

/// How a level of recall becomes a number of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// `⌊x · R + 0.9⌋`, almost always up: trec_eval 9 and all before it.
    Up,
    /// To the nearest whole number, halves up, as in trec_eval 10.
    Nearest,
}

impl Rounding {
    fn of(self, documents: f64) -> f64 {
        match self {
            Self::Up => (documents + 0.9).floor(),
            Self::Nearest => documents.round(),
        }
    }
}

/// Interpolated precision once `recall` of the relevant documents is found.
pub fn interpolated_precision(
    ranking: &GradedRanking,
    rel: i32,
    recall: f64,
    rounding: Rounding,
) -> f64 {
    let needed = rounding.of(recall * ranking.relevant(rel) as f64);
    (1..)
        .zip(ranking.relevant_ranks(rel, None))
        .filter(|&(found, _)| f64::from(found) >= needed)
        .map(|(found, rank): (u32, u32)| f64::from(found) / f64::from(rank))
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_rise_lifts_the_levels_before_it() {
        // Relevant at ranks 2, 3 and 10 of R = 4: precisions 1/2, 2/3, 3/10.
        let mut grades = [None; 10];
        (grades[1], grades[2], grades[9]) = (Some(1), Some(1), Some(1));
        let ranking = GradedRanking::new(&grades, &[1; 4]);
        let at = |recall| interpolated_precision(&ranking, 1, recall, Rounding::Up);
        assert_eq!((at(0.0), at(0.25), at(0.5)), (2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0));
        assert_eq!((at(0.75), at(1.0)), (0.3, 0.0));
    }

    #[test]
    fn a_level_between_two_documents_is_rounded_as_the_policy_says() {
        // x · R = 1.3: trec_eval 9 asks for 2 documents, trec_eval 10 for 1.
        let ranking = GradedRanking::new(&[Some(1), None, None, Some(1)], &[1; 13]);
        let at = |rounding| interpolated_precision(&ranking, 1, 0.1, rounding);
        assert_eq!((at(Rounding::Up), at(Rounding::Nearest)), (0.5, 1.0));
    }
}
