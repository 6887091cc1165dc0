//! A bootstrap interval of the mean difference.
//! Efron, Annals of Statistics 1979; for IR: Sakai, SIGIR 2006.
//!
//! Draw as many queries as there are, with replacement, again and again: the middle 95 % of the means so found is
//! what other samples of queries might have said.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// From where to where a value may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The percentile interval of the mean of `values` that holds the part `confidence` of `samples` resampled means.
pub fn bootstrap(values: &[f64], confidence: f64, samples: u32, seed: u64) -> Interval {
    bootstrap_by_dataset(&[values], confidence, samples, seed)
}

/// The same for the mean of the means of several datasets: queries are drawn again within each dataset, as which datasets
/// there are is no chance.
pub fn bootstrap_by_dataset(
    datasets: &[&[f64]],
    confidence: f64,
    samples: u32,
    seed: u64,
) -> Interval {
    if datasets.iter().all(|values| values.is_empty()) || samples == 0 {
        return Interval { low: 0.0, high: 0.0 };
    }
    if datasets.iter().all(|values| values.iter().all(|&value| value == 0.0)) {
        return Interval { low: 0.0, high: 0.0 }; // what drawing would find too
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut mean = |_| {
        let means = datasets.iter().map(|values| resampled_mean(values, &mut random));
        means.sum::<f64>() / datasets.len() as f64
    };
    let mut means: Vec<f64> = (0..samples).map(&mut mean).collect();
    means.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Interval { low: quantile(&means, tail), high: quantile(&means, 1.0 - tail) }
}

fn resampled_mean(values: &[f64], random: &mut ChaCha8Rng) -> f64 {
    let n = values.len() as u64;
    // The high half of a 32 by 32 bit product: uniform to within n / 2^32.
    let draw = |_| values[((u64::from(random.next_u32()) * n) >> 32) as usize];
    (0..n).map(draw).sum::<f64>() / n as f64
}

/// Between the two nearest of `sorted`, in proportion.
#[expect(clippy::cast_sign_loss, reason = "a part of a length is never negative")]
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let below = sorted[at.floor() as usize];
    below + (sorted[at.ceil() as usize] - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_wide_as_the_standard_error_says() {
        // A fair coin thrown 400 times: standard error 0.5 / 20 = 0.025, 95 % within 1.96 of them.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let interval = bootstrap(&values, 0.95, 20_000, 1);
        assert!((interval.low - (0.5 - 0.049)).abs() < 0.003, "{interval:?}");
        assert!((interval.high - (0.5 + 0.049)).abs() < 0.003, "{interval:?}");
    }

    #[test]
    fn datasets_are_drawn_from_one_by_one() {
        // Two coins of 400 and 100 throws: variance of the mean of means (.25/400 + .25/100) / 4, error 0.02795.
        let coin = |n: i32| (0..n).map(|i| f64::from(i % 2)).collect::<Vec<f64>>();
        let (many, few) = (coin(400), coin(100));
        let interval = bootstrap_by_dataset(&[&many, &few], 0.95, 20_000, 1);
        assert!((interval.low - (0.5 - 1.96 * 0.02795)).abs() < 0.003, "{interval:?}");
        assert!((interval.high - (0.5 + 1.96 * 0.02795)).abs() < 0.003, "{interval:?}");
    }

    #[test]
    fn a_constant_has_no_width() {
        assert_eq!(bootstrap(&[0.25; 8], 0.95, 100, 1), Interval { low: 0.25, high: 0.25 });
    }
}
