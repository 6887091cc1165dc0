//! How large a difference is, and how many queries share it.
//! Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988; for IR: Sakai, SIGIR Forum 2014.
//!
//! `p` shrinks with every query added; the standardised difference does not.
//!
//! ```text
//! d_z = mean(d) / sd(d)
//! ```

use super::{deviation, mean};

/// Cohen's `d` of paired values; 0 where nothing differs.
pub fn standardised_difference(differences: &[f64]) -> f64 {
    if differences.len() < 2 || differences.iter().all(|&difference| difference == 0.0) {
        return 0.0;
    }
    mean(differences) / deviation(differences)
}

/// Queries by who did better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Queries in which the system beats the baseline.
    pub wins: usize,
    /// Queries in which both have one value.
    pub ties: usize,
    /// Queries in which the baseline is better.
    pub losses: usize,
}

/// Counts the signs of `differences`.
pub fn tally(differences: &[f64]) -> Tally {
    let count = |is: fn(f64) -> bool| differences.iter().filter(|&&value| is(value)).count();
    Tally {
        wins: count(|difference| difference > 0.0),
        ties: count(|difference| difference == 0.0),
        losses: count(|difference| difference < 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // mean 0.2, deviations -.1 0 .1: sd = √(.02 / 2) = 0.1
        assert!((standardised_difference(&[0.1, 0.2, 0.3]) - 2.0).abs() < 1e-12);
        assert_eq!(tally(&[0.1, -0.2, 0.0, 0.3]), Tally { wins: 2, ties: 1, losses: 1 });
    }
}
