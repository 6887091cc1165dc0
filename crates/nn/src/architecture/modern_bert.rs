//! ModernBERT.
//! Warner, Chaffin, Clavié, Weller and others, 2024 (arXiv:2412.13663).
//!
//! BERT with what was learned since: rotary positions, blocks that normalise what goes in, gated feed-forward parts, no
//! biases, and attention that sees everything in every third block only and its neighbourhood in the others. So 8,192 tokens
//! are affordable.

use serde::Deserialize;

use super::{
    Architecture, Attended, Attention, Biases, Centring, ClassifierNames, Describe, Design,
    Frequencies, MOST_LAYERS, MaskedLmNames, Names, Placement, Relation, Sizes, Up,
};
use crate::{Activation, Pooling};

/// The keys of `config.json` that this encoder reads, in the spelling of the paper's time and of newer versions of
/// `transformers`.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_activation: String,
    max_position_embeddings: usize,
    #[serde(default = "eps")]
    norm_eps: f64,
    #[serde(default)]
    norm_bias: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    classifier_bias: bool,
    #[serde(default = "gelu")]
    classifier_activation: String,
    #[serde(default = "first")]
    classifier_pooling: Pooling,
    /// The number of tokens that a local block sees, half of them to each side.
    local_attention: usize,
    /// The kind of each block. If it is absent, every `global_attn_every_n_layers`-th block sees all tokens.
    layer_types: Option<Vec<Kind>>,
    global_attn_every_n_layers: Option<usize>,
    global_rope_theta: Option<f64>,
    local_rope_theta: Option<f64>,
    rope_parameters: Option<Ropes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    FullAttention,
    SlidingAttention,
}

#[derive(Debug, Deserialize)]
struct Ropes {
    full_attention: Rope,
    sliding_attention: Rope,
}

#[derive(Debug, Deserialize)]
struct Rope {
    rope_theta: f64,
    rope_type: String,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn eps() -> f64 {
    1e-5
}

fn first() -> Pooling {
    Pooling::Cls
}

const NAMES: Names = Names {
    word: "embeddings.tok_embeddings.weight",
    word_copies: &[],
    position: "",
    token_type: "",
    embedding_norm: "embeddings.norm",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "final_norm",
    block: "layers",
    attention: Attended::Stacked("attn.Wqkv"),
    attention_output: "attn.Wo",
    attention_norm: "attn_norm",
    up: Up::GateFirst("mlp.Wi"),
    down: "mlp.Wo",
    output_norm: "mlp_norm",
    classifier: ClassifierNames {
        dense: "head.dense",
        dense_in_trunk: false,
        activation: Activation::Gelu,
        norm: "head.norm",
        output: "classifier",
    },
    masked_lm: MaskedLmNames {
        dense: "head.dense",
        norm: "head.norm",
        decoder: "decoder.weight",
        bias: &["decoder.bias"],
        activation: Some(Activation::Gelu),
    },
};

impl Config {
    /// The kind of each block, from the first to the last.
    fn kinds(&self) -> Result<Vec<Kind>, String> {
        let layers = self.num_hidden_layers;
        let every = self.global_attn_every_n_layers.unwrap_or(3).max(1);
        let kind = |layer: usize| match layer % every {
            0 => Kind::FullAttention,
            _ => Kind::SlidingAttention,
        };
        let kinds = self
            .layer_types
            .clone()
            .unwrap_or_else(|| (0..layers.min(MOST_LAYERS)).map(kind).collect());
        match kinds.len() == layers.min(MOST_LAYERS) {
            true => Ok(kinds),
            false => Err(format!("`layer_types` names {}, there are {layers} layers", kinds.len())),
        }
    }

    /// The base of the rotary angles in global blocks, and the base in local ones.
    fn bases(&self) -> Result<[f64; 2], String> {
        let Some(Ropes { full_attention, sliding_attention }) = &self.rope_parameters else {
            let both = [(self.global_rope_theta, 160_000.0), (self.local_rope_theta, 10_000.0)];
            return Ok(both.map(|(base, default)| base.unwrap_or(default)));
        };
        for rope in [full_attention, sliding_attention] {
            if rope.rope_type != "default" {
                return Err(format!("`rope_type` is `{}`: expected `default`", rope.rope_type));
            }
        }
        Ok([full_attention.rope_theta, sliding_attention.rope_theta])
    }

    fn attention(&self) -> Result<Vec<Attention>, String> {
        let width = self.hidden_size / self.num_attention_heads.max(1);
        let [global, local] = self.bases()?.map(|base| Frequencies::new(base, width));
        let attention = |kind: Kind| match kind {
            Kind::FullAttention => {
                Attention { relation: Relation::Rotary(global.clone()), window: None }
            }
            Kind::SlidingAttention => {
                let window = Some(self.local_attention / 2);
                Attention { relation: Relation::Rotary(local.clone()), window }
            }
        };
        Ok(self.kinds()?.into_iter().map(attention).collect())
    }
}

impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        if self.classifier_activation != "gelu" {
            let found = self.classifier_activation;
            return Err(format!("`classifier_activation` is `{found}`: expected `gelu`"));
        }
        let design = Design {
            attention: self.attention()?,
            norm: Placement::Before,
            centring: Centring::Mean,
            scaled: true,
            bias: Biases {
                attention: self.attention_bias,
                output: self.attention_bias,
                up: self.mlp_bias,
                down: self.mlp_bias,
                norm: self.norm_bias,
            },
            head_bias: self.classifier_bias,
            classified: self.classifier_pooling,
            skips_unknown: false,
        };
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
            token_types: 0,
            norm_eps: self.norm_eps,
            activation: self.hidden_activation.parse()?,
        };
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}
