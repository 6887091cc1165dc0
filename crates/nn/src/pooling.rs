//! Many token vectors to one: data, not code, because checkpoints differ in nothing else.

use std::fmt;

use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Hidden, Result, Rows};

/// How the hidden states of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The state of the first token (DPR, ANCE, TAS-B, coCondenser, BGE).
    Cls,
    /// The mean over all tokens, including special ones (RepBERT, Contriever, E5, Sentence-BERT).
    Mean,
    /// The mean from this position on. TCT-ColBERT leaves out the first four tokens, which are `[CLS] [Q]`.
    MeanFrom(usize),
    /// The state of the last token (decoders).
    Last,
    /// The state of the first token after BERT's own pooler, `tanh(W h + b)`.
    Pooler,
    /// The largest value in each dimension.
    Max,
    /// The sum over all tokens, divided by the square root of their number.
    MeanSqrtLen,
    /// The weighted mean in which the first token has weight 1, the second weight 2, and so on (SGPT).
    WeightedMean,
}

/// How two vectors are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Similarity {
    /// The inner product.
    Dot,
    /// The inner product of the vectors scaled to length 1.
    Cosine,
}

/// The name in a config, such as `dot`.
impl fmt::Display for Similarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dot => "dot",
            Self::Cosine => "cosine",
        })
    }
}

/// One way of pooling, or several whose vectors are joined in order. In a config: `"mean"` or `["cls", "mean"]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Poolings(Vec<Pooling>);

impl Poolings {
    /// Whether one of them is BERT's pooler, which is a dense layer with weights.
    pub fn has_pooler(&self) -> bool {
        self.0.contains(&Pooling::Pooler)
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    One(Pooling),
    Several(Vec<Pooling>),
}

impl TryFrom<Written> for Poolings {
    type Error = &'static str;

    fn try_from(written: Written) -> std::result::Result<Self, Self::Error> {
        match written {
            Written::One(pooling) => Ok(Self(vec![pooling])),
            Written::Several(poolings) if poolings.is_empty() => {
                Err("expected a way of pooling, found none")
            }
            Written::Several(poolings) => Ok(Self(poolings)),
        }
    }
}

impl From<Poolings> for Written {
    fn from(Poolings(poolings): Poolings) -> Self {
        match poolings[..] {
            [pooling] => Self::One(pooling),
            _ => Self::Several(poolings),
        }
    }
}

impl From<Pooling> for Poolings {
    fn from(pooling: Pooling) -> Self {
        Self(vec![pooling])
    }
}

/// The names in a config.
impl fmt::Display for Poolings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).expect("a way of pooling is plain data"))
    }
}

impl Poolings {
    /// Joins several ways of pooling; `None` if there is none.
    pub(crate) fn several(poolings: Vec<Pooling>) -> Option<Self> {
        (!poolings.is_empty()).then_some(Self(poolings))
    }

    /// The ways of pooling, in order.
    pub fn iter(&self) -> impl Iterator<Item = Pooling> {
        self.0.iter().copied()
    }

    /// The hidden states that they need.
    pub fn rows(&self) -> Rows {
        match self.iter().all(|pooling| pooling.rows() == Rows::First) {
            true => Rows::First,
            false => Rows::All,
        }
    }
}

/// The tokens of a text that take part in pooling, and their weights.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    /// The first token that takes part, as those of a prompt may not.
    pub(crate) from: usize,
    /// The sum of the weights of all tokens; `None` if tokens have no weights.
    pub(crate) total: Option<f64>,
}

impl Pooling {
    /// The hidden states that it needs.
    pub fn rows(self) -> Rows {
        match self {
            Self::Cls | Self::Pooler => Rows::First,
            _ => Rows::All,
        }
    }

