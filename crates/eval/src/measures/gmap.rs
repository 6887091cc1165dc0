//! GMAP: the geometric mean of average precision.
//! Robertson, CIKM 2006; made for the TREC 2004 robust track.
//!
//! Of one query it is AP. Averaging logarithms makes a doubling count the same on a hard query as on an easy one.
//!
//! ```text
//! GMAP = exp( (1 / n) Σ_q ln max(AP_q, ε) )
//! ```
//!
//! `ε` keeps a query with AP 0 from deciding alone; it is trec_eval's `MIN_GEO_MEAN`.

use super::average_precision;
use crate::definition::{Definition, Given, Parameter, REL, TrecNames};
use crate::{GradedRanking, Policy};

pub(crate) struct Gmap;

impl Definition for Gmap {
    fn name(&self) -> &'static str {
        "GMAP"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["gm_map"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[REL]
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("gm_map"), before_at: None }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        average_precision(ranking, given.first_as_grade(), None)
    }

    fn summarise(&self, values: &[f64]) -> f64 {
        geometric_mean(values)
    }
}

/// The value that replaces an AP below it, as in trec_eval.
pub const FLOOR: f64 = 0.000_01;

/// The geometric mean of `values`, each raised to [`FLOOR`] at least.
pub fn geometric_mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let sum: f64 = values.iter().map(|value| value.max(FLOOR).ln()).sum();
    (sum / values.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_without_success_counts_the_floor() {
        // √(0.4 · 0.00001) = 0.002
        assert!((geometric_mean(&[0.4, 0.0]) - 0.002).abs() < 1e-12);
    }
}
