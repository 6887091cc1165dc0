//! A weight for each word of the vocabulary: the head with which BERT was pre-trained to fill in masked words.

use std::fmt;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::layers::{LayerNorm, Linear, trains};
use crate::packed::pack;
use crate::{Activation, Architecture, Backend, Hidden, Result, Tensors, cpu, numbers, trained};

/// How the logits of many tokens become one vector over the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogitPooling {
    /// The largest `log(1 + ReLU(logit))` of all tokens (SPLADE v2, eq. 6).
    Max,
    /// The sum of `log(1 + ReLU(logit))` over all tokens (SPLADE, eq. 1).
    Sum,
}

/// The name in a config.
impl fmt::Display for LogitPooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Max => "max",
            Self::Sum => "sum",
        })
    }
}

/// The head that predicts words: a dense layer, an activation, a layer norm, and the product with the word embeddings.
pub struct MaskedLm {
    dense: Linear,
    activation: Activation,
    norm: LayerNorm,
    decoder: Decoder,
}

/// The product with the embedding of every word, and its packed form if the encoder is packed.
struct Decoder {
    plain: Linear,
    packed: Option<cpu::Linear>,
}

impl MaskedLm {
    /// Takes the tensors of the head. If the checkpoint has no decoder, the word embeddings are the decoder: the two
    /// are tied. Fails if another tensor is missing.
    pub fn load(architecture: &Architecture, tensors: &mut Tensors) -> Result<Self> {
        let Architecture { sizes, design, names } = architecture;
        let head = &names.masked_lm;
        // ELECTRA's generator has logits in the width of its embeddings.
        let (hidden, width) = (sizes.hidden, sizes.embedding);
        let dense = Linear::load_with(tensors, head.dense, (width, hidden), design.head_bias)?;
        let eps = (width, sizes.norm_eps);
        let norm = LayerNorm::load_with(tensors, head.norm, eps, design.bias.norm)?;
        let word = format!("{}{}", tensors.prefix(names.word)?, names.word);
        let tied = [head.decoder.to_owned(), word];
        let weight = tensors.take_one_of(&tied, &[sizes.vocab, width])?;
        let bias: Vec<String> = head.bias.iter().map(|&name| name.to_owned()).collect();
        let bias = tensors.take_one_of(&bias, &[sizes.vocab])?;
        let activation = head.activation.unwrap_or(sizes.activation);
        let decoder = Decoder::new(Linear::new(weight, Some(bias)), tensors.backend())?;
        Ok(Self { dense, activation, norm, decoder })
    }

    /// The logits of hidden states, `[rows, hidden]` to `[rows, vocab]`.
    pub fn logits(&self, states: &Tensor) -> Result<Tensor> {
        let states = self.transform(states)?; // [rows, width]
        match &self.decoder.packed {
            None => self.decoder.plain.forward(&states),
            Some(linear) => {
                let rows = states.dims()[0];
                let mut logits = vec![0.0; rows * linear.outputs()];
                linear.apply(&numbers(&states)?, cpu::Activation::Identity, &mut logits);
                Ok(Tensor::from_vec(logits, (rows, linear.outputs()), &Device::Cpu)?)
            }
        }
    }

    /// The largest logit of each word over the tokens of each sequence, `[batch, vocab]`; it has a gradient if the
    /// weights are being trained.
    pub fn largest(&self, hidden: &Hidden) -> Result<Tensor> {
        let states = self.transform(&hidden.states)?; // [rows, width]
        let Decoder { plain, .. } = &self.decoder;
        if let (Some(bias), true) = (plain.bias(), trains(&states)) {
            return Ok(trained::largest(&states, plain.weight(), bias, &hidden.lengths)?);
        }
        let logits = Hidden { states: plain.forward(&states)?, lengths: hidden.lengths.clone() };
        let largest: Vec<Tensor> =
            logits.sequences()?.iter().map(|rows| Ok(rows.max(0)?)).collect::<Result<_>>()?;
        Ok(Tensor::stack(&largest, 0)?)
    }

    /// The width of the transformed states.
    pub fn width(&self) -> usize {
        self.dense.outputs()
    }

    /// The decoder's rows for some words, `[words, width]`, and their biases, `[words]`. The logit of a word is the
    /// product of its row with a transformed state, plus its bias.
    pub fn words(&self, ids: &[u32]) -> Result<(Tensor, Tensor)> {
        let weight = self.decoder.plain.weight();
        let ids = Tensor::new(ids, weight.device())?;
        let bias = self.decoder.plain.bias().expect("the decoder was loaded with a bias");
        Ok((weight.index_select(&ids, 0)?, bias.index_select(&ids, 0)?))
    }

    /// One vector over the vocabulary for each sequence, `[batch, vocab]`, with every number at least zero.
    pub fn pool(&self, hidden: &Hidden, pooling: LogitPooling) -> Result<Tensor> {
        if let (LogitPooling::Max, Some(decoder)) = (pooling, &self.decoder.packed) {
            let states = self.transform(&hidden.states)?; // [rows, width]
            return saturate(&largest(decoder, &states, &hidden.lengths)?);
        }
        let pooled = hidden
            .sequences()?
            .iter()
            .map(|states| self.pool_one(states, pooling))
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::stack(&pooled, 0)?)
    }

    fn pool_one(&self, states: &Tensor, pooling: LogitPooling) -> Result<Tensor> {
        let logits = self.logits(states)?; // [length, vocab]
        Ok(match pooling {
            // The logarithm grows with its argument, so it need only be taken of the largest.
            LogitPooling::Max => saturate(&logits.max(0)?)?,
            LogitPooling::Sum => saturate(&logits)?.sum(0)?,
        })
    }

    /// The states that are compared with the word embeddings: `[rows, hidden]` to `[rows, width]`.
    pub fn transform(&self, states: &Tensor) -> Result<Tensor> {
        self.norm.forward(&self.activation.forward(&self.dense.forward(states)?)?) // [rows, width]
    }
}

impl Decoder {
    fn new(plain: Linear, backend: &Backend) -> Result<Self> {
        let packed = match backend.is_packed() {
            true => Some(pack(&plain, backend.arithmetic())?),
            false => None,
        };
        Ok(Self { plain, packed })
    }
}

/// The largest logit of each word in each sequence, `[batch, vocab]`, computed without storing the logits of each
/// token.
fn largest(decoder: &cpu::Linear, states: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let mut largest = vec![0.0; lengths.len() * decoder.outputs()];
    decoder.max_over_rows(&numbers(states)?, lengths, &mut largest);
    Ok(Tensor::from_vec(largest, (lengths.len(), decoder.outputs()), &Device::Cpu)?)
}

/// `log(1 + ReLU(x))`, the saturation of SPLADE.
fn saturate(logits: &Tensor) -> Result<Tensor> {
    Ok((logits.relu()? + 1.0)?.log()?)
}
