//! Many token vectors to one: data, not code, because checkpoints differ in nothing else.

use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Hidden, Result, Rows};

/// Which of a text's hidden states become its vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The first token's (DPR, ANCE, TAS-B, coCondenser, BGE).
    Cls,
    /// The mean over all tokens, special ones included (RepBERT, Contriever, E5, Sentence-BERT).
    Mean,
    /// The mean from this position on: TCT-ColBERT leaves out the four tokens of `[CLS] [Q]`.
    MeanFrom(usize),
    /// The last token's (decoders).
    Last,
    /// The first token's through BERT's own pooler, `tanh(W h + b)`.
    Pooler,
}

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Similarity {
    /// The inner product.
    Dot,
    /// The inner product of vectors scaled to length 1.
    Cosine,
}

impl Pooling {
    /// Which hidden states it needs.
    pub fn rows(self) -> Rows {
        match self {
            Self::Cls | Self::Pooler => Rows::First,
            Self::Mean | Self::MeanFrom(_) | Self::Last => Rows::All,
        }
    }

    /// Returns `[batch, hidden]`. [`Pooling::Pooler`] gives the first token's, for the pooler to work on.
    pub fn pool(self, hidden: &Hidden) -> Result<Tensor> {
        let pooled = hidden
            .sequences()?
            .iter()
            .map(|states| self.pool_one(states)) // [length, hidden]
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::stack(&pooled, 0)?)
    }

    fn pool_one(self, states: &Tensor) -> Result<Tensor> {
        let (length, width) = states.dims2()?;
        if length == 0 {
            // A text without a token, as static embeddings may have, is zero.
            return Ok(Tensor::zeros(width, states.dtype(), states.device())?);
        }
        Ok(match self {
            Self::Cls | Self::Pooler => states.get(0)?,
            Self::Last => states.get(length - 1)?,
            Self::Mean => states.mean(0)?,
            // A text of no more tokens than are left out has no vector: zeros, as in Pyserini's encoder.
            Self::MeanFrom(first) if first >= length => states.get(0)?.zeros_like()?,
            Self::MeanFrom(first) => states.narrow(0, first, length - first)?.mean(0)?,
        })
    }
}

/// Scales every row of `[…, dim]` to length 1; a row of zeros stays one.
pub fn normalise(x: &Tensor) -> Result<Tensor> {
    let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
    Ok(x.broadcast_div(&norm.maximum(1e-12)?)?) // 1e-12: as PyTorch's `normalize` has it
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// Two texts, of three tokens and of one.
    fn hidden() -> Hidden {
        let states =
            Tensor::new(&[[1f32, 0.], [2., 1.], [6., 5.], [9., 9.]], &Device::Cpu).unwrap();
        Hidden { states, lengths: vec![3, 1] }
    }

    #[test]
    fn each_pooling_takes_its_tokens() {
        let pool = |pooling: Pooling| pooling.pool(&hidden()).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(pool(Pooling::Cls), [[1., 0.], [9., 9.]]);
        assert_eq!(pool(Pooling::Mean), [[3., 2.], [9., 9.]]);
        assert_eq!(pool(Pooling::MeanFrom(1)), [[4., 3.], [0., 0.]]);
        assert_eq!(pool(Pooling::Last), [[6., 5.], [9., 9.]]);
    }

    #[test]
    fn a_text_without_tokens_is_zero() {
        let Hidden { states, .. } = hidden();
        let hidden = Hidden { states, lengths: vec![0, 4] };
        let found = Pooling::Mean.pool(&hidden).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(found, [[0., 0.], [4.5, 3.75]]);
    }

    #[test]
    fn a_zero_vector_has_no_direction() {
        let x = Tensor::new(&[[3f32, 4.], [0., 0.]], &Device::Cpu).unwrap();
        assert_eq!(normalise(&x).unwrap().to_vec2::<f32>().unwrap(), [[0.6, 0.8], [0., 0.]]);
    }
}
