//! ERR: expected reciprocal rank.
//! Chapelle, Metzler, Zhang and Grinspan, CIKM 2009.
//!
//! A user walks down the ranking and stops at a document with a chance that grows with its grade; ERR is the expected
//! reciprocal of the rank where the walk ends.
//!
//! ```text
//! s_r = (2^g_r - 1) / 2^g_max
//! ERR@k = Σ_{r ≤ k} (1 / r) s_r Π_{i < r} (1 - s_i)
//! ```
//!
//! `g_max` is 4, whatever grades the qrels have: that is gdeval's constant, and figures of different collections
//! compare only with one constant. A grade above 4 is an error, as in gdeval.

use crate::definition::{At, Definition, Given};
use crate::{GradedRanking, Policy};

pub(crate) struct Err;

impl Definition for Err {
    fn name(&self) -> &'static str {
        "ERR"
    }

    fn at(&self) -> At {
        At::Cutoff
    }

    fn highest_grade(&self) -> Option<i32> {
        Some(MAX_GRADE)
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        expected_reciprocal_rank(ranking, given.cutoff)
    }
}

/// The highest grade: a document of this grade satisfies with a chance of 15/16.
pub const MAX_GRADE: i32 = 4;

/// Expected reciprocal rank of the first `cutoff` documents, or of all.
pub fn expected_reciprocal_rank(ranking: &GradedRanking, cutoff: Option<u32>) -> f64 {
    let mut still_looking = 1.0;
    let mut expected = 0.0;
    for hit in ranking.hits_to(cutoff) {
        let stops = stopping_chance(hit.grade);
        expected += still_looking * stops / f64::from(hit.rank);
        still_looking *= 1.0 - stops;
    }
    expected
}

fn stopping_chance(grade: i32) -> f64 {
    (f64::from(grade.max(0)).exp2() - 1.0) / f64::from(MAX_GRADE).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // s = 3/16 at rank 1 and 15/16 at rank 3: 3/16 + (13/16) (15/16) / 3 = 0.441406
        let ranking = GradedRanking::new(&[Some(2), None, Some(4)], &[4, 2]);
        let expected = 3.0 / 16.0 + 13.0 / 16.0 * 15.0 / 16.0 / 3.0;
        assert!((expected_reciprocal_rank(&ranking, Some(10)) - expected).abs() < 1e-12);
        assert_eq!(expected_reciprocal_rank(&ranking, Some(2)), 3.0 / 16.0);
    }
}
