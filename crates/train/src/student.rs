//! The network in training: a trunk of `nir-nn` over tensors that learn, and a head.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use nir_nn::heads::{Classifier, MaskedLm, PerToken, Projection, Vector};
use nir_nn::{Architecture, Backend, Hidden, Role, Similarity, Tensors, Tokens, Trunk, normalise};
use serde_json::json;

use crate::encoded::Encoded;
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
    Late(PerToken),
    TermWeights { head: PerToken, vocab: usize },
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
            Ok((trunk, Head::load(head, &architecture, vocab, tensors)?))
        })?;
        Ok(Self { trunk, head, device: device.clone() })
    }

    /// Each text by itself: one vector, or one for each token.
    pub fn encode(&self, texts: &[Tokens], role: Role) -> Result<Encoded> {
        let hidden = self.hidden(texts)?;
        match &self.head {
            Head::Dense { head, similarity } => {
                let vectors = head.train(&hidden)?; // [texts, dim]
                Ok(Encoded::Vectors(match similarity {
                    Similarity::Dot => vectors,
                    Similarity::Cosine => normalise(&vectors)?,
                }))
            }
            // SPLADE's max pooling (SPLADE v2, eq. 6). The logarithm grows with its argument: it need only be taken of
            // the largest.
            Head::Sparse(head) => {
                Ok(Encoded::Vectors((head.largest(&hidden)?.relu()? + 1.0)?.log()?))
            }
            Head::Late(head) => {
                let states = normalise(&head.forward(&hidden)?)?; // [tokens, dim]
                Ok(Encoded::Tokens(Hidden { states, lengths: hidden.lengths }))
            }
            Head::TermWeights { head, vocab } => {
                let weights = head.forward(&hidden)?.relu()?.squeeze(1)?; // [tokens]
                Ok(Encoded::Vectors(term_weights(&weights, texts, role, *vocab)?))
            }
            Head::CrossEncoder(_) | Head::MaskedLm(_) => {
                unreachable!("a recipe with this head reads no text by itself")
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
        vocab: usize,
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
            recipe::Head::Late(_) => {
                Self::Late(PerToken::load(architecture, tensors, &["linear"])?)
            }
            recipe::Head::TermWeights(_) => {
                let head = PerToken::load(architecture, tensors, &["tok_proj"])?;
                Self::TermWeights { head, vocab }
            }
            recipe::Head::CrossEncoder(_) => {
                Self::CrossEncoder(Classifier::load(architecture, tensors)?)
            }
            recipe::Head::MaskedLm(_) => Self::MaskedLm(MaskedLm::load(architecture, tensors)?),
        })
    }
}

/// The weights of terms, `[texts, vocab]`: a term that stands several times in a document has the largest of its weights, in
/// a query their sum (Lin and Ma, 2021). The first token, `[CLS]`, is no term.
///
/// - `weights`: `[tokens]`, those of one text after those of the other
fn term_weights(weights: &Tensor, texts: &[Tokens], role: Role, vocab: usize) -> Result<Tensor> {
    let values = weights.to_vec1::<f32>()?;
    let mut kept: BTreeMap<(usize, Option<usize>), usize> = BTreeMap::new();
    let mut row = 0;
    for (text, tokens) in texts.iter().enumerate() {
        for (place, &id) in tokens.ids.iter().enumerate() {
            let cell = text * vocab + id as usize;
            // In a query every place counts, in a document one for each term.
            let key = (cell, (role == Role::Query).then_some(row));
            let best = kept.get(&key).is_none_or(|&other| values[row] > values[other]);
            if place > 0 && best {
                kept.insert(key, row);
            }
            row += 1;
        }
    }
    let index = |numbers: Vec<u32>| Tensor::new(numbers, weights.device());
    let rows = index(kept.values().map(|&row| row as u32).collect())?;
    let cells = index(kept.keys().map(|&(cell, _)| cell as u32).collect())?;
    let empty = Tensor::zeros(texts.len() * vocab, weights.dtype(), weights.device())?;
    let filled = empty.index_add(&cells, &weights.index_select(&rows, 0)?, 0)?;
    Ok(filled.reshape((texts.len(), vocab))?)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    #[test]
    fn a_term_counts_by_its_largest_weight_in_a_document_and_by_the_sum_in_a_query() {
        // [CLS] a b a, of a vocabulary of 4 where a is 2 and b is 3.
        let texts = [Tokens { ids: vec![1, 2, 3, 2], types: vec![0; 4], unseen: 0 }];
        let weights = Var::new(&[9f32, 1., 2., 3.], &Device::Cpu).unwrap();
        let of = |role| term_weights(&weights, &texts, role, 4).unwrap();
        assert_eq!(of(Role::Document).to_vec2::<f32>().unwrap(), [[0., 0., 3., 2.]]);
        assert_eq!(of(Role::Query).to_vec2::<f32>().unwrap(), [[0., 0., 4., 2.]]);
        let gradients = of(Role::Document).sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(&weights).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(gradient, [0., 0., 1., 1.], "only the place that counts learns");
    }
}
