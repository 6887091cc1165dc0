//! T5, an encoder-decoder, and its encoder alone.
//! Raffel et al., JMLR 2020 (version 1.0); Shazeer, 2020 (the gated feed-forward part of version 1.1); Xue et al., NAACL 2021 (mT5).
//!
//! Both halves normalise the input of each part by its root mean square. No layer has a bias, and scores of attention are not
//! divided by the width of a head: the initial weights of queries made up for it. Positions are known from a learned number for
//! each head and bucket of distances alone; all blocks of a half share the table of its first block. Where the decoder's output
//! layer is the table of word embeddings (version 1.0), states are divided by `√hidden` before it.

use serde::Deserialize;

use super::{
    Attended, Attention, Biases, Buckets, Centring, ClassifierNames, Decoder, Describe, Design,
    EncoderDecoder, MOST_LAYERS, MaskedLmNames, Names, Placement, Relation, Sizes, Up,
};
use crate::architecture::Architecture;
use crate::architecture::decoder::CrossNames;
use crate::{Activation, Pooling};

/// The keys of `config.json` that this network reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_decoder_layers: Option<usize>,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    #[serde(default = "furthest")]
    relative_attention_max_distance: usize,
    layer_norm_epsilon: f64,
    /// `relu` in version 1.0, whose files do not all state it; `gated-gelu` in version 1.1.
    #[serde(default = "relu")]
    feed_forward_proj: String,
    /// Whether the output layer is the table of word embeddings, as it is where the file does not say so.
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
    #[serde(default)]
    decoder_start_token_id: Option<u32>,
    #[serde(default)]
    pad_token_id: Option<u32>,
    #[serde(default)]
    eos_token_id: Option<u32>,
}

// What `transformers` assumes where a file does not state it (`configuration_t5.py`).
fn furthest() -> usize {
    128
}

fn relu() -> String {
    "relu".to_owned()
}

fn yes() -> bool {
    true
}

/// The most tokens that are read. The network itself has no limit: beyond `furthest` all distances share a bucket.
const POSITIONS: usize = 1 << 14;

/// The id of the token that ends a text where the file does not state it.
const END: u32 = 1;

const ENCODER: Names = Names {
    word: "shared.weight",
    word_copies: &["encoder.embed_tokens.weight"],
    position: "",
    token_type: "",
    embedding_norm: "",
    embedding_projection: "",
    relation: "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
    relation_norm: "",
    final_norm: "encoder.final_layer_norm",
    block: "encoder.block",
    attention: Attended::Apart([
        "layer.0.SelfAttention.q",
        "layer.0.SelfAttention.k",
        "layer.0.SelfAttention.v",
    ]),
    attention_output: "layer.0.SelfAttention.o",
    attention_norm: "layer.0.layer_norm",
    up: Up::Plain("layer.1.DenseReluDense.wi"),
    down: "layer.1.DenseReluDense.wo",
    output_norm: "layer.1.layer_norm",
    classifier: ClassifierNames::NONE,
    masked_lm: MaskedLmNames::NONE,
};

const GATED_ENCODER: Names = Names {
    up: Up::Gated(["layer.1.DenseReluDense.wi_0", "layer.1.DenseReluDense.wi_1"]),
    ..ENCODER
};

const DECODER: Names = Names {
    word_copies: &["decoder.embed_tokens.weight"],
    relation: "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
    final_norm: "decoder.final_layer_norm",
    block: "decoder.block",
    up: Up::Plain("layer.2.DenseReluDense.wi"),
    down: "layer.2.DenseReluDense.wo",
    output_norm: "layer.2.layer_norm",
    ..ENCODER
};

const GATED_DECODER: Names = Names {
    up: Up::Gated(["layer.2.DenseReluDense.wi_0", "layer.2.DenseReluDense.wi_1"]),
    ..DECODER
};

