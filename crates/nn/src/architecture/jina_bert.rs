//! JinaBERT, of jina-embeddings-v2.
//! Günther, Ong, Mohr and others, 2023 (arXiv:2310.19923).
//!
//! BERT without embedded positions: attention takes off a penalty that grows with the distance (ALiBi), so that a model trained
//! on 512 tokens reads 8,192. Its feed-forward parts are gated. A checkpoint's `config.json` calls it `bert`, with `alibi`
//! for its positions.

use serde::Deserialize;

use super::{Architecture, Biases, Describe, Design, Names, Relation, Sizes, Up, bert};
use crate::Activation;

/// The keys of `config.json` that this encoder reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    feed_forward_type: String,
}

const NAMES: Names = Names {
    position: "",
    up: Up::GateFirst("mlp.gated_layers"),
    down: "mlp.wo",
    output_norm: "mlp.layernorm",
    ..bert::NAMES
};

impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        let activation = match self.feed_forward_type.as_str() {
            "geglu" => Activation::Gelu,
            "reglu" => Activation::Relu,
            other => {
                return Err(format!(
                    "`feed_forward_type` is `{other}`: expected `geglu` or `reglu`"
                ));
            }
        };
        let sizes = Sizes {
            vocab: self.vocab_size,
            embedding: self.hidden_size,
            hidden: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            attention: self.hidden_size,
            intermediate: self.intermediate_size,
            positions: self.max_position_embeddings,
            first_position: 0,
            token_types: self.type_vocab_size,
            norm_eps: self.layer_norm_eps,
            activation,
        };
        let bias = Biases { up: false, ..Biases::ALL };
        let design = Design { bias, ..Design::related(sizes.layers, &Relation::Alibi) };
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}
