//! Scores of different systems made comparable, query by query (Bruch, Gai and Ingber, TOIS 2023, §3).

use nir_core::Ranking;
use serde::{Deserialize, Serialize};

/// How the scores of one ranking are mapped before they are added to another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalise {
    /// `s`: scores are not changed.
    None,
    /// `(s - min) / (max - min)`: from 0, the last, to 1, the first. All 1 where all scores are one.
    MinMax,
    /// `(s - mean) / deviation`, by the population's deviation. All 0 where all scores are one.
    ZScore,
}

impl Normalise {
    /// The normalised scores of a ranking, in its order.
    pub fn scores(self, ranking: &Ranking) -> Vec<f64> {
        let scores: Vec<f64> = ranking.iter().map(|hit| f64::from(hit.score)).collect();
        match self {
            Self::None => scores,
            Self::MinMax => min_max(&scores),
            Self::ZScore => z_score(&scores),
        }
    }
}

/// Min-max normalisation of `scores`, which are sorted, the best first.
fn min_max(scores: &[f64]) -> Vec<f64> {
    let (Some(&max), Some(&min)) = (scores.first(), scores.last()) else { return Vec::new() };
    let range = max - min;
    scores.iter().map(|score| if range > 0.0 { (score - min) / range } else { 1.0 }).collect()
}

fn z_score(scores: &[f64]) -> Vec<f64> {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let deviation = (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / n).sqrt();
    scores
        .iter()
        .map(|score| if deviation > 0.0 { (score - mean) / deviation } else { 0.0 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn min_max_runs_from_one_to_zero() {
        assert_eq!(min_max(&[8.0, 5.0, 2.0]), [1.0, 0.5, 0.0]);
        assert_eq!(min_max(&[3.0, 3.0]), [1.0, 1.0]);
        assert!(min_max(&[]).is_empty());
    }

    #[test]
    fn z_scores_have_mean_zero_and_deviation_one() {
        // mean 5, deviation sqrt((9 + 0 + 9) / 3) = sqrt 6
        let expected = [3.0 / 6f64.sqrt(), 0.0, -3.0 / 6f64.sqrt()];
        assert_eq!(z_score(&[8.0, 5.0, 2.0]), expected);
        assert_eq!(z_score(&[3.0, 3.0]), [0.0, 0.0]);
    }
}
