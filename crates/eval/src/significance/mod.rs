//! Is a difference between two runs more than luck?
//!
//! Everything here works on paired values: `a[i]` and `b[i]` belong to the same query. A difference is system less
//! baseline, so that a positive one means better.
//!
//! Fuhr (SIGIR Forum 2017) and Sakai (SIGIR Forum 2016) say how to report: the effect and its interval beside `p`, and
//! a correction as soon as more than one comparison is made.

mod across;
mod bootstrap;
mod compare;
mod correction;
mod effect_size;
mod paired_t;
mod power;
mod randomisation;
mod rows;
mod studentised_range;
mod tukey;
mod wilcoxon;

pub use across::{Across, across};
pub use bootstrap::{Interval, bootstrap, bootstrap_by_dataset, bootstraps};
pub use compare::{Comparison, Differences, LEVEL, Settings, Test, UnknownTest, Unpaired, compare};
pub use correction::{Correction, UnknownCorrection};
pub use effect_size::{Tally, standardised_difference, tally};
pub use paired_t::paired_t;
pub use power::{POWER, detectable, detectable_by_dataset};
pub use randomisation::{randomisation, randomisations};
pub use studentised_range::survival as studentised_range_survival;
pub use tukey::{Pair, tukey_hsd, tukey_hsd_by_query};
pub use wilcoxon::wilcoxon;

/// What a test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The statistic, as the test's own file defines it.
    pub statistic: f64,
    /// The chance of a statistic at least this extreme, on either side, if there were no difference.
    pub p: f64,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of a sample (divisor `n - 1`).
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}
