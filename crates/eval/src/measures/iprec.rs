//! IPrec: interpolated precision at a level of recall.
//! van Rijsbergen, Information Retrieval, 1979 (chapter 7); TREC's eleven-point curve.
//!
//! The best precision at this level of recall or any higher one, so that the curve never rises.
//!
//! ```text
//! IPrec@x = max { P@r : recall at r ≥ x }
//! ```
//!
//! The level is reached after `⌊x · R + 0.9⌋` relevant documents, which is how trec_eval rounds
//! (m_iprec_at_recall.c): almost always up.

use crate::GradedRanking;

/// Interpolated precision once `recall` of the relevant documents is found.
pub fn interpolated_precision(ranking: &GradedRanking, rel: i32, recall: f64) -> f64 {
    let needed = (recall * ranking.relevant(rel) as f64 + 0.9).floor();
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
        let at = |recall| interpolated_precision(&ranking, 1, recall);
        assert_eq!((at(0.0), at(0.25), at(0.5)), (2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0));
        assert_eq!((at(0.75), at(1.0)), (0.3, 0.0));
    }
}
