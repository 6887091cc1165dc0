//! DistilBERT.
//! Sanh, Debut, Chaumond and Wolf, NeurIPS EMC² workshop 2019.
//!
//! BERT with half the layers, no token types and no pooler. Its checkpoints have names of their own for everything.

use serde::Deserialize;

use super::{
    Architecture, Attended, ClassifierNames, Describe, Design, MaskedLmNames, Names, Sizes, Up,
};
use crate::Activation;

/// The keys of `config.json` that this encoder reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    dim: usize,
    n_layers: usize,
    n_heads: usize,
    hidden_dim: usize,
    max_position_embeddings: usize,
    activation: String,
}

/// The epsilon of layer norms. It is not in `config.json`: the reference implementation fixes it
/// (`modeling_distilbert.py`).
const NORM_EPS: f64 = 1e-12;

const NAMES: Names = Names {
    word: "embeddings.word_embeddings.weight",
    word_copies: &[],
    position: "embeddings.position_embeddings.weight",
    token_type: "",
    embedding_norm: "embeddings.LayerNorm",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "",
    block: "transformer.layer",
    attention: Attended::Apart(["attention.q_lin", "attention.k_lin", "attention.v_lin"]),
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    up: Up::Plain("ffn.lin1"),
    down: "ffn.lin2",
    output_norm: "output_layer_norm",
    classifier: ClassifierNames {
        dense: "pre_classifier",
        dense_in_trunk: false,
        activation: Activation::Relu,
        norm: "",
        output: "classifier",
    },
    masked_lm: MaskedLmNames {
        dense: "vocab_transform",
        norm: "vocab_layer_norm",
        decoder: "vocab_projector.weight",
        bias: &["vocab_projector.bias"],
        activation: None,
    },
};

impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        let sizes = Sizes {
            vocab: self.vocab_size,
            embedding: self.dim,
            hidden: self.dim,
            layers: self.n_layers,
            heads: self.n_heads,
            attention: self.dim,
            intermediate: self.hidden_dim,
            positions: self.max_position_embeddings,
            first_position: 0,
            token_types: 0,
            norm_eps: NORM_EPS,
            activation: self.activation.parse()?,
        };
        let design = Design::bert(sizes.layers);
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}
