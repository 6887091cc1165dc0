//! The network in training: a trunk of `nir-nn` over tensors that learn, and a head.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use nir_nn::heads::{Classifier, MaskedLm, Projection, Vector};
use nir_nn::{Architecture, Backend, Hidden, Similarity, Tensors, Tokens, Trunk, normalise};
use serde_json::json;

use crate::recipe::{self, Model};
use crate::{Error, Result};

/// The network in training: a trunk with a head, over tensors that may learn.
pub struct Student {
    trunk: Trunk,
    head: Head,
    device: Device,
}

enum Head {
    Dense { head: Vector, similarity: Similarity },
    Sparse(MaskedLm),
    CrossEncoder(Classifier),
    MaskedLm(MaskedLm),
}

/// The `config.json` of the network, as `transformers` writes it.
///
/// - `vocab`: the size of the vocabulary
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
    /// Builds the network from tensors by name. Fails if one is missing, has another shape or is left over.
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

    /// One vector for each text, `[texts, dim]`, whose inner product is the score.
    pub fn vectors(&self, texts: &[Tokens]) -> Result<Tensor> {
        let hidden = self.hidden(texts)?;
        match &self.head {
            Head::Dense { head, similarity } => {
                let vectors = head.train(&hidden)?; // [texts, dim]
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
        Ok(head.train(&self.hidden(pairs)?)?.squeeze(1)?)
    }

    /// The logits of the words at some places (text, position) of a batch, `[places, vocab]`.
    pub fn logits(&self, texts: &[Tokens], places: &[(usize, usize)]) -> Result<Tensor> {
        let Head::MaskedLm(head) = &self.head else {
            unreachable!("a recipe with another head hides no words")
        };
        let hidden = self.hidden(texts)?;
        let firsts = hidden.firsts();
        let row = |&(text, position): &(usize, usize)| firsts[text] + position as u32;
        let rows = Tensor::new(places.iter().map(row).collect::<Vec<_>>(), &self.device)?;
        Ok(head.logits(&hidden.states.index_select(&rows, 0)?)?)
    }

    /// Whether the network scores pairs; otherwise it makes vectors.
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
        let projection = Projection { linear: "projection".to_owned(), norm: None };
        Ok(match head {
            recipe::Head::Dense(dense) => Self::Dense {
                head: {
                    let projection = (dense.projection > 0).then_some(&projection);
                    Vector::load(architecture, tensors, dense.pooling, projection)?
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
