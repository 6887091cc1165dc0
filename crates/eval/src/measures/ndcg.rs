//! nDCG: normalised discounted cumulative gain.
//! Järvelin and Kekäläinen, TOIS 2002; the exponential gain is that of Burges et al., ICML 2005.
//!
//! A document is worth its gain, less the deeper it stands; the sum is divided by the best that any ranking of the
//! judged documents could reach.
//!
//! ```text
//! DCG@k  = Σ_{r ≤ k} gain(g_r) / log2(r + 1)
//! nDCG@k = DCG@k / DCG@k of all judged grades, best first
//! gain(g) = g        `nDCG@k`, as trec_eval
//! gain(g) = 2^g - 1  `nDCG(dcg='exp-log2')@k`, as gdeval
//! ```
//!
//! The paper discounts by `log_b(r)` from rank `b` on; everyone since uses `log2(r + 1)` from the first rank, and so
//! do we. All grades count: there is no relevance level.

use crate::definition::{At, Definition, Given, Parameter, TrecNames, total};
use crate::{GradedRanking, Policy};

pub(crate) struct Ndcg;

impl Definition for Ndcg {
    fn name(&self) -> &'static str {
        "nDCG"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["NDCG"]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[DCG]
    }

    fn at(&self) -> At {
        At::Cutoff
    }

    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: Some("ndcg"), before_at: Some("ndcg_cut") }
    }

    fn of(&self, ranking: &GradedRanking, given: &Given, _policy: Policy) -> f64 {
        let gain = if given.values[0] == DCG.usual { Gain::Linear } else { Gain::Exponential };
        ndcg(ranking, given.cutoff, gain)
    }
}

/// Which gain a grade has: 0 for the linear one, 1 for the exponential one.
const DCG: Parameter = Parameter {
    name: "dcg",
    usual: 0.0,
    is_always_printed: false,
    expected: "'log2' or 'exp-log2'",
    read: |text| match text.trim_matches(['\'', '"']) {
        "log2" => Some(0.0),
        "exp-log2" => Some(1.0),
        _ => None,
    },
    print: |gain| if gain == 0.0 { "'log2'".to_owned() } else { "'exp-log2'".to_owned() },
};

/// The gain of a grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gain {
    /// The grade itself.
    #[default]
    Linear,
    /// `2^grade - 1`.
    Exponential,
}

impl Gain {
    fn of(self, grade: i32) -> f64 {
        match self {
            _ if grade <= 0 => 0.0,
            Self::Linear => f64::from(grade),
            Self::Exponential => f64::from(grade).exp2() - 1.0,
        }
    }
}

/// The nDCG of the first `cutoff` documents, or of all.
pub fn ndcg(ranking: &GradedRanking, cutoff: Option<u32>, gain: Gain) -> f64 {
    let ideal = (1..=cutoff.unwrap_or(u32::MAX)).zip(ranking.judged().iter().copied());
    let ideal = dcg(ideal, gain);
    if ideal == 0.0 {
        return 0.0;
    }
    dcg(ranking.hits_to(cutoff).map(|hit| (hit.rank, hit.grade)), gain) / ideal
}

fn dcg(grades: impl Iterator<Item = (u32, i32)>, gain: Gain) -> f64 {
    total(grades.map(|(rank, grade)| gain.of(grade) / (f64::from(rank) + 1.0).log2()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // DCG = 1/log2(2) + 0 + 2/log2(4) = 2;  ideal = 2/log2(2) + 1/log2(3) = 2.63093
        let ranking = GradedRanking::new(&[Some(1), None, Some(2)], &[2, 1]);
        assert!((ndcg(&ranking, Some(10), Gain::Linear) - 2.0 / 2.630_929_753_571).abs() < 1e-9);
        // DCG = 1 + 0 + 3/2 = 2.5;  ideal = 3 + 1/log2(3) = 3.63093
        let exponential = ndcg(&ranking, Some(10), Gain::Exponential);
        assert!((exponential - 2.5 / 3.630_929_753_571).abs() < 1e-9);
    }

    #[test]
    fn a_negative_grade_gains_nothing() {
        let ranking = GradedRanking::new(&[Some(-2), Some(1)], &[1, -2]);
        assert!((ndcg(&ranking, None, Gain::Linear) - 1.0 / 3f64.log2()).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_swap_towards_the_ideal_never_hurts(
            mut grades in prop::collection::vec(-1..4i32, 2..50),
            i in 0..48usize,
        ) {
            let i = i % (grades.len() - 1);
            let judged = grades.clone();
            prop_assume!(grades[i] < grades[i + 1]);
            let at = |grades: &[i32]| {
                let grades: Vec<_> = grades.iter().copied().map(Some).collect();
                ndcg(&GradedRanking::new(&grades, &judged), Some(10), Gain::Exponential)
            };
            let before = at(&grades);
            grades.swap(i, i + 1);
            prop_assert!(at(&grades) >= before);
        }
    }
}
