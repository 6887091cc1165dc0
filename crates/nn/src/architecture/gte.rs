//! GTE's encoder, the `new` of Alibaba-NLP, and Snowflake's arctic-embed-m-v2.0.
//! Zhang, Zhang, Long and others, EMNLP 2024 industry track (arXiv:2407.19669).
//!
//! BERT with rotary positions in place of embedded ones and gated feed-forward parts (GeGLU), normalised after each part. The
//! English models stretch the angles for longer texts than they began with.

use serde::Deserialize;

use super::{
    Architecture, Attended, Biases, ClassifierNames, Describe, Design, Frequencies, MaskedLmNames,
    Names, Relation, Sizes, Up,
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
    #[serde(default)]
    type_vocab_size: usize,
    layer_norm_eps: f64,
    #[serde(default = "layer_norm")]
    layer_norm_type: String,
    #[serde(default = "rope")]
    position_embedding_type: String,
    rope_theta: Option<f64>,
    rope_scaling: Option<Scaling>,
    #[serde(default)]
    rope_parameters: Option<Parameters>,
    #[serde(default = "yes")]
    pack_qkv: bool,
    #[serde(default)]
    logn_attention_scale: bool,
}

#[derive(Debug, Deserialize)]
struct Scaling {
    #[serde(rename = "type")]
    kind: String,
    factor: f64,
}

/// The parameters of rotary positions, as newer versions of `transformers` write them.
#[derive(Debug, Deserialize)]
struct Parameters {
    rope_theta: f64,
    rope_type: String,
}

fn layer_norm() -> String {
    "layer_norm".to_owned()
}

fn rope() -> String {
    "rope".to_owned()
}

fn yes() -> bool {
    true
}

const NAMES: Names = Names {
    word: "embeddings.word_embeddings.weight",
    word_copies: &[],
    position: "",
    token_type: "embeddings.token_type_embeddings.weight",
    embedding_norm: "embeddings.LayerNorm",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "",
    block: "encoder.layer",
    attention: Attended::Stacked("attention.qkv_proj"),
    attention_output: "attention.o_proj",
    attention_norm: "attn_ln",
    up: Up::GateLast("mlp.up_gate_proj"),
    down: "mlp.down_proj",
    output_norm: "mlp_ln",
    classifier: ClassifierNames {
        dense: "pooler.dense",
        dense_in_trunk: true,
        activation: Activation::Tanh,
        norm: "",
        output: "classifier",
    },
    masked_lm: MaskedLmNames {
        dense: "lm_head.dense",
        norm: "lm_head.norm",
        decoder: "lm_head.decoder.weight",
        bias: &["lm_head.decoder.bias", "lm_head.bias"],
        activation: None,
    },
};

impl Config {
    fn check(&self) -> Result<(), String> {
        let expected = |name: &str, found: &str, expected: &str| match found == expected {
            true => Ok(()),
            false => Err(format!("`{name}` is `{found}`: expected `{expected}`")),
        };
        expected("position_embedding_type", &self.position_embedding_type, "rope")?;
        expected("layer_norm_type", &self.layer_norm_type, "layer_norm")?;
        expected("pack_qkv", &self.pack_qkv.to_string(), "true")?;
        expected("logn_attention_scale", &self.logn_attention_scale.to_string(), "false")
    }

    fn frequencies(&self) -> Result<Frequencies, String> {
        let width = self.hidden_size / self.num_attention_heads.max(1);
        if let Some(Parameters { rope_theta, rope_type }) = &self.rope_parameters {
            return match rope_type.as_str() {
                "default" => Ok(Frequencies::new(*rope_theta, width)),
                other => Err(format!("`rope_type` is `{other}`: expected `default`")),
            };
        }
        let base = self.rope_theta.ok_or("has no `rope_theta`")?;
        match &self.rope_scaling {
            None => Ok(Frequencies::new(base, width)),
            Some(Scaling { kind, factor }) if kind == "ntk" => {
                Ok(Frequencies::scaled(base, width, *factor))
            }
            Some(Scaling { kind, .. }) => {
                Err(format!("`rope_scaling` is of type `{kind}`: expected `ntk`"))
            }
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
        let rotary = Relation::Rotary(self.frequencies()?);
        let bias = Biases { up: false, ..Biases::ALL };
        let design = Design { bias, ..Design::related(sizes.layers, &rotary) };
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}
