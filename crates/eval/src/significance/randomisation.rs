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
use rayon::prelude::*;

use super::Outcome;
use super::rows::{Rows, TOGETHER};

/// How much smaller than the real sum a sum may be and still count as equal: rounding, not evidence.
const ROUNDING: f64 = 1e-12;

/// The two-sided test of `differences` against zero with random signs; the statistic is their mean.
pub fn randomisation(differences: &[f64], samples: u32, seed: u64) -> Outcome {
    randomisations(&[differences], samples, seed)[0]
}

/// The same test of many systems over the same queries. Signs are drawn once for all of them, and every system gets the p-value,
/// to the last bit, that it gets alone.
///
/// # Panics
///
/// If the systems have different numbers of queries.
pub fn randomisations(systems: &[&[f64]], samples: u32, seed: u64) -> Vec<Outcome> {
    let together = |systems: &[&[f64]]| {
        let (rows, n) = (Rows::new(systems), systems[0].len() as f64);
        let sums: Vec<f64> = systems.iter().map(|one| one.iter().sum()).collect();
        let real: Vec<f64> = sums.iter().map(|sum: &f64| sum.abs() - ROUNDING * n).collect();
        let extreme = rows.count_extreme(&real, samples, seed);
        let outcome = |at: usize| {
            if systems[at].iter().all(|&difference| difference == 0.0) {
                return Outcome { statistic: 0.0, p: 1.0 };
            }
            let p = (f64::from(extreme[at]) + 1.0) / (f64::from(samples) + 1.0);
            Outcome { statistic: sums[at] / n, p }
        };
        (0..systems.len()).map(outcome).collect::<Vec<_>>()
    };
    systems.par_chunks(TOGETHER).flat_map_iter(together).collect()
}

impl Rows {
    /// How many samples of random signs give each system a sum that is at least as far from 0 as its real one.
    fn count_extreme(&self, real: &[f64], samples: u32, seed: u64) -> Vec<u32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut extreme = vec![0; real.len()];
        let (mut sum, mut part) = (vec![0.0; real.len()], vec![0.0; real.len()]);
        for _ in 0..samples {
            sum.fill(0.0);
            for queries in self.rows.chunks(64 * self.width) {
                let signs = random.next_u64();
                part.fill(0.0);
                for (i, row) in queries.chunks_exact(self.width).enumerate() {
                    let sign = ((signs >> i) & 1) << 63;
                    for (part, value) in part.iter_mut().zip(row) {
                        *part += f64::from_bits(value.to_bits() ^ sign);
                    }
                }
                sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
            }
            for ((extreme, sum), real) in extreme.iter_mut().zip(&sum).zip(real) {
                *extreme += u32::from(sum.abs() >= *real);
            }
        }
        extreme
    }
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
    fn a_system_among_many_gets_what_it_gets_alone() {
        let of = |seed: i32| {
            (0..150).map(|i| f64::from((i * seed) % 13) / 13.0 - 0.45).collect::<Vec<f64>>()
        };
        let mut systems: Vec<Vec<f64>> = (1..=70).map(of).collect();
        systems[5] = vec![0.0; 150];
        let systems: Vec<&[f64]> = systems.iter().map(Vec::as_slice).collect();
        let alone: Vec<Outcome> = systems.iter().map(|one| randomisation(one, 500, 3)).collect();
        assert_eq!(randomisations(&systems, 500, 3), alone);
        assert!(alone.iter().any(|one| one.p < 0.5) && alone[5].p == 1.0);
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(randomisation(&[0.0; 9], 100, 1).p, 1.0);
    }
}
