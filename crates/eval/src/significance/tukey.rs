//! Tukey's honestly significant difference: all pairs of several systems at once.
//! Tukey 1953; for IR: Carterette, TOIS 2012, and Sakai, SIGIR Forum 2016.
//!
//! Every pair is judged against the spread that the best and the worst of so many equal systems would show, so that
//! the chance of any false finding among all pairs stays at the level. No correction is needed after it.
//!
//! ```text
//! q_ij = |mean_i - mean_j| / √(MS_e / n),  p_ij = P(Q_{m, ν} > q_ij)
//! ```
//!
//! [`tukey_hsd`] takes groups as independent (one-way, `ν = N - m`; the Tukey-Kramer form for unequal sizes).
//! [`tukey_hsd_by_query`] takes away what queries have in common first (two-way without replication,
//! `ν = (m - 1)(n - 1)`): systems answer the same queries, so this is the one for runs.

use super::mean;
use super::studentised_range::survival;

/// Two of the systems, by their position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// One system.
    pub first: usize,
    /// The other, later one.
    pub second: usize,
    /// Mean of the first less mean of the second.
    pub difference: f64,
    /// The chance of so large a difference among so many systems if none differed.
    pub p: f64,
}

/// All pairs of independent groups.
pub fn tukey_hsd(groups: &[&[f64]]) -> Vec<Pair> {
    let values: usize = groups.iter().map(|group| group.len()).sum();
    let squares: f64 = groups.iter().map(|group| squares_about(group, mean(group))).sum();
    pairs(groups, squares, (values - groups.len()) as f64)
}

/// All pairs of systems over the same queries: `systems[s][q]`.
///
/// # Panics
/// If the systems do not have the same number of queries.
pub fn tukey_hsd_by_query(systems: &[&[f64]]) -> Vec<Pair> {
    let queries = systems.first().map_or(0, |system| system.len());
    assert!(systems.iter().all(|system| system.len() == queries), "one value for each query");
    let grand = systems.iter().map(|system| mean(system)).sum::<f64>() / systems.len() as f64;
    let residual = |query: usize| -> f64 {
        let of_query =
            systems.iter().map(|system| system[query]).sum::<f64>() / systems.len() as f64;
        systems.iter().map(|system| (system[query] - mean(system) - of_query + grand).powi(2)).sum()
    };
    let squares = (0..queries).map(residual).sum();
    pairs(systems, squares, ((systems.len() - 1) * (queries - 1)) as f64)
}

fn squares_about(values: &[f64], centre: f64) -> f64 {
    values.iter().map(|value| (value - centre).powi(2)).sum()
}

fn pairs(groups: &[&[f64]], squares: f64, freedom: f64) -> Vec<Pair> {
    let error = squares / freedom;
    let mut pairs = Vec::new();
    for (first, a) in groups.iter().enumerate() {
        for (second, b) in groups.iter().enumerate().skip(first + 1) {
            let difference = mean(a) - mean(b);
            let width = error / 2.0 * (1.0 / a.len() as f64 + 1.0 / b.len() as f64);
            let q = if difference == 0.0 { 0.0 } else { difference.abs() / width.sqrt() };
            let p = survival(q, groups.len(), freedom);
            pairs.push(Pair { first, second, difference, p });
        }
    }
    pairs
}
