//! ELECTRA.
//! Clark, Luong, Le and Manning, ICLR 2020.
//!
//! BERT pre-trained to notice replaced words. The small sizes have embeddings narrower than the hidden states, with a
//! linear layer between.

use serde::Deserialize;

use super::{
    Architecture, Attended, ClassifierNames, Describe, Design, MaskedLmNames, Names, Sizes, Up,
    check_positions,
};
use crate::Activation;

/// The keys of `config.json` that this encoder reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    embedding_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    position_embedding_type: Option<String>,
}

const NAMES: Names = Names {
    word: "embeddings.word_embeddings.weight",
    word_copies: &[],
    position: "embeddings.position_embeddings.weight",
    token_type: "embeddings.token_type_embeddings.weight",
    embedding_norm: "embeddings.LayerNorm",
    embedding_projection: "embeddings_project",
    relation: "",
    relation_norm: "",
    final_norm: "",
    block: "encoder.layer",
    attention: Attended::Apart([
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ]),
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: Up::Plain("intermediate.dense"),
    down: "output.dense",
    output_norm: "output.LayerNorm",
    classifier: ClassifierNames {
        dense: "classifier.dense",
        dense_in_trunk: false,
        activation: Activation::Gelu,
        norm: "",
        output: "classifier.out_proj",
    },
    masked_lm: MaskedLmNames {
        dense: "generator_predictions.dense",
        norm: "generator_predictions.LayerNorm",
        decoder: "generator_lm_head.weight",
        bias: &["generator_lm_head.bias"],
        activation: Some(Activation::Gelu),
    },
};

impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        check_positions(self.position_embedding_type.as_deref())?;
        let sizes = Sizes {
            vocab: self.vocab_size,
            embedding: self.embedding_size,
            hidden: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            attention: self.hidden_size,
            intermediate: self.intermediate_size,
            positions: self.max_position_embeddings,
            first_position: 0,
            token_types: self.type_vocab_size,
            norm_eps: self.layer_norm_eps,
            activation: self.hidden_act.parse()?,
        };
        let design = Design::bert(sizes.layers);
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}
