//! The network in training: a trunk of `nir-nn` over tensors that learn, and a head.

use std::collections::BTreeMap;

use candle_core::{D, Device, Tensor};
use nir_nn::heads::{Classifier, MaskedLm};
use nir_nn::layers::Linear;
use nir_nn::{
    Architecture, Backend, Hidden, Padded, Pooling, Similarity, Tensors, Tokens, Trunk, normalise,
};
use serde_json::json;

use crate::recipe::{self, Model};
use crate::{Error, Result};

/// A trunk with a head.
pub struct Student {
    trunk: Trunk,
    head: Head,
    device: Device,
}

enum Head {
    Dense { pooling: Pooling, projection: Option<Linear>, similarity: Similarity },
    Sparse(MaskedLm),
    CrossEncoder(Classifier),
    MaskedLm(MaskedLm),
}

/// The `config.json` of the network, as `transformers` writes it.
pub fn config(model: &Model, vocab: usize) -> serde_json::Value {
    json!({
        "model_type": "bert",
        "vocab_size": vocab,
        "hidden_size": model.hidden,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "intermediate_size": model.intermediate,
        "hidden_act": "gelu",
        "max_position_embeddings": model.positions,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    })
}

impl Student {
    /// Builds the network of tensors by name; all of them must be used.
    pub fn new(
        model: &Model,
        head: &recipe::Head,
        vocab: usize,
        tensors: BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let architecture =
            Architecture::parse(&config(model, vocab).to_string()).map_err(Error::Unfit)?;
        // The packed form for processors has no gradient.
        let backend = Backend::on(device.clone()).plain();
        let (trunk, head) = Tensors::held(tensors, "the recipe's model", &backend, |tensors| {
            let trunk = Trunk::load(&architecture, tensors)?;
            Ok((trunk, Head::load(head, &architecture, tensors)?))
        })?;
        Ok(Self { trunk, head, device: device.clone() })
    }

    /// One vector for each text, `[texts, dim]`, such that the inner product is the score.
    pub fn vectors(&self, texts: &[Tokens]) -> Result<Tensor> {
        let hidden = self.hidden(texts)?; // [texts, seq, hidden]
        match &self.head {
            Head::Dense { pooling, projection, similarity } => {
                let pooled = pool(*pooling, &hidden, texts)?; // [texts, hidden]
                let vectors = match projection {
                    Some(projection) => projection.forward(&pooled)?, // [texts, dim]
                    None => pooled,
                };
                Ok(match similarity {
                    Similarity::Dot => vectors,
                    Similarity::Cosine => normalise(&vectors)?,
                })
            }
            Head::Sparse(head) => max_pool(head, &hidden, texts),
            Head::CrossEncoder(_) | Head::MaskedLm(_) => {
                unreachable!("a recipe with this head asks for no vectors")
            }
        }
    }

    /// One score for each pair, `[pairs]`.
    pub fn pair_scores(&self, pairs: &[Tokens]) -> Result<Tensor> {
        let Head::CrossEncoder(head) = &self.head else {
            unreachable!("a recipe with another head asks for no scores of pairs")
        };
        let states = first(&self.hidden(pairs)?)?; // [pairs, hidden]
        let first = Hidden { states, lengths: vec![1; pairs.len()] };
        Ok(head.forward(&first)?.squeeze(1)?)
    }

    /// Logits of the words at some places of a batch, `[places, vocab]`.
    pub fn logits(&self, texts: &[Tokens], places: &[(usize, usize)]) -> Result<Tensor> {
        let Head::MaskedLm(head) = &self.head else {
            unreachable!("a recipe with another head hides no words")
        };
        let hidden = self.hidden(texts)?;
        let longest = hidden.dim(1)? as u32;
        let rows: Vec<u32> = places
            .iter()
            .map(|&(text, position)| text as u32 * longest + position as u32)
            .collect();
        let rows = Tensor::new(rows, &self.device)?;
        Ok(head.logits(&hidden.flatten(0, 1)?.index_select(&rows, 0)?)?)
    }

