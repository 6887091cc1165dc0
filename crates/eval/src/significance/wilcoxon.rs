//! The signed rank test.
//! Wilcoxon, Biometrics Bulletin 1945; with ties as Pratt and Gibbons have them, and scipy's choices.
//!
//! Do the differences above zero outrank those below it?
//!
//! ```text
//! W+ = Σ_{d > 0} rank(|d|),  W- = Σ_{d < 0} rank(|d|),  W = min(W+, W-)
//! z  = (W+ - n(n+1)/4) / √(n(n+1)(2n+1)/24 - Σ (t³ - t)/48)
//! ```
//!
//! Differences of zero are dropped, equal ones share their mean rank, and `t` is the size of such a group. The
//! distribution of `W` is exact up to 50 differences without zeros and ties, and up to 13 with them; beyond it is the
//! normal one without correction for continuity. That is what scipy's `wilcoxon` does unasked.

use statrs::distribution::{ContinuousCDF, Normal};

use super::Outcome;

/// How many differences, none zero and none equal, still get the exact distribution.
const EXACT: usize = 50;
/// The same where some are zero or equal.
const EXACT_WITH_TIES: usize = 13;

/// The two-sided test of `differences` against zero. Without any difference `p` is 1.
pub fn wilcoxon(differences: &[f64]) -> Outcome {
    let ranks = Ranks::of(differences);
    let smaller = ranks.sum(1).min(ranks.sum(-1));
    let untied = ranks.ties == 0.0 && ranks.doubled.len() == differences.len();
    let p = match differences.len() {
        _ if ranks.doubled.is_empty() => 1.0,
        n if n <= EXACT_WITH_TIES || (untied && n <= EXACT) => ranks.exact(smaller),
        _ => ranks.normal(),
    };
    Outcome { statistic: smaller as f64 / 2.0, p }
}

/// The ranks of the differences that are not zero.
struct Ranks {
    /// Twice each rank, because a mean rank may end in a half, with the sign of its difference.
    doubled: Vec<i64>,
    /// `Σ (t³ - t)` over groups of equal differences.
    ties: f64,
}

impl Ranks {
    fn of(differences: &[f64]) -> Self {
        let mut sorted: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
        sorted.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
        let mut ranks = Self { doubled: Vec::with_capacity(sorted.len()), ties: 0.0 };
        for group in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
            // The mean of the ranks done + 1 to done + size.
            let doubled = (2 * ranks.doubled.len() + group.len() + 1).cast_signed() as i64;
            let size = group.len() as f64;
            ranks.ties += size.powi(3) - size;
            ranks.doubled.extend(group.iter().map(|d| if *d > 0.0 { doubled } else { -doubled }));
        }
        ranks
    }

    /// Twice `W+` for the sign 1, twice `W-` for -1.
    fn sum(&self, sign: i64) -> u64 {
        self.doubled.iter().map(|rank| (rank * sign).max(0).unsigned_abs()).sum()
    }

    /// `2 P(W+ ≤ w)` over all signs that the ranks could have; `w` comes doubled.
    fn exact(&self, w: u64) -> f64 {
        let most: u64 = self.doubled.iter().map(|rank| rank.unsigned_abs()).sum();
        let mut chances = vec![0.0; most as usize + 1];
        chances[0] = 1.0;
        for rank in self.doubled.iter().map(|rank| rank.unsigned_abs() as usize) {
            for sum in (0..chances.len()).rev() {
                let with = if sum >= rank { chances[sum - rank] } else { 0.0 };
                chances[sum] = f64::midpoint(chances[sum], with);
            }
        }
        let below: f64 = chances[..=w as usize].iter().sum();
        (2.0 * below).min(1.0)
    }

    fn normal(&self) -> f64 {
        let n = self.doubled.len() as f64;
        let mean = n * (n + 1.0) / 4.0;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - self.ties / 48.0;
        let z = (self.sum(1) as f64 / 2.0 - mean) / variance.sqrt();
        2.0 * Normal::standard().sf(z.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // Ranks 1 2 3 with signs - + +: W- = 1; of 8 sign patterns, W- ≤ 1 in { }, {1}: p = 2 · 2/8
        assert_eq!(wilcoxon(&[-0.1, 0.2, 0.3]), Outcome { statistic: 1.0, p: 0.5 });
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(wilcoxon(&[0.0; 20]), Outcome { statistic: 0.0, p: 1.0 });
    }
}
