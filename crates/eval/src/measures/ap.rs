//! AP: average precision.
//! Harman, Information Processing and Management 1992; its stability is shown by Buckley and Voorhees, SIGIR 2000.
//!
//! The precision at each relevant document found, averaged over all that exist: those not found count 0.
//!
//! ```text
//! AP@k = (1 / R) Σ_{r ≤ k} rel_r · P@r
//! ```
//!
//! With a cut-off the divisor stays `R`, as trec_eval has it (`map_cut`). Its mean over queries is MAP.

use crate::definition::{At, Definition, Given, Parameter, REL, TrecNames, total};
use crate::{GradedRanking, Policy};

pub(crate) struct Ap;

impl Definition for Ap {
    fn name(&self) -> &'static str {
        "AP"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["MAP"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn at(&self) -> At {
        At::Cutoff
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("map"), before_at: Some("map_cut") }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        average_precision(ranking, given.first_as_grade(), given.cutoff)
    }
}

/// Average precision at relevance level `rel`.
pub fn average_precision(ranking: &GradedRanking, rel: i32, cutoff: Option<u32>) -> f64 {
    let relevant = ranking.relevant(rel);
    if relevant == 0 {
        return 0.0;
    }
    let found = (1..).zip(ranking.relevant_ranks(rel, cutoff));
    let precisions = found.map(|(found, rank): (u32, u32)| f64::from(found) / f64::from(rank));
    total(precisions) / relevant as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // Relevant at ranks 1, 3 and 6 of R = 4: (1/1 + 2/3 + 3/6 + 0) / 4 = 0.541667
        let grades = [Some(1), Some(0), Some(2), None, None, Some(1)];
        let ranking = GradedRanking::new(&grades, &[1, 0, 2, 1, 1]);
        assert!((average_precision(&ranking, 1, None) - 13.0 / 24.0).abs() < 1e-12);
        // The divisor is still 4: (1 + 2/3) / 4
        assert!((average_precision(&ranking, 1, Some(3)) - 5.0 / 12.0).abs() < 1e-12);
    }
}