    /// Whether it scores pairs, and not vectors.
    pub fn reads_pairs(&self) -> bool {
        matches!(self.head, Head::CrossEncoder(_))
    }

    fn hidden(&self, texts: &[Tokens]) -> Result<Tensor> {
        Ok(self.trunk.forward(&Padded::new(texts, &self.device)?)?) // [texts, seq, hidden]
    }
}

impl Head {
    fn load(
        head: &recipe::Head,
        architecture: &Architecture,
        tensors: &mut Tensors,
    ) -> nir_nn::Result<Self> {
        let hidden = architecture.sizes.hidden;
        Ok(match head {
            recipe::Head::Dense(dense) => Self::Dense {
                pooling: dense.pooling,
                projection: match dense.projection {
                    0 => None,
                    _ => Some(Linear::load_head(tensors, "projection", hidden)?),
                },
                similarity: dense.similarity,
            },
            recipe::Head::Sparse(_) => Self::Sparse(MaskedLm::load(architecture, tensors)?),
            recipe::Head::CrossEncoder(_) => {
                Self::CrossEncoder(Classifier::load(architecture, tensors)?)
            }
            recipe::Head::MaskedLm(_) => Self::MaskedLm(MaskedLm::load(architecture, tensors)?),
        })
    }
}

/// - `hidden`: `[texts, seq, hidden]`
///
/// Returns `[texts, hidden]`.
fn pool(pooling: Pooling, hidden: &Tensor, texts: &[Tokens]) -> Result<Tensor> {
    match pooling {
        Pooling::Cls => first(hidden),
        Pooling::Mean => {
            // A product with rows of 1/length: one gradient for the batch, not one for each text.
            let share = |text: &Tokens, i: usize| {
                if i < text.len() { 1.0 / text.len() as f32 } else { 0.0 }
            };
            let shares = by_token(texts, hidden, share)?; // [texts, seq]
            Ok(shares.unsqueeze(1)?.matmul(hidden)?.squeeze(1)?)
        }
        other => Err(Error::Unfit(format!(
            "`head.dense.pooling` is {other:?}: expected `cls` or `mean`"
        ))),
    }
}

/// The first token's state of each text, `[texts, hidden]`.
fn first(hidden: &Tensor) -> Result<Tensor> {
    Ok(hidden.narrow(1, 0, 1)?.squeeze(1)?)
}

/// SPLADE's max pooling: the largest `log(1 + ReLU(logit))` of each word (SPLADE v2, eq. 6).
///
/// - `hidden`: `[texts, seq, hidden]`
///
/// Returns `[texts, vocab]`, every weight at least zero.
fn max_pool(head: &MaskedLm, hidden: &Tensor, texts: &[Tokens]) -> Result<Tensor> {
    let (batch, seq, _) = hidden.dims3()?;
    let logits = head.logits(&hidden.flatten(0, 1)?)?.reshape((batch, seq, ()))?; // [texts, seq, vocab]
    // Padding must lose to every real token, so it gets -1e9, not 0.
    let padding = by_token(texts, hidden, |text, i| if i < text.len() { 0.0 } else { -1e9 })?;
    let largest = logits.broadcast_add(&padding.unsqueeze(D::Minus1)?)?.max(1)?; // [texts, vocab]
    // The logarithm grows with its argument, so it need only be taken of the largest.
    Ok((largest.relu()? + 1.0)?.log()?)
}

/// A number for each place of a padded batch, `[texts, seq]`.
fn by_token(
    texts: &[Tokens],
    hidden: &Tensor,
    value: impl Fn(&Tokens, usize) -> f32,
) -> Result<Tensor> {
    let longest = hidden.dim(1)?;
    let values: Vec<f32> = texts
        .iter()
        .flat_map(|text| (0..longest).map(|i| value(text, i)).collect::<Vec<_>>())
        .collect();
    Ok(Tensor::from_vec(values, (texts.len(), longest), hidden.device())?)
}