    /// Pools the states of a batch; returns `[batch, hidden]`. For [`Pooling::Pooler`] it returns the states of the
    /// first tokens, to which the pooler is applied later.
    pub fn pool(self, hidden: &Hidden) -> Result<Tensor> {
        let pooled = hidden
            .sequences()?
            .iter()
            .map(|states| self.pool_one(states, Counted::default())) // [length, hidden]
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::stack(&pooled, 0)?)
    }

    /// Pools the states of a batch in training, `[batch, hidden]`; where possible with one operator for the whole
    /// batch, and so one gradient.
    pub fn train(self, hidden: &Hidden) -> Result<Tensor> {
        match self {
            Self::Cls | Self::Pooler => {
                let rows = Tensor::new(hidden.firsts(), hidden.states.device())?;
                Ok(hidden.states.index_select(&rows, 0)?)
            }
            Self::Mean => Ok(shares(hidden)?.matmul(&hidden.states)?),
            _ => self.pool(hidden),
        }
    }

    /// Pools the states of one text.
    ///
    /// Returns `[hidden]`.
    pub(crate) fn pool_one(self, states: &Tensor, counted: Counted) -> Result<Tensor> {
        let (length, width) = states.dims2()?;
        if length == 0 {
            // A text without a token, as static embeddings may have, is zero.
            return Ok(Tensor::zeros(width, states.dtype(), states.device())?);
        }
        let from = counted.from.min(length);
        let rows = || Ok::<_, crate::Error>(states.narrow(0, from, length - from)?);
        let sum = || Ok::<_, crate::Error>(rows()?.sum(0)?);
        // 1e-9: as sentence-transformers has it
        let total = |of_tokens: f64| counted.total.unwrap_or(of_tokens).max(1e-9);
        let count = (length - from) as f64;
        Ok(match self {
            Self::Pooler => states.get(0)?,
            // A text that is nothing but its prompt keeps its first token.
            Self::Cls => states.get(if from < length { from } else { 0 })?,
            Self::Last => states.get(length - 1)?,
            Self::Mean if from == 0 && counted.total.is_none() => states.mean(0)?,
            Self::Mean => (sum()? / total(count))?,
            Self::MeanSqrtLen => (sum()? / total(count).sqrt())?,
            Self::WeightedMean => {
                let places: Vec<f32> = (from + 1..=length).map(|place| place as f32).collect();
                let all: f64 = places.iter().map(|&place| f64::from(place)).sum();
                let places = Tensor::new(places, states.device())?.unsqueeze(1)?; // [rows, 1]
                (rows()?.broadcast_mul(&places)?.sum(0)? / total(all))?
            }
            // A text that is nothing but its prompt has no largest number: the model's output is refused for it.
            Self::Max if from == length => (states.get(0)? * f64::NEG_INFINITY)?,
            Self::Max => rows()?.max(0)?,
            // A text of no more tokens than are left out has no vector: zeros, as in Pyserini's encoder.
            Self::MeanFrom(first) if first >= length => states.get(0)?.zeros_like()?,
            Self::MeanFrom(first) => states.narrow(0, first, length - first)?.mean(0)?,
        })
    }
}

/// A matrix `[batch, rows]` whose product with the states of all sequences is the mean of each sequence.
fn shares(hidden: &Hidden) -> Result<Tensor> {
    let (texts, rows) = (hidden.lengths.len(), hidden.lengths.iter().sum::<usize>());
    let mut shares = vec![0.0f32; texts * rows];
    for (text, (first, &length)) in hidden.firsts().into_iter().zip(&hidden.lengths).enumerate() {
        shares[text * rows + first as usize..][..length].fill(1.0 / length as f32);
    }
    Ok(Tensor::from_vec(shares, (texts, rows), hidden.states.device())?)
}

/// Scales every row of `[…, dim]` to length 1; a row of zeros stays as it is.
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
        assert_eq!(pool(Pooling::Max), [[6., 5.], [9., 9.]]);
        // (1 + 2 + 6) / √3, (0 + 1 + 5) / √3
        let root = 3f32.sqrt();
        let close = |pooling: Pooling, expected: [f32; 2]| {
            let found = pool(pooling);
            let far = found[0].iter().zip(expected).any(|(a, b)| (a - b).abs() > 1e-6);
            assert!(!far && found[1] == [9., 9.], "{found:?}");
        };
        close(Pooling::MeanSqrtLen, [9. / root, 6. / root]);
        // (1·1 + 2·2 + 3·6) / (1 + 2 + 3), (1·0 + 2·1 + 3·5) / 6
        close(Pooling::WeightedMean, [23. / 6., 17. / 6.]);
    }

    #[test]
    fn pooling_in_training_is_pooling() {
        for pooling in [Pooling::Cls, Pooling::Mean, Pooling::Last, Pooling::MeanSqrtLen] {
            let values = |pooled: Tensor| pooled.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (one, other) = (pooling.train(&hidden()), pooling.pool(&hidden()));
            let pairs = values(one.unwrap()).into_iter().zip(values(other.unwrap()));
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-6), "{pooling:?}");
        }
    }

    #[test]
    fn a_prompt_that_does_not_count_leaves_the_rest_in_its_places() {
        let states = hidden().sequences().unwrap()[0].clone();
        let counted = Counted { from: 1, total: None };
        let pool = |pooling: Pooling| {
            pooling.pool_one(&states, counted).unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(pool(Pooling::Cls), [2., 1.]);
        assert_eq!(pool(Pooling::Mean), [4., 3.]);
        // (2·2 + 3·6) / (2 + 3), (2·1 + 3·5) / 5: the places are those in the whole text
        assert_eq!(pool(Pooling::WeightedMean), [22. / 5., 17. / 5.]);
    }

    #[test]
    fn a_config_names_one_way_or_several() {
        let read = |text: &str| serde_json::from_str::<Poolings>(text);
        assert_eq!(read("\"mean\"").unwrap(), Pooling::Mean.into());
        for text in ["\"mean-sqrt-len\"", "[\"cls\",\"mean\"]", "{\"mean-from\":4}"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert!(read("[]").unwrap_err().to_string().contains("found none"));
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
