//! DeBERTa-v2 and DeBERTa-v3.
//! He, Liu, Gao and Chen, ICLR 2021 (arXiv:2006.03654); He, Gao and Chen, ICLR 2023 (arXiv:2111.09543).
//!
//! BERT whose attention holds what a token is apart from where it stands: a score is the sum of content with content, content
//! with distance and distance with content. The embeddings know of no positions. Version 3 is the same network,
//! pre-trained as ELECTRA is; it is the base of many rerankers.

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
    embedding_size: Option<usize>,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default)]
    type_vocab_size: usize,
    layer_norm_eps: f64,
    relative_attention: bool,
    #[serde(default = "none")]
    max_relative_positions: i64,
    #[serde(default = "none")]
    position_buckets: i64,
    pos_att_type: Kinds,
    #[serde(default)]
    share_att_key: bool,
    #[serde(default)]
    norm_rel_ebd: String,
    #[serde(default = "yes")]
    position_biased_input: bool,
    #[serde(default)]
    conv_kernel_size: usize,
    #[serde(default = "gelu")]
    pooler_hidden_act: String,
}

/// The kinds of products between content and distance: written as `"p2c|c2p"` or as a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Kinds {
    Joined(String),
    List(Vec<String>),
}

impl Kinds {
    /// Whether both mixed products (content with distance, distance with content) are asked for. The third kind,
    /// distance with distance, is not supported.
    fn are_both(&self) -> bool {
        let mut kinds: Vec<&str> = match self {
            Self::Joined(kinds) => kinds.split('|').map(str::trim).collect(),
            Self::List(kinds) => kinds.iter().map(String::as_str).collect(),
        };
        kinds.sort_unstable();
        kinds == ["c2p", "p2c"]
    }
}

fn none() -> i64 {
    -1
}

fn yes() -> bool {
    true
}

fn gelu() -> String {
    "gelu".to_owned()
}

/// The names of tensors in a checkpoint that does not normalise the embeddings of distances.
const PLAIN: Names = Names {
    word: "embeddings.word_embeddings.weight",
    word_copies: &[],
    position: "",
    token_type: "embeddings.token_type_embeddings.weight",
    embedding_norm: "embeddings.LayerNorm",
    embedding_projection: "",
    relation: "encoder.rel_embeddings.weight",
    relation_norm: "",
    final_norm: "",
    block: "encoder.layer",
    attention: Attended::Apart([
        "attention.self.query_proj",
        "attention.self.key_proj",
        "attention.self.value_proj",
    ]),
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: Up::Plain("intermediate.dense"),
    down: "output.dense",
    output_norm: "output.LayerNorm",
    classifier: ClassifierNames {
        dense: "pooler.dense",
        dense_in_trunk: false,
        activation: Activation::Gelu,
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

/// The names of tensors in a checkpoint that normalises the embeddings of distances.
const NAMES: Names = Names { relation_norm: "encoder.LayerNorm", ..PLAIN };

impl Config {
    /// Refuses settings that the family allows but no published encoder uses, and the convolution of its largest model.
    fn check(&self) -> Result<(), String> {
        let refused = |name: &str, found: &str, expected: &str| {
            Err(format!("`{name}` is {found}: expected {expected}"))
        };
        if !self.relative_attention {
            return refused("relative_attention", "false", "true");
        }
        if !self.pos_att_type.are_both() {
            return refused("pos_att_type", &format!("{:?}", self.pos_att_type), "`p2c|c2p`");
        }
        if !self.share_att_key {
            return refused("share_att_key", "false", "true");
        }
        if self.position_biased_input {
            return refused("position_biased_input", "true", "false");
        }
        if self.conv_kernel_size > 0 {
            return refused("conv_kernel_size", &self.conv_kernel_size.to_string(), "0");
        }
        if self.embedding_size.is_some_and(|size| size != self.hidden_size) {
            return refused("embedding_size", "another than `hidden_size`", "the same");
        }
        match self.pooler_hidden_act == "gelu" {
            true => Ok(()),
            false => refused("pooler_hidden_act", &self.pooler_hidden_act, "gelu"),
        }
    }

    fn names(&self) -> Result<&'static Names, String> {
        let norms: Vec<&str> = self.norm_rel_ebd.split('|').map(str::trim).collect();
        match norms[..] {
            ["layer_norm"] => Ok(&NAMES),
            ["" | "none"] => Ok(&PLAIN),
            _ => Err(format!("`norm_rel_ebd` is `{}`: expected `layer_norm`", self.norm_rel_ebd)),
        }
    }

    fn buckets(&self) -> Buckets {
        let positions = self.max_position_embeddings;
        let furthest = match usize::try_from(self.max_relative_positions) {
            Ok(furthest) if furthest > 0 => furthest,
            _ => positions,
        };
        match usize::try_from(self.position_buckets) {
            Ok(span) if span > 0 => Buckets::Signed { span, furthest: Some(furthest) },
            _ => Buckets::Signed { span: furthest, furthest: None },
        }
    }
}

impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        self.check()?;
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
        let design = Design::related(sizes.layers, &Relation::Disentangled(self.buckets()));
        Ok(Architecture { sizes, design, names: self.names()? })
    }
}
