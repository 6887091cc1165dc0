//! nomic-bert.
//! Nussbaum, Morris, Duderstadt and Mulyar, 2024 (arXiv:2402.01613).
//!
//! BERT with rotary positions in place of embedded ones, gated feed-forward parts (SwiGLU) and no biases; normalised after each
//! part, as BERT is. Its config has GPT-2's words, as the code it was trained with grew from that.

use serde::Deserialize;

use super::{
    Architecture, Attended, Biases, ClassifierNames, Describe, Design, Frequencies, MaskedLmNames,
    Names, Relation, Sizes, Up,
};
use crate::Activation;

/// The keys of a `config.json` in the spelling of the code that nomic-bert was trained with.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    n_positions: usize,
    type_vocab_size: usize,
    layer_norm_epsilon: f64,
    activation_function: String,
    qkv_proj_bias: bool,
    mlp_fc1_bias: bool,
    mlp_fc2_bias: bool,
    rotary_emb_base: f64,
    rotary_emb_fraction: f64,
    #[serde(default)]
    rotary_emb_interleaved: bool,
    #[serde(default)]
    rotary_emb_scale_base: Option<f64>,
    #[serde(default)]
    rotary_scaling_factor: Option<f64>,
    #[serde(default)]
    max_trained_positions: Option<usize>,
    #[serde(default)]
    prenorm: bool,
    #[serde(default)]
    use_rms_norm: bool,
    #[serde(default)]
    num_experts: Option<usize>,
}

const NAMES: Names = Names {
    word: "embeddings.word_embeddings.weight",
    word_copies: &[],
    position: "",
    token_type: "embeddings.token_type_embeddings.weight",
    embedding_norm: "emb_ln",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "",
    block: "encoder.layers",
    attention: Attended::Stacked("attn.Wqkv"),
    attention_output: "attn.out_proj",
    attention_norm: "norm1",
    up: Up::Gated(["mlp.fc12", "mlp.fc11"]),
    down: "mlp.fc2",
    output_norm: "norm2",
    classifier: ClassifierNames {
        dense: "pooler.dense",
        dense_in_trunk: true,
        activation: Activation::Tanh,
        norm: "",
        output: "classifier",
    },
    masked_lm: MaskedLmNames {
        dense: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.layer_norm",
        decoder: "cls.predictions.decoder.weight",
        bias: &["cls.predictions.decoder.bias", "cls.predictions.bias"],
        activation: None,
    },
};

impl Config {
    /// Refuses settings that the family allows but no published encoder uses.
    fn check(&self) -> Result<(), String> {
        let others = [
            ("prenorm", self.prenorm),
            ("use_rms_norm", self.use_rms_norm),
            ("rotary_emb_interleaved", self.rotary_emb_interleaved),
            ("rotary_emb_scale_base", self.rotary_emb_scale_base.is_some()),
            ("num_experts", self.num_experts.is_some_and(|experts| experts > 0)),
            ("rotary_emb_fraction", (self.rotary_emb_fraction - 1.0).abs() > 0.0),
        ];
        match others.iter().find(|(_, is)| *is) {
            None => Ok(()),
            Some((name, _)) => {
                Err(format!("`{name}` asks for a nomic-bert that is not known here"))
            }
        }
    }

    /// The largest number of tokens for which the rotary angles are those of training; for longer texts the reference
    /// rescales them with each text, which is not done here.
    fn positions(&self) -> usize {
        match self.rotary_scaling_factor {
            Some(_) => self.max_trained_positions.unwrap_or(self.n_positions).min(self.n_positions),
            None => self.n_positions,
        }
    }
}

/// The keys of a `config.json` in the spelling of `transformers`.
#[derive(Debug, Deserialize)]
pub struct Newer {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    rope_parameters: Rope,
}

#[derive(Debug, Deserialize)]
struct Rope {
    rope_theta: f64,
    rope_type: String,
}

/// The part of the architecture that both spellings describe in the same way.
fn described(sizes: Sizes, base: f64, bias: Biases) -> Architecture {
    let frequencies = Frequencies::new(base, sizes.hidden / sizes.heads.max(1));
    let design = Design::related(sizes.layers, &Relation::Rotary(frequencies));
    Architecture { sizes, design: Design { bias, ..design }, names: &NAMES }
}

impl Describe for Newer {
    fn describe(self) -> Result<Architecture, String> {
        let Rope { rope_theta, rope_type } = self.rope_parameters;
        if rope_type != "default" {
            return Err(format!("`rope_type` is `{rope_type}`: expected `default`"));
        }
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
        let bias = Biases { attention: false, output: false, up: false, down: false, norm: true };
        Ok(described(sizes, rope_theta, bias))
    }
}

impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        self.check()?;
        let activation = match self.activation_function.as_str() {
            "swiglu" => Activation::Silu,
            "geglu" => Activation::Gelu,
            other => {
                return Err(format!(
                    "`activation_function` is `{other}`: expected `swiglu` or `geglu`"
                ));
            }
        };
        let sizes = Sizes {
            vocab: self.vocab_size,
            embedding: self.n_embd,
            hidden: self.n_embd,
            layers: self.n_layer,
            heads: self.n_head,
            attention: self.n_embd,
            intermediate: self.n_inner.unwrap_or(4 * self.n_embd),
            positions: self.positions(),
            first_position: 0,
            token_types: self.type_vocab_size,
            norm_eps: self.layer_norm_epsilon,
            activation,
        };
        let bias = Biases {
            attention: self.qkv_proj_bias,
            output: self.qkv_proj_bias,
            up: self.mlp_fc1_bias,
            down: self.mlp_fc2_bias,
            norm: true,
        };
        Ok(described(sizes, self.rotary_emb_base, bias))
    }
}
