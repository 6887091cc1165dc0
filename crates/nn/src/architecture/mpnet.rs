//! MPNet.
//! Song, Tan, Qin, Lu and Liu, NeurIPS 2020.
//!
//! BERT pre-trained to predict permuted words. Attention knows positions twice: from the embeddings, and from a learned number
//! for each head and bucket of distances, which all blocks share. Positions are counted as in RoBERTa; there are no token
//! types.

use serde::Deserialize;

use super::{
    Architecture, Attended, Buckets, ClassifierNames, Describe, Design, MaskedLmNames, Names,
    Relation, Sizes, Up,
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
    layer_norm_eps: f64,
    relative_attention_num_buckets: usize,
    #[serde(default = "padding")]
    pad_token_id: usize,
}

/// The padding token's id that `transformers` assumes where the file does not state it.
fn padding() -> usize {
    1
}

/// The distance at which the last bucket begins. It is not in `config.json`: the reference fixes it
/// (`modeling_mpnet.py`).
const FURTHEST: usize = 128;

const NAMES: Names = Names {
    word: "embeddings.word_embeddings.weight",
    word_copies: &[],
    position: "embeddings.position_embeddings.weight",
    token_type: "",
    embedding_norm: "embeddings.LayerNorm",
    embedding_projection: "",
    relation: "encoder.relative_attention_bias.weight",
    relation_norm: "",
    final_norm: "",
    block: "encoder.layer",
    attention: Attended::Apart(["attention.attn.q", "attention.attn.k", "attention.attn.v"]),
    attention_output: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
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
            token_types: 0,
            norm_eps: self.layer_norm_eps,
            activation: self.hidden_act.parse()?,
        };
        let count = self.relative_attention_num_buckets;
        let buckets = Relation::Buckets(Buckets::Halves { count, furthest: FURTHEST });
        let design = Design::related(sizes.layers, &buckets);
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}
