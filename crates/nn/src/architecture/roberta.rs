//! RoBERTa and XLM-RoBERTa.
//! Liu et al., 2019; Conneau et al., ACL 2020.
//!
//! BERT trained longer, with a vocabulary of bytes (RoBERTa) or of a hundred languages (XLM-R). Positions are counted
//! from the padding token's number + 1, so a table of 514 rows serves 512 tokens. There is one token type.

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
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    #[serde(default = "padding")]
    pad_token_id: usize,
    position_embedding_type: Option<String>,
}

/// The padding token's id that `transformers` assumes where the file does not state it.
fn padding() -> usize {
    1
}

const NAMES: Names = Names {
    word: "embeddings.word_embeddings.weight",
    word_copies: &[],
    position: "embeddings.position_embeddings.weight",
    token_type: "embeddings.token_type_embeddings.weight",
    embedding_norm: "embeddings.LayerNorm",
    embedding_projection: "",
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
        activation: Activation::Tanh,
        norm: "",
        output: "classifier.out_proj",
    },
    masked_lm: MaskedLmNames {
        dense: "lm_head.dense",
        norm: "lm_head.layer_norm",
        decoder: "lm_head.decoder.weight",
        bias: &["lm_head.decoder.bias", "lm_head.bias"],
        activation: Some(Activation::Gelu),
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
            attention: self.hidden_size,
            intermediate: self.intermediate_size,
            positions: self.max_position_embeddings,
            first_position: self.pad_token_id + 1,
            token_types: self.type_vocab_size,
            norm_eps: self.layer_norm_eps,
            activation: self.hidden_act.parse()?,
        };
        let design = Design::bert(sizes.layers);
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}
