//! BART.
//! Lewis, Liu, Goyal, Ghazvininejad, Mohamed, Levy, Stoyanov and Zettlemoyer, ACL 2020.
//!
//! An encoder-decoder in which both halves are BERT's network: embedded positions, normalisation after each part and of the embeddings,
//! a bias in every layer. The output layer is the table of word embeddings with a bias of its own. What some configs say of how to
//! write (`forced_bos_token_id`, `no_repeat_ngram_size`) is for a task of theirs, and is not read.

use serde::Deserialize;

use super::{
    Architecture, Attended, ClassifierNames, Decoder, Describe, Design, EncoderDecoder,
    MaskedLmNames, Names, Sizes, Up,
};
use crate::architecture::decoder::{CrossNames, OutputNames};

/// The keys of `config.json` that this network reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    vocab_size: usize,
    d_model: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    activation_function: String,
    max_position_embeddings: usize,
    #[serde(default)]
    scale_embedding: bool,
    #[serde(default)]
    normalize_before: bool,
    #[serde(default)]
    add_final_layer_norm: bool,
    #[serde(default = "end")]
    decoder_start_token_id: u32,
    #[serde(default = "end")]
    eos_token_id: u32,
}

/// The id of `</s>`, which `transformers` assumes where the file does not state it.
fn end() -> u32 {
    2
}

/// The rows before that of the first position: the reference counts from 2 (`BartLearnedPositionalEmbedding`).
const FIRST_POSITION: usize = 2;

/// The epsilon of layer norms: PyTorch's default, which is not in `config.json`.
const NORM_EPS: f64 = 1e-5;

const ENCODER: Names = Names {
    word: "shared.weight",
    word_copies: &["encoder.embed_tokens.weight"],
    position: "encoder.embed_positions.weight",
    token_type: "",
    embedding_norm: "encoder.layernorm_embedding",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "",
    block: "encoder.layers",
    attention: Attended::Apart(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    attention_output: "self_attn.out_proj",
    attention_norm: "self_attn_layer_norm",
    up: Up::Plain("fc1"),
    down: "fc2",
    output_norm: "final_layer_norm",
    classifier: ClassifierNames::NONE,
    masked_lm: MaskedLmNames::NONE,
};

const DECODER: Names = Names {
    word_copies: &["decoder.embed_tokens.weight"],
    position: "decoder.embed_positions.weight",
    embedding_norm: "decoder.layernorm_embedding",
    block: "decoder.layers",
    ..ENCODER
};

const CROSS: CrossNames = CrossNames {
    attention: ["encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn.v_proj"],
    output: "encoder_attn.out_proj",
    norm: "encoder_attn_layer_norm",
};

const OUTPUT: OutputNames = OutputNames { head: "lm_head.weight", bias: "final_logits_bias" };

impl Config {
    fn half(
        &self,
        (layers, heads, intermediate): (usize, usize, usize),
        names: &'static Names,
    ) -> Result<Architecture, String> {
        let sizes = Sizes {
            vocab: self.vocab_size,
            embedding: self.d_model,
            hidden: self.d_model,
            layers,
            heads,
            attention: self.d_model,
            intermediate,
            positions: self.max_position_embeddings.saturating_add(FIRST_POSITION),
            first_position: FIRST_POSITION,
            token_types: 0,
            norm_eps: NORM_EPS,
            activation: self.activation_function.parse()?,
        };
        let design = Design::bert(sizes.layers);
        Ok(Architecture { sizes, design, names })
    }

    /// Refuses what other models of this family do otherwise.
    fn check(&self) -> Result<(), String> {
        let switches = [
            ("scale_embedding", self.scale_embedding),
            ("normalize_before", self.normalize_before),
            ("add_final_layer_norm", self.add_final_layer_norm),
        ];
        match switches.iter().find(|(_, on)| *on) {
            Some((key, _)) => Err(format!("`{key}` is true: expected false, as in BART")),
            None => Ok(()),
        }
    }

    fn encoder(&self) -> Result<Architecture, String> {
        self.check()?;
        let sizes = (self.encoder_layers, self.encoder_attention_heads, self.encoder_ffn_dim);
        self.half(sizes, &ENCODER)
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
        let sizes = (config.decoder_layers, config.decoder_attention_heads, config.decoder_ffn_dim);
        Ok(Self {
            encoder: config.encoder()?,
            decoder: Decoder {
                cross: Some(&CROSS),
                output: &OUTPUT,
                ..Decoder::new(config.half(sizes, &DECODER)?)
            },
            start: config.decoder_start_token_id,
            end: config.eos_token_id,
        })
    }
}
