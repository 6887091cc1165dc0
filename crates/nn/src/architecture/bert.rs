//! BERT.
//! Devlin, Chang, Lee and Toutanova, NAACL 2019.
//!
//! A text is cut into pieces of words; each piece is the sum of what it is, where it stands and which of two texts it
//! belongs to. Then every block lets each piece look at all others (attention) and think for itself (feed-forward), adds
//! what came out to what went in, and normalises the sum. MiniLM, TinyBERT and most dense retrievers are BERT in
//! another size. [`crate::Trunk`] computes it; here is what a checkpoint calls things.

use serde::Deserialize;

use super::{
    Architecture, ClassifierNames, Describe, MaskedLmNames, Names, Sizes, check_positions,
};
use crate::Activation;

/// `config.json`. What older files leave out has the value that `transformers` gives it.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "positions")]
    max_position_embeddings: usize,
    #[serde(default = "token_types")]
    type_vocab_size: usize,
    #[serde(default = "eps")]
    layer_norm_eps: f64,
    position_embedding_type: Option<String>,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn positions() -> usize {
    512
}

fn token_types() -> usize {
    2
}

fn eps() -> f64 {
    1e-12
}

const NAMES: Names = Names {
    word: "embeddings.word_embeddings.weight",
    position: "embeddings.position_embeddings.weight",
    token_type: "embeddings.token_type_embeddings.weight",
    embedding_norm: "embeddings.LayerNorm",
    embedding_projection: "",
    block: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    output_norm: "output.LayerNorm",
    classifier: ClassifierNames {
        dense: "pooler.dense",
        dense_in_trunk: true,
        activation: Activation::Tanh,
        output: "classifier",
    },
    masked_lm: MaskedLmNames {
        dense: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.LayerNorm",
        decoder: "cls.predictions.decoder.weight",
        bias: &["cls.predictions.decoder.bias", "cls.predictions.bias"],
        activation: None,
    },
};

impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        check_positions(self.position_embedding_type.as_deref())?;
        let sizes = Sizes {
            vocab: self.vocab_size,
            embedding: self.hidden_size,
            hidden: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            intermediate: self.intermediate_size,
            positions: self.max_position_embeddings,
            first_position: 0,
            token_types: self.type_vocab_size,
            norm_eps: self.layer_norm_eps,
            activation: self.hidden_act.parse()?,
        };
        Ok(Architecture { sizes, names: &NAMES })
    }
}
