//! RBP: rank-biased precision.
//! Moffat and Zobel, TOIS 2008.
//!
//! A user looks at the next document with the chance `p`; RBP is the rate at which relevant ones pass by.
//!
//! ```text
//! RBP(p) = (1 - p) Σ_r rel_r p^(r - 1)
//! ```
//!
//! Relevance is binary at the level `rel`, 1 unless given, as for every other measure here.

use crate::definition::{At, Definition, Given, Parameter, REL, persistence, total};
use crate::{GradedRanking, Policy};

pub(crate) struct Rbp;

impl Definition for Rbp {
    fn name(&self) -> &'static str {
        "RBP"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[PERSISTENCE, REL]
    }

    fn at(&self) -> At {
        At::Cutoff
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        let [p, rel] = given.values;
        rank_biased_precision(ranking, p, rel as i32, given.cutoff)
    }
}

/// ir_measures' default.
const PERSISTENCE: Parameter = persistence(0.8);

/// Rank-biased precision with persistence `p`.
pub fn rank_biased_precision(
    ranking: &GradedRanking,
    p: f64,
    rel: i32,
    cutoff: Option<u32>,
) -> f64 {
    let looks = |rank: u32| p.powf(f64::from(rank) - 1.0);
    (1.0 - p) * total(ranking.relevant_ranks(rel, cutoff).map(looks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // p = 1/2, relevant at ranks 1 and 3: (1/2) (1 + 1/4) = 5/8
        let ranking = GradedRanking::new(&[Some(1), None, Some(1)], &[1, 1]);
        assert_eq!(rank_biased_precision(&ranking, 0.5, 1, None), 0.625);
    }
}
