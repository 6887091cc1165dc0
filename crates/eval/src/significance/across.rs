//! A system against the baseline over several datasets: the mean of the datasets' mean differences.
//! Fisher, The Design of Experiments, 1935, whose pairs lie in blocks: here a dataset is a block.
//!
//! A mean over datasets counts each dataset once, however many queries it has. Under no difference the signs of single
//! queries are chance in every dataset, so they are swapped query by query, and the mean of means is looked at.
//!
//! ```text
//! D = 1/m Σ_k 1/n_k Σ_i d_ki                  m datasets, n_k queries in the k-th
//! p = (1 + |{ samples with |D of random signs| ≥ |D| }|) / (1 + samples)
//! ```
//!
//! The datasets are taken as they are: nothing is said of others that might have been chosen.

use super::{Interval, Settings, bootstrap_by_dataset, mean, randomisation};

/// A difference over several datasets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Across {
    /// The mean of the datasets' mean differences.
    pub difference: f64,
    /// Where that lies if the queries of each dataset were drawn again.
    pub interval: Interval,
    /// Of the randomisation test, two-sided, before any correction.
    pub p: f64,
}

/// Judges the differences of one system, `datasets[k][i]` for query `i` of dataset `k`, by randomisation within datasets.
/// Only seed, samples and confidence of `settings` are used.
pub fn across(datasets: &[&[f64]], settings: &Settings) -> Across {
    let &Settings { samples, seed, confidence, .. } = settings;
    Across {
        difference: datasets.iter().map(|values| mean(values)).sum::<f64>() / datasets.len() as f64,
        interval: bootstrap_by_dataset(datasets, confidence, samples, seed),
        p: randomisation(&weighted(datasets), samples, seed).p,
    }
}

/// All differences, each times its share in the mean of means and the number of all: their mean is the mean of means.
fn weighted(datasets: &[&[f64]]) -> Vec<f64> {
    let all: usize = datasets.iter().map(|values| values.len()).sum();
    let weight = |of: usize| all as f64 / (datasets.len() * of) as f64;
    let one = |values: &&[f64]| {
        let weight = weight(values.len());
        values.iter().map(|value| weight * value).collect::<Vec<f64>>()
    };
    datasets.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_counts_once_however_many_queries_it_has() {
        // Means 0.1 of four queries and 0.5 of one: mean of means 0.3, and not 0.9 / 5 = 0.18.
        let settings = Settings { samples: 1000, ..Settings::default() };
        let found = across(&[&[0.1; 4], &[0.5]], &settings);
        assert!((found.difference - 0.3).abs() < 1e-12);
        assert!((mean(&weighted(&[&[0.1; 4], &[0.5]])) - 0.3).abs() < 1e-12);
        assert!(
            (found.interval.low - 0.3).abs() < 1e-9 && (found.interval.high - 0.3).abs() < 1e-9
        );
    }

    #[test]
    fn it_comes_close_to_all_arrangements() {
        // D = (-1 + 2)/4 + 3/2 = 1.75. Of the eight ±.25 ±.5 ±1.5, those with .5 and 1.5 of one sign reach it: p = 4/8.
        let settings = Settings { samples: 100_000, ..Settings::default() };
        let found = across(&[&[-1.0, 2.0], &[3.0]], &settings);
        assert!((found.difference - 1.75).abs() < 1e-12);
        assert!((found.p - 0.5).abs() < 0.005, "{found:?}");
    }
}
