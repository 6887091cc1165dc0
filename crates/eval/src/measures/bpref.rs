//! Bpref: binary preference.
//! Buckley and Voorhees, SIGIR 2004.
//!
//! Made for incomplete judgements: unjudged documents are left out, and each relevant document is charged for the
//! judged nonrelevant ones above it.
//!
//! ```text
//! Bpref = (1 / R) Σ_{relevant d} 1 - min(n_d, R) / min(N, R)
//! ```
//!
//! where `n_d` judged nonrelevant documents stand above `d` and `N` were judged in all. The paper divides by `R`;
//! `min(N, R)` is trec_eval's form since version 8 (`bpref_bug`). Grades from 0 to below the level are judged
//! nonrelevant; negative grades are pooled but not judged, as trec_eval reads them, and so left out.

use crate::definition::{Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct Bpref;

impl Definition for Bpref {
    fn name(&self) -> &'static str {
        "Bpref"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["BPref"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("bpref"), before_at: None }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        bpref(ranking, given.first_as_grade())
    }
}

/// Binary preference at relevance level `rel`.
pub fn bpref(ranking: &GradedRanking, rel: i32) -> f64 {
    let relevant = ranking.relevant(rel);
    if relevant == 0 {
        return 0.0;
    }
    let nonrelevant = ranking.relevant(0).saturating_sub(relevant);
    let most = nonrelevant.min(relevant);
    let mut above = 0;
    let mut sum = 0.0;
    for hit in ranking.hits().iter().filter(|hit| hit.grade >= rel.min(0)) {
        match hit.grade {
            grade if grade < rel => above += 1,
            _ if above == 0 => sum += 1.0,
            _ => sum += 1.0 - above.min(relevant) as f64 / most as f64,
        }
    }
    sum / relevant as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // R = 2, N = 3. First relevant below one nonrelevant: 1 - 1/2; second below two: 1 - 2/2.
        let grades = [Some(0), None, Some(1), Some(0), Some(2), Some(0)];
        let ranking = GradedRanking::new(&grades, &[1, 2, 0, 0, 0]);
        assert_eq!(bpref(&ranking, 1), 0.5 / 2.0);
    }

    #[test]
    fn a_negative_grade_is_left_out_as_trec_eval_does() {
        // trec_eval 9 through pytrec_eval: qrels a d e 1, c f g 0, b -1; ranking b a: 0.3333
        let ranking = GradedRanking::new(&[Some(-1), Some(1)], &[1, 1, 1, 0, 0, 0, -1]);
        assert_eq!(bpref(&ranking, 1), 1.0 / 3.0);
        // The same with b judged 0: 0.2222
        let ranking = GradedRanking::new(&[Some(0), Some(1)], &[1, 1, 1, 0, 0, 0, 0]);
        assert!((bpref(&ranking, 1) - 2.0 / 9.0).abs() < 1e-12);
    }
}
