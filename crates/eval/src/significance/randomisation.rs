//! The paired randomisation test, also called Fisher's permutation test.
//! Fisher, The Design of Experiments, 1935; for IR: Smucker, Allan and Carterette, CIKM 2007.
//!
//! If the systems did not differ, it would be chance which of the two produced which value. So swap them at random,
//! query by query, and see how often the mean difference comes out at least as large as the real one.
//!
//! ```text
//! p = (1 + |{ samples with |Σ ±d_i| ≥ |Σ d_i| }|) / (1 + samples)
//! ```
//!
//! Counting the real arrangement keeps `p` above zero (Phipson and Smyth, 2010).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Outcome;

/// How much smaller than the real sum a sum may be and still count as equal: rounding, not evidence.
const ROUNDING: f64 = 1e-12;

/// The two-sided test of `differences` against zero with random signs; the statistic is their mean.
pub fn randomisation(differences: &[f64], samples: u32, seed: u64) -> Outcome {
    if differences.iter().all(|&difference| difference == 0.0) {
        return Outcome { statistic: 0.0, p: 1.0 };
    }
    let n = differences.len() as f64;
    let sum: f64 = differences.iter().sum();
    let real = sum.abs() - ROUNDING * n;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let extreme =
        (0..samples).filter(|_| signed_sum(differences, &mut random).abs() >= real).count();
    let p = (extreme as f64 + 1.0) / (f64::from(samples) + 1.0);
    Outcome { statistic: sum / n, p }
}

/// The sum of the differences with a random sign each.
fn signed_sum(differences: &[f64], random: &mut ChaCha8Rng) -> f64 {
    differences
        .chunks(64)
        .map(|chunk| {
            let signs = random.next_u64();
            let signed = |(i, value): (usize, &f64)| {
                f64::from_bits(value.to_bits() ^ (((signs >> i) & 1) << 63))
            };
            chunk.iter().enumerate().map(signed).sum::<f64>()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_close_to_all_arrangements() {
        // Of the 16 signs of 1 2 3 4, |sum| ≥ 8 for +-{1234}, +-{-1 2 3 4}: 10 and 8, so p = 4/16.
        let outcome = randomisation(&[-1.0, 2.0, 3.0, 4.0], 100_000, 1);
        assert_eq!(outcome.statistic, 2.0);
        assert!((outcome.p - 0.25).abs() < 0.005, "{outcome:?}");
    }

    #[test]
    fn a_seed_gives_one_answer() {
        let differences: Vec<f64> = (0..100).map(|i| f64::from(i % 7) - 2.9).collect();
        let p = |seed| randomisation(&differences, 1000, seed).p;
        assert_eq!(p(7), p(7));
        assert_ne!(p(7), p(8));
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(randomisation(&[0.0; 9], 100, 1).p, 1.0);
    }
}
