//! The network in training: a trunk of `nir-nn` over tensors that learn, and a head.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use nir_nn::heads::{Classifier, MaskedLm};
use nir_nn::layers::Linear;
use nir_nn::{
    Architecture, Backend, Hidden, Pooling, Similarity, Tensors, Tokens, Trunk, normalise,
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
        let hidden = self.hidden(texts)?;
        match &self.head {
            Head::Dense { pooling, projection, similarity } => {
                let pooled = pool(*pooling, &hidden)?; // [texts, hidden]
                let vectors = match projection {
                    Some(projection) => projection.forward(&pooled)?, // [texts, dim]
                    None => pooled,
                };
                Ok(match similarity {
                    Similarity::Dot => vectors,
                    Similarity::Cosine => normalise(&vectors)?,
                })
            }
            // SPLADE's max pooling (SPLADE v2, eq. 6). The logarithm grows with its argument: it need only be taken of
            // the largest.
            Head::Sparse(head) => Ok((head.largest(&hidden)?.relu()? + 1.0)?.log()?),
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
        let firsts = firsts(&hidden.lengths);
        let row = |&(text, position): &(usize, usize)| firsts[text] + position as u32;
        let rows = Tensor::new(places.iter().map(row).collect::<Vec<_>>(), &self.device)?;
        Ok(head.logits(&hidden.states.index_select(&rows, 0)?)?)
    }

    /// Whether it scores pairs, and not vectors.
    pub fn reads_pairs(&self) -> bool {
        matches!(self.head, Head::CrossEncoder(_))
    }

    fn hidden(&self, texts: &[Tokens]) -> Result<Hidden> {
        Ok(self.trunk.hidden(texts, &self.device)?)
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

/// Returns `[texts, hidden]`.
fn pool(pooling: Pooling, hidden: &Hidden) -> Result<Tensor> {
    match pooling {
        Pooling::Cls => first(hidden),
        Pooling::Mean => {
            Ok(shares(&hidden.lengths, hidden.states.device())?.matmul(&hidden.states)?)
        }
        other => Err(Error::Unfit(format!(
            "`head.dense.pooling` is {other:?}: expected `cls` or `mean`"
        ))),
    }
}

/// The first token's state of each text, `[texts, hidden]`.
fn first(hidden: &Hidden) -> Result<Tensor> {
    let rows = Tensor::new(firsts(&hidden.lengths), hidden.states.device())?;
    Ok(hidden.states.index_select(&rows, 0)?)
}

/// The row at which each text begins.
fn firsts(lengths: &[usize]) -> Vec<u32> {
    let mut next = 0;
    let begin = |&length: &usize| {
        next += length as u32;
        next - length as u32
    };
    lengths.iter().map(begin).collect()
}

/// `[texts, rows]`, such that the product with states is the mean of each text's: one gradient for the batch, not one
/// for each text.
fn shares(lengths: &[usize], device: &Device) -> Result<Tensor> {
    let rows = lengths.iter().sum::<usize>();
    let mut shares = vec![0.0f32; lengths.len() * rows];
    for (text, (first, &length)) in firsts(lengths).into_iter().zip(lengths).enumerate() {
        shares[text * rows + first as usize..][..length].fill(1.0 / length as f32);
    }
    Ok(Tensor::from_vec(shares, (lengths.len(), rows), device)?)
}
