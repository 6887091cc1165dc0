//! Regression on a teacher's vectors.
//! Reimers and Gurevych, EMNLP 2020, eq. 1, with one language.
//!
//! A vector says more than a score: each text by itself tells the student where the teacher puts it. It needs neither
//! labels nor pairs and is the cheapest way to warm up what contrastive training then sharpens.
//!
//! ```text
//! L_MSE    = 1/|B| Σ_{t ∈ B} |s(t) - T(t)|²                                              (eq. 1)
//! L_cosine = 1/|B| Σ_{t ∈ B} (1 - cos(s(t), T(t)))
//! ```

use candle_core::{D, Tensor};
use nir_nn::normalise;
use serde::{Deserialize, Serialize};

use crate::Result;

/// The parameters of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The distance between a vector and the teacher's.
    pub distance: Distance,
}

/// A distance between two vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// One minus the cosine.
    Cosine,
    /// The square of the Euclidean distance.
    Mse,
}

/// The loss as a mean over the texts.
///
/// - `vectors`, `teacher`: `[texts, dim]`
pub fn loss(config: &Config, vectors: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    Ok(match config.distance {
        Distance::Mse => (vectors - teacher)?.sqr()?.sum(D::Minus1)?.mean_all()?,
        Distance::Cosine => {
            let cosine = (normalise(vectors)? * normalise(teacher)?)?.sum(D::Minus1)?;
            (1.0 - cosine.mean_all()?)?
        }
    })
}
