//! A bootstrap interval of the mean difference.
//! Efron, Annals of Statistics 1979; for IR: Sakai, SIGIR 2006.
//!
//! Draw as many queries as there are, with replacement, again and again: the middle 95 % of the means so found is
//! what other samples of queries might have said.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::rows::{Rows, TOGETHER};

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
    bootstraps(&[values], confidence, samples, seed)[0]
}

/// The same for many systems over the same queries. Queries are drawn once for all of them, and every system gets the interval,
/// to the last bit, that it gets alone.
///
/// # Panics
///
/// If the systems have different numbers of queries.
pub fn bootstraps(systems: &[&[f64]], confidence: f64, samples: u32, seed: u64) -> Vec<Interval> {
    let together = |systems: &[&[f64]]| {
        let rows = Rows::new(systems);
        let mut means = match systems[0].is_empty() || samples == 0 {
            true => vec![vec![0.0]; systems.len()],
            false => rows.resampled_means(samples, seed),
        };
        means.iter_mut().map(|means| percentiles(means, confidence)).collect::<Vec<_>>()
    };
    systems.par_chunks(TOGETHER).flat_map_iter(together).collect()
}

impl Rows {
    /// The means of `samples` draws of as many queries as there are, for each system: `[width, samples]`.
    fn resampled_means(&self, samples: u32, seed: u64) -> Vec<Vec<f64>> {
        let queries = self.rows.len() / self.width;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut means = vec![Vec::with_capacity(samples as usize); self.width];
        let mut sum = vec![0.0; self.width];
        for _ in 0..samples {
            sum.fill(0.0);
            for _ in 0..queries {
                let row = self.row(draw(queries as u64, &mut random));
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            let of_all = means.iter_mut().zip(&sum);
            of_all.for_each(|(means, sum)| means.push(sum / queries as f64));
        }
        means
    }
}

/// The middle part of the values, `confidence` of them.
fn percentiles(values: &mut [f64], confidence: f64) -> Interval {
    let tail = (1.0 - confidence) / 2.0;
    Interval { low: quantile(values, tail), high: quantile(values, 1.0 - tail) }
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
    percentiles(&mut means, confidence)
}

fn resampled_mean(values: &[f64], random: &mut ChaCha8Rng) -> f64 {
    let n = values.len();
    (0..n).map(|_| values[draw(n as u64, random)]).sum::<f64>() / n as f64
}

/// One of `n` at random: the high half of a 32 by 32 bit product, uniform to within n / 2^32.
fn draw(n: u64, random: &mut ChaCha8Rng) -> usize {
    ((u64::from(random.next_u32()) * n) >> 32) as usize
}

/// Between the two nearest in order, in proportion.
#[expect(clippy::cast_sign_loss, reason = "a part of a length is never negative")]
fn quantile(values: &mut [f64], part: f64) -> f64 {
    let at = part * (values.len() - 1) as f64;
    let (_, &mut below, above) = values.select_nth_unstable_by(at.floor() as usize, f64::total_cmp);
    let above = match at.fract() > 0.0 {
        true => above.iter().copied().min_by(f64::total_cmp).unwrap_or(below),
        false => below,
    };
    below + (above - below) * at.fract()
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
    fn a_system_among_many_gets_what_it_gets_alone() {
        let of = |seed: i32| (0..90).map(|i| f64::from((i * seed) % 11)).collect::<Vec<f64>>();
        let systems: Vec<Vec<f64>> = (0..40).map(of).collect(); // the first is 0 everywhere
        let systems: Vec<&[f64]> = systems.iter().map(Vec::as_slice).collect();
        let alone: Vec<Interval> = systems.iter().map(|one| bootstrap(one, 0.95, 400, 3)).collect();
        assert_eq!(bootstraps(&systems, 0.95, 400, 3), alone);
        assert_eq!(alone[0], Interval { low: 0.0, high: 0.0 });
    }

    #[test]
    fn a_quantile_lies_between_two_values() {
        // 0.5 of 0 1 2 3 is 1.5, and 0.25 of them 0.75.
        assert_eq!(quantile(&mut [3.0, 0.0, 2.0, 1.0], 0.5), 1.5);
        assert_eq!(quantile(&mut [3.0, 0.0, 2.0, 1.0], 0.25), 0.75);
        assert_eq!(quantile(&mut [3.0, 0.0, 2.0], 1.0), 3.0);
    }

    #[test]
    fn a_constant_has_no_width() {
        assert_eq!(bootstrap(&[0.25; 8], 0.95, 100, 1), Interval { low: 0.25, high: 0.25 });
    }
}
