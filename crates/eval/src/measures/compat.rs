//! Compat: compatibility with the best ranking there could be.
//! Clarke, Vtyurina and Smucker, TOIS 2021; rank-biased overlap is Webber, Moffat and Zobel's, TOIS 2010.
//!
//! How far does the ranking agree with an ideal one, where agreement at the top weighs most?
//!
//! ```text
//! RBO(A, I) = Σ_{i ≤ n} p^(i-1) |A_{1:i} ∩ I_{1:i}| / i  /  Σ_{i ≤ n} p^(i-1)
//! Compat(p) = RBO(A, I) / RBO(I, I)
//! ```
//!
//! `I` holds the documents of positive grade, better grades first. Documents of one grade stand as the ranking has them,
//! those it does not have last, so that of all ideal rankings it is the nearest. `n` is the length of the longer one.

use crate::definition::{Definition, Given, Parameter, persistence, total};
use crate::{GradedRanking, Policy};

pub(crate) struct Compat;

impl Definition for Compat {
    fn name(&self) -> &'static str {
        "Compat"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[PERSISTENCE]
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        compatibility(ranking, given.values[0])
    }
}

/// ir_measures' default.
const PERSISTENCE: Parameter = persistence(0.95);

/// Compatibility at persistence `p`.
pub fn compatibility(ranking: &GradedRanking, p: f64) -> f64 {
    let relevant = ranking.relevant(1);
    if relevant == 0 {
        return 0.0;
    }
    let depth = relevant.max(ranking.retrieved() as usize);
    let ideal: Vec<usize> = (1..=relevant).collect();
    overlap(&common(ranking), p, depth) / overlap(&ideal, p, depth)
}

/// For each document in both rankings, the first depth at which both have it.
fn common(ranking: &GradedRanking) -> Vec<usize> {
    let mut hits: Vec<_> = ranking.hits_to(None).filter(|hit| hit.grade > 0).collect();
    hits.sort_by_key(|hit| -i64::from(hit.grade));
    let of_grade = |(place, hit): (usize, &crate::Hit)| {
        let better = ranking.judged().partition_point(|&grade| grade > hit.grade);
        let before = hits[..place].iter().filter(|other| other.grade == hit.grade).count();
        (better + before + 1).max(hit.rank as usize)
    };
    hits.iter().enumerate().map(of_grade).collect()
}

/// The sum of RBO, less its divisor, over documents that count from these depths on.
fn overlap(depths: &[usize], p: f64, depth: usize) -> f64 {
    let mut new = vec![0u32; depth + 1];
    for &first in depths {
        new[first] += 1;
    }
    let mut both = 0;
    let mut weight = 1.0;
    total((1..=depth).map(|at| {
        both += new[at];
        let share = weight * f64::from(both) / at as f64;
        weight *= p;
        share
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // Ranking: grade 1, unjudged, grade 2; ideal: grade 2, then 1. Both have the first from depth 2, the other from 3.
        // p = 1/2: (0 + 1/2 · 1/2 + 1/4 · 2/3) / (1 + 1/2 · 2/2 + 1/4 · 2/3) = (5/12) / (5/3) = 1/4
        let ranking = GradedRanking::new(&[Some(1), None, Some(2)], &[1, 2, 0]);
        assert!((compatibility(&ranking, 0.5) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn an_ideal_ranking_is_worth_one() {
        let ranking = GradedRanking::new(&[Some(3), Some(1), Some(1), None], &[1, 1, 3, 0]);
        assert!((compatibility(&ranking, 0.95) - 1.0).abs() < 1e-12);
    }
}
