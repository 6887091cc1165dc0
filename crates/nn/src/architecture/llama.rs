//! LLaMA and its descendants.
//! Touvron and others, 2023 (arXiv:2302.13971, arXiv:2307.09288); Grattafiori and others, 2024 (arXiv:2407.21783).
//!
//! A decoder with rotary positions, in which each part of a block normalises its input by its root mean square, the feed-forward
//! part is gated, and no layer has a bias. Several heads of queries may share one of keys and values.
//!
//! [`mistral`](super::mistral), [`qwen2`](super::qwen2) and [`qwen3`](super::qwen3) are this network but for what their files say.

use serde::Deserialize;

use super::{
    Architecture, Attended, Attention, Biases, CausalLm, Centring, ClassifierNames, Decoder,
    Design, Frequencies, MOST_LAYERS, MaskedLmNames, Names, Placement, Relation, Sizes, Up,
};
use crate::Pooling;
use crate::architecture::decoder::Ends;

/// The keys of `config.json` that this network and its descendants read.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_act: String,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Rope>,
    /// The same in newer versions of `transformers`.
    rope_parameters: Option<Rope>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
    eos_token_id: Option<Ends>,
}

/// The angles of rotary positions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Rope {
    #[serde(rename = "rope_type", alias = "type")]
    kind: Option<String>,
    #[serde(rename = "rope_theta")]
    base: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
}

pub(super) const NAMES: Names = Names {
    word: "embed_tokens.weight",
    word_copies: &[],
    position: "",
    token_type: "",
    embedding_norm: "",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "norm",
    block: "layers",
    attention: Attended::Apart(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    attention_output: "self_attn.o_proj",
    attention_norm: "input_layernorm",
    up: Up::Gated(["mlp.gate_proj", "mlp.up_proj"]),
    down: "mlp.down_proj",
    output_norm: "post_attention_layernorm",
    classifier: ClassifierNames::NONE,
    masked_lm: MaskedLmNames::NONE,
};

/// Old files keep the angles of each block.
const UNUSED: [&str; 1] = [".self_attn.rotary_emb.inv_freq"];

/// The base of the angles where a file does not state it.
const BASE: f64 = 10_000.0;

/// What a descendant does otherwise.
pub(super) struct Differs {
    /// Whether queries, keys and values have a bias; `None` where `attention_bias` says it of them and of the layer after.
    pub(super) bias: Option<bool>,
    /// The names of layer norms of heads.
    pub(super) head_norms: Option<[&'static str; 2]>,
    /// For each block the number of tokens that a token sees, itself among them; an empty list where all see everything.
    pub(super) windows: Vec<Option<usize>>,
}

impl Config {
    /// The number of blocks, of which no more than [`MOST_LAYERS`] are described: more are refused later.
    pub(super) fn layers(&self) -> usize {
        self.num_hidden_layers.min(MOST_LAYERS)
    }

    fn width(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    fn frequencies(&self) -> Result<Frequencies, String> {
        let rope = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let base = rope.and_then(|rope| rope.base).or(self.rope_theta).unwrap_or(BASE);
        let plain = Frequencies::new(base, self.width());
        match rope {
            None => Ok(plain),
            Some(rope) => rope.scaled(plain),
        }
    }

    /// The description of this network with what a descendant does otherwise.
    pub(super) fn describe(self, differs: &Differs) -> Result<CausalLm, String> {
        let relation = Relation::Rotary(self.frequencies()?);
        let window = |block: usize| differs.windows.get(block).copied().flatten();
        let attention = |block: usize| Attention {
            relation: relation.clone(),
            window: window(block).map(|tokens| tokens.saturating_sub(1)),
        };
        let design = Design {
            attention: (0..self.layers()).map(attention).collect(),
            norm: Placement::Before,
            centring: Centring::Nothing,
            scaled: true,
            bias: Biases {
                attention: differs.bias.unwrap_or(self.attention_bias),
                output: differs.bias.is_none() && self.attention_bias,
                up: self.mlp_bias,
                down: self.mlp_bias,
                norm: false,
            },
            head_bias: false,
            classified: Pooling::Last,
            skips_unknown: false,
        };
        let sizes = Sizes {
            vocab: self.vocab_size,
            embedding: self.hidden_size,
            hidden: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            attention: self.width().saturating_mul(self.num_attention_heads),
            intermediate: self.intermediate_size,
            positions: self.max_position_embeddings,
            first_position: 0,
            token_types: 0,
            norm_eps: self.rms_norm_eps,
            activation: self.hidden_act.parse()?,
        };
        let decoder = Decoder {
            key_heads: self.num_key_value_heads.unwrap_or(self.num_attention_heads),
            head_norms: differs.head_norms,
            tied: self.tie_word_embeddings,
            unused: &UNUSED,
            ..Decoder::new(Architecture { sizes, design, names: &NAMES })
        };
        Ok(CausalLm { decoder, ends: self.eos_token_id.map(Ends::all).unwrap_or_default() })
    }
}

impl Rope {
    /// The angles for texts that are longer than those in training.
    fn scaled(&self, plain: Frequencies) -> Result<Frequencies, String> {
        let missing = |key: &str| format!("the scaling of positions lacks `{key}`");
        let factor = || self.factor.ok_or_else(|| missing("factor"));
        match self.kind.as_deref().unwrap_or("default") {
            "default" => Ok(plain),
            "linear" => Ok(plain.slower(factor()?)),
            "llama3" => {
                let low = self.low_freq_factor.ok_or_else(|| missing("low_freq_factor"))?;
                let high = self.high_freq_factor.ok_or_else(|| missing("high_freq_factor"))?;
                let trained = self
                    .original_max_position_embeddings
                    .ok_or_else(|| missing("original_max_position_embeddings"))?;
                Ok(plain.slower_where_slow(factor()?, [low, high], trained))
            }
            other => Err(format!(
                "positions are scaled by `{other}`: expected `default`, `linear` or `llama3`"
            )),
        }
    }
}

impl TryFrom<Config> for CausalLm {
    type Error = String;

    fn try_from(config: Config) -> Result<Self, String> {
        config.describe(&Differs { bias: None, head_norms: None, windows: Vec::new() })
    }
}
