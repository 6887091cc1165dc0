//! What a run costs: stage by stage, and one query at a time.

use std::ops::Add;
use std::time::{Duration, Instant};

use cpu_time::{ProcessTime, ThreadTime};
use nir_catalogue::Latency;
use nir_core::{Queries, Result};
use serde::{Deserialize, Serialize};

/// The largest number of queries that are timed; they are spread evenly over all queries.
const QUERIES: usize = 200;
/// The time after which no further query is timed.
const BUDGET: Duration = Duration::from_secs(5);

/// The wall-clock seconds that `work` took, and its result.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// The time that some work took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// CPU seconds, summed over all processors.
    pub cpu_seconds: f64,
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
        }
    }
}

/// The time that `work` took of this process, and its result.
pub(crate) fn spent<T>(work: impl FnOnce() -> T) -> (Spent, T) {
    let cpu = ProcessTime::now();
    let (seconds, result) = timed(work);
    (Spent { seconds, cpu_seconds: cpu.elapsed().as_secs_f64() }, result)
}

/// The time that `work` took of this thread, and its result. `work` must not use other threads.
pub(crate) fn spent_here<T>(work: impl FnOnce() -> T) -> (Spent, T) {
    let cpu = ThreadTime::now();
    let (seconds, result) = timed(work);
    (Spent { seconds, cpu_seconds: cpu.elapsed().as_secs_f64() }, result)
}

/// Times `search` on single queries, one after the other on one thread. The first search is not counted.
pub(crate) fn latency(
    queries: &Queries,
    search: impl Fn(&Queries) -> Result<()> + Send + Sync,
) -> Result<Latency> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let singles = sample(queries);
    pool.install(|| {
        if let Some(first) = singles.first() {
            search(first)?;
        }
        let start = Instant::now();
        let mut seconds = Vec::new();
        for single in &singles {
            let (time, found) = timed(|| search(single));
            found?;
            seconds.push(time);
            if start.elapsed() > BUDGET {
                break;
            }
        }
        Ok(summary(seconds))
    })
}

fn sample(queries: &Queries) -> Vec<Queries> {
    let n = queries.len().min(QUERIES);
    let single = |i: usize| {
        Queries::new(vec![queries[i * queries.len() / n].clone()]).expect("one name is unique")
    };
    (0..n).map(single).collect()
}

pub(crate) fn summary(mut seconds: Vec<f64>) -> Latency {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| 1000.0 * percentile(&seconds, share);
    Latency {
        queries: seconds.len(),
        p50_ms: at(0.50),
        p50_interval_ms: median_interval(&seconds).map(|ends| ends.map(|end| 1000.0 * end)),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
    }
}

/// The values between which the median of what `sorted` was drawn from lies with 95 % confidence, whatever its
/// distribution: of `n` values those at the ranks `l = ⌊(n - 1.96 √n) / 2⌋` and `n + 1 - l`, by the normal approximation to
/// the binomial distribution (Hollander and Wolfe, Nonparametric Statistical Methods, section 3.6); the smallest and the
/// largest of fewer than eight.
fn median_interval(sorted: &[f64]) -> Option<[f64; 2]> {
    let n = sorted.len() as f64;
    let rank = (((n - 1.96 * n.sqrt()) / 2.0).floor()).max(1.0) as usize;
    Some([*sorted.get(rank - 1)?, sorted[sorted.len() - rank]])
}

/// The smallest value that at least `share` of the sorted values do not exceed (nearest rank); 0 if there are no
/// values.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The largest resident set of this process so far, in bytes; `None` if the system does not report it.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let seconds: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&seconds, 0.50), 50.0);
        assert_eq!(percentile(&seconds, 0.99), 99.0);
        assert_eq!(percentile(&[7.0], 0.95), 7.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn the_median_lies_between_two_ranks() {
        // n = 100: (100 - 19.6) / 2 = 40.2, ranks 40 and 61: P(40 ≤ successes ≤ 60) = .9648 of a fair coin.
        let seconds: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(median_interval(&seconds), Some([40.0, 61.0]));
        assert_eq!(median_interval(&[1.0, 2.0, 9.0]), Some([1.0, 9.0]));
        assert_eq!(median_interval(&[]), None);
    }
}
