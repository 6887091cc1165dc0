//! Rprec: precision at R.
//! Buckley and Voorhees, in: TREC, Experiment and Evaluation in Information Retrieval, 2005.
//!
//! Precision at the rank where a perfect system would have found everything; there it equals recall.
//!
//! ```text
//! Rprec = P@R
//! ```

use super::precision;
use crate::GradedRanking;

/// Precision after as many documents as are relevant.
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
