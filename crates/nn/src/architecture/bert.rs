//! BERT.
//! Devlin, Chang, Lee and Toutanova, NAACL 2019.
//!
//! A text is cut into pieces of words; each piece is the sum of what it is, where it stands and which of two texts it
//! belongs to. Then every block lets each piece look at all others (attention) and think for itself (feed-forward), adds
//! what came out to what went in, and normalises the sum. MiniLM, TinyBERT and most dense retrievers are BERT in
//! another size. [`crate::Trunk`] computes it; here is what a checkpoint calls things.

use serde::Deserialize;

use super::{
    Architecture, Attended, ClassifierNames, Describe, Design, MaskedLmNames, Names, Sizes, Up,
    check_positions,
};
use crate::Activation;

/// The keys of `config.json` that this encoder reads. A key that older files leave out has the value that
/// `transformers` gives it.
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

/// The keys of the `bert_config.json` that BERT was published with.
const PUBLISHED: [&str; 11] = [
    "attention_probs_dropout_prob",
    "hidden_act",
    "hidden_dropout_prob",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "type_vocab_size",
    "vocab_size",
];

/// Whether this is a `config.json` from before `transformers` wrote `model_type` into it: every key of BERT's own file,
/// its two types of tokens, and no class but BERT's. RoBERTa, ALBERT and ELECTRA differ in one of them.
pub(super) fn is_old(keys: &serde_json::Value) -> bool {
    let classes = keys["architectures"].as_array().into_iter().flatten();
    let is_bert =
        |class: &serde_json::Value| class.as_str().unwrap_or_default().starts_with("Bert");
    PUBLISHED.iter().all(|&key| keys.get(key).is_some())
        && keys["type_vocab_size"] == 2
        && keys.get("embedding_size").is_none()
        && classes.into_iter().all(is_bert)
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

pub(super) const NAMES: Names = Names {
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
        dense: "pooler.dense",
        dense_in_trunk: true,
        activation: Activation::Tanh,
        norm: "",
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
