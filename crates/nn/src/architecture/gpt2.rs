//! GPT-2.
//! Radford, Wu, Child, Luan, Amodei and Sutskever, 2019.
//!
//! A decoder with embedded positions, in which each part of a block normalises its input. The weights of its layers are saved as
//! `[in, out]`, and queries, keys and values are one layer.

use serde::Deserialize;

use super::{
    Architecture, Attended, CausalLm, ClassifierNames, Decoder, Design, MaskedLmNames, Names,
    Placement, Sizes, Up,
};

/// The keys of `config.json` that this network reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "eps")]
    layer_norm_epsilon: f64,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
    #[serde(default = "end")]
    eos_token_id: u32,
}

// What `transformers` assumes where a file does not state it (`configuration_gpt2.py`).
fn gelu_new() -> String {
    "gelu_new".to_owned()
}

fn eps() -> f64 {
    1e-5
}

fn yes() -> bool {
    true
}

fn end() -> u32 {
    50_256
}

const NAMES: Names = Names {
    word: "wte.weight",
    word_copies: &[],
    position: "wpe.weight",
    token_type: "",
    embedding_norm: "",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "ln_f",
    block: "h",
    attention: Attended::Stacked("attn.c_attn"),
    attention_output: "attn.c_proj",
    attention_norm: "ln_1",
    up: Up::Plain("mlp.c_fc"),
    down: "mlp.c_proj",
    output_norm: "ln_2",
    classifier: ClassifierNames::NONE,
    masked_lm: MaskedLmNames::NONE,
};

/// The layers whose weights are saved as `[in, out]`.
const TURNED: [&str; 4] =
    ["attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"];

/// The mask of each block, which old files have.
const UNUSED: [&str; 2] = [".attn.bias", ".attn.masked_bias"];

impl TryFrom<Config> for CausalLm {
    type Error = String;

    fn try_from(config: Config) -> Result<Self, String> {
        if config.scale_attn_by_inverse_layer_idx {
            return Err("`scale_attn_by_inverse_layer_idx` is true: expected false".to_owned());
        }
        let sizes = Sizes {
            vocab: config.vocab_size,
            embedding: config.n_embd,
            hidden: config.n_embd,
            layers: config.n_layer,
            heads: config.n_head,
            attention: config.n_embd,
            intermediate: config.n_inner.unwrap_or(4 * config.n_embd),
            positions: config.n_positions,
            first_position: 0,
            token_types: 0,
            norm_eps: config.layer_norm_epsilon,
            activation: config.activation_function.parse()?,
        };
        let design = Design {
            norm: Placement::Before,
            scaled: config.scale_attn_weights,
            ..Design::bert(sizes.layers)
        };
        let blocks = Architecture { sizes, design, names: &NAMES };
        let decoder = Decoder { turned: &TURNED, unused: &UNUSED, ..Decoder::new(blocks) };
        Ok(Self { decoder, ends: vec![config.eos_token_id] })
    }
}
