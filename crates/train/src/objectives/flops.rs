//! Regularisers of sparse vectors: FLOPS and L1.
//! Paria, Yeh, Yen, Xu, Ravikumar and Póczos, ICLR 2020; with SPLADE: Formal, Piwowarski and Clinchant, SIGIR 2021
//! (`formal2021splade`).
//!
//! A ranking loss alone fills the whole vocabulary. The L1 norm makes vectors short; FLOPS, the expected number of
//! products between two vectors, makes them short where it counts, on words that many texts have.
//!
//! ```text
//! L_FLOPS = Σ_{j ∈ V} ā_j² = Σ_{j ∈ V} (1/N Σᵢ w_j^(dᵢ))²                                (SPLADE, eq. 4)
//! L_1     = 1/N Σᵢ Σ_{j ∈ V} |w_j^(dᵢ)|
//! λ(t)    = λ · min(1, (t / T)²)                                                        (SPLADE, §4.1)
//! ```

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::Result;

/// The parameters of the regulariser: a norm and its weight for queries and for documents.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The norm of the vectors of queries.
    pub queries: Weighted,
    /// The norm of the vectors of documents.
    pub documents: Weighted,
    /// The number of steps over which the weights grow with the square of time: T in the equation.
    pub warm_up: usize,
}

/// A norm and its weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// The norm.
    pub norm: Norm,
    /// The weight λ that is reached after the warm-up.
    pub weight: f64,
}

/// A norm whose decrease makes vectors sparse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// The sum over all words of the square of the word's mean weight.
    Flops,
    /// The mean of the L1 norms of the vectors.
    L1,
}

impl Norm {
    /// The norm of a batch of vectors.
    ///
    /// - `weights`: `[texts, vocab]`, every number at least zero
    pub fn of(self, weights: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Flops => weights.mean(0)?.sqr()?.sum_all()?,
            Self::L1 => weights.sum(1)?.mean_all()?,
        })
    }
}

impl Config {
    /// The number that is added to the loss of step `step`, counted from 0.
    ///
    /// - `queries`, `documents`: `[texts, vocab]`
    pub fn penalty(&self, step: usize, queries: &Tensor, documents: &Tensor) -> Result<Tensor> {
        let grown = self.grown(step);
        let part = |weighted: Weighted, vectors: &Tensor| -> Result<Tensor> {
            Ok((weighted.norm.of(vectors)? * (weighted.weight * grown))?)
        };
        Ok((part(self.queries, queries)? + part(self.documents, documents)?)?)
    }

    /// The share λ(t) / λ of the weight at a step, from 0 to 1.
    fn grown(&self, step: usize) -> f64 {
        match self.warm_up {
            0 => 1.0,
            steps => ((step + 1) as f64 / steps as f64).min(1.0).powi(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn norms_of_two_small_vectors() {
        // means 2, 0, 1: FLOPS = 4 + 0 + 1; L1 = ((1 + 0 + 2) + (3 + 0 + 0)) / 2
        let weights = Tensor::new(&[[1f32, 0., 2.], [3., 0., 0.]], &Device::Cpu).unwrap();
        let value = |norm: Norm| norm.of(&weights).unwrap().to_scalar::<f32>().unwrap();
        assert_eq!((value(Norm::Flops), value(Norm::L1)), (5.0, 3.0));
    }

    #[test]
    fn weights_grow_with_the_square_of_time() {
        let weighted = Weighted { norm: Norm::L1, weight: 1.0 };
        let config = Config { queries: weighted, documents: weighted, warm_up: 4 };
        let grown: Vec<f64> = [0, 1, 3, 9].map(|step| config.grown(step)).to_vec();
        assert_eq!(grown, [1.0 / 16.0, 1.0 / 4.0, 1.0, 1.0]);
    }
}
