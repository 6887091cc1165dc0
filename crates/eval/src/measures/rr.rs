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

use crate::GradedRanking;

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
