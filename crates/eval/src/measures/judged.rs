//! Judged: how much of the top was ever judged.
//! MacAvaney, Macdonald and Ounis, ECIR 2022 (ir-measures), which took it from OpenNIR.
//!
//! A low value warns that the other measures say little about this run: assessors did not see what it found.
//!
//! ```text
//! Judged@k = |judged among the first k| / min(k, retrieved)
//! ```
//!
//! A document of any grade in the qrels is judged, a negative grade included.

use crate::definition::{At, Definition, Given};
use crate::{GradedRanking, Policy};

pub(crate) struct Judged;

impl Definition for Judged {
    fn name(&self) -> &'static str {
        "Judged"
    }

    fn at(&self) -> At {
        At::Cutoff
    }

    fn is_effectiveness(&self) -> bool {
        false
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        judged(ranking, given.cutoff)
    }
}

/// The judged part of the first `cutoff` documents, or of all.
pub fn judged(ranking: &GradedRanking, cutoff: Option<u32>) -> f64 {
    match cutoff.unwrap_or(u32::MAX).min(ranking.retrieved()) {
        0 => 0.0,
        looked_at => ranking.hits_to(cutoff).count() as f64 / f64::from(looked_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_ranking_is_not_filled_up() {
        let ranking = GradedRanking::new(&[Some(0), None, Some(-1)], &[1, 0, -1]);
        assert_eq!(judged(&ranking, Some(10)), 2.0 / 3.0);
        assert_eq!(judged(&ranking, Some(2)), 1.0 / 2.0);
        assert_eq!(judged(&GradedRanking::default(), None), 0.0);
    }
}
