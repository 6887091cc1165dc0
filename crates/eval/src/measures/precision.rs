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

use crate::GradedRanking;

/// The relevant part of the first `cutoff` documents.
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