const CROSS: CrossNames = CrossNames {
    attention: [
        "layer.1.EncDecAttention.q",
        "layer.1.EncDecAttention.k",
        "layer.1.EncDecAttention.v",
    ],
    output: "layer.1.EncDecAttention.o",
    norm: "layer.1.layer_norm",
};

/// A table of the first published files that no code reads.
const UNUSED: [&str; 1] =
    ["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"];

/// The names of the encoder and of the decoder.
type Both = (&'static Names, &'static Names);

impl Config {
    /// The activation function, and the names of the tensors, which depend on whether there is a gate.
    fn feed_forward(&self) -> Result<(Activation, Both), String> {
        let name = self.feed_forward_proj.as_str();
        let (name, names) = match name.strip_prefix("gated-") {
            None => (name, (&ENCODER, &DECODER)),
            // The gate of version 1.1 is GELU approximated by the hyperbolic tangent.
            Some("gelu") => ("gelu_new", (&GATED_ENCODER, &GATED_DECODER)),
            Some(name) => (name, (&GATED_ENCODER, &GATED_DECODER)),
        };
        let activation: Activation = name.parse()?;
        Ok((activation, names))
    }

    fn sizes(&self, layers: usize, activation: Activation) -> Sizes {
        Sizes {
            vocab: self.vocab_size,
            embedding: self.d_model,
            hidden: self.d_model,
            layers,
            heads: self.num_heads,
            attention: self.d_kv.saturating_mul(self.num_heads),
            intermediate: self.d_ff,
            positions: POSITIONS,
            first_position: 0,
            token_types: 0,
            norm_eps: self.layer_norm_epsilon,
            activation,
        }
    }

    fn half(
        &self,
        layers: usize,
        buckets: fn(usize, usize) -> Buckets,
        names: &'static Names,
    ) -> Result<Architecture, String> {
        let (activation, _) = self.feed_forward()?;
        let (count, furthest) =
            (self.relative_attention_num_buckets, self.relative_attention_max_distance);
        if count < 4 || furthest <= count / 2 {
            return Err(format!(
                "{count} buckets up to the distance {furthest}: expected at least 4, and a distance above half of them"
            ));
        }
        let relation = Relation::Buckets(buckets(count, furthest));
        let design = Design {
            attention: vec![Attention { relation, window: None }; layers.min(MOST_LAYERS)],
            norm: Placement::Before,
            centring: Centring::Nothing,
            scaled: false,
            bias: Biases { attention: false, output: false, up: false, down: false, norm: false },
            head_bias: false,
            classified: Pooling::Cls,
            skips_unknown: false,
        };
        Ok(Architecture { sizes: self.sizes(layers, activation), design, names })
    }

    fn encoder(&self) -> Result<Architecture, String> {
        let (_, (names, _)) = self.feed_forward()?;
        self.half(self.num_layers, |count, furthest| Buckets::Halves { count, furthest }, names)
    }

    fn decoder(&self) -> Result<Architecture, String> {
        let (_, (_, names)) = self.feed_forward()?;
        let layers = self.num_decoder_layers.unwrap_or(self.num_layers);
        self.half(layers, |count, furthest| Buckets::Behind { count, furthest }, names)
    }
}

/// The encoder alone.
impl Describe for Config {
    fn describe(self) -> Result<Architecture, String> {
        self.encoder()
    }
}

impl TryFrom<Config> for EncoderDecoder {
    type Error = String;

    fn try_from(config: Config) -> Result<Self, String> {
        let tied = config.tie_word_embeddings;
        Ok(Self {
            encoder: config.encoder()?,
            decoder: Decoder {
                cross: Some(&CROSS),
                tied,
                output_scale: if tied { (config.d_model as f64).powf(-0.5) } else { 1.0 },
                unused: &UNUSED,
                ..Decoder::new(config.decoder()?)
            },
            start: config.decoder_start_token_id.or(config.pad_token_id).unwrap_or_default(),
            end: config.eos_token_id.unwrap_or(END),
        })
    }
}
