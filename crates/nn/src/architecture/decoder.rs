//! What a `config.json` says of a model that writes: a decoder alone, or one behind an encoder.

use serde::Deserialize;

use super::Architecture;

/// The description of a decoder: blocks in which a token sees itself and those before it, and an output layer.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Its embeddings and blocks, without what the other fields say.
    pub blocks: Architecture,
    /// The names of its attention to the states of an encoder; `None` where there is no encoder.
    pub(crate) cross: Option<&'static CrossNames>,
    /// The number of heads of keys and values. Where it is smaller than that of queries, several of those share one
    /// (Ainslie et al., EMNLP 2023).
    pub key_heads: usize,
    /// The names of the layer norms over each head of queries and of keys, below those of a block; `None` where there are none.
    pub(crate) head_norms: Option<[&'static str; 2]>,
    pub(crate) output: &'static OutputNames,
    /// Whether the output layer is the table of word embeddings.
    pub tied: bool,
    /// The factor of the states before the output layer.
    pub output_scale: f64,
    /// Ends of the names of weights that were saved as `[in, out]`.
    pub(crate) turned: &'static [&'static str],
    /// Tensors that old files have and no code reads. A name that begins with a dot is that of every block.
    pub(crate) unused: &'static [&'static str],
}

/// The names of a decoder's attention to an encoder's states, below those of its block.
#[derive(Debug)]
pub(crate) struct CrossNames {
    /// Queries, keys and values.
    pub(crate) attention: [&'static str; 3],
    pub(crate) output: &'static str,
    pub(crate) norm: &'static str,
}

/// The names of an output layer; not below a prefix.
#[derive(Debug)]
pub(crate) struct OutputNames {
    /// `[vocab, hidden]`
    pub(crate) head: &'static str,
    /// `[1, vocab]`; empty where there is none.
    pub(crate) bias: &'static str,
}

impl OutputNames {
    /// What `transformers` calls the output layer of most models.
    const LM_HEAD: Self = Self { head: "lm_head.weight", bias: "" };
}

impl Decoder {
    /// A decoder with as many heads of keys as of queries, whose output layer is the table of word embeddings.
    pub(crate) fn new(blocks: Architecture) -> Self {
        Self {
            key_heads: blocks.sizes.heads,
            blocks,
            cross: None,
            head_norms: None,
            output: &OutputNames::LM_HEAD,
            tied: true,
            output_scale: 1.0,
            turned: &[],
            unused: &[],
        }
    }

    pub(super) fn checked(self) -> std::result::Result<Self, String> {
        let (heads, key_heads) = (self.blocks.sizes.heads, self.key_heads);
        if key_heads == 0 || heads % key_heads != 0 {
            return Err(format!("{heads} heads of queries cannot share {key_heads} of keys"));
        }
        Ok(Self { blocks: self.blocks.checked()?, ..self })
    }
}

/// The description of an encoder-decoder: an encoder, and a decoder that looks at the encoder's last hidden states too.
#[derive(Debug, Clone)]
pub struct EncoderDecoder {
    /// The encoder.
    pub encoder: Architecture,
    /// The decoder.
    pub decoder: Decoder,
    /// The token before the first that the decoder writes.
    pub start: u32,
    /// The token after the last one.
    pub end: u32,
}

/// The description of a language model that is a decoder alone: it continues a text.
#[derive(Debug, Clone)]
pub struct CausalLm {
    /// The decoder.
    pub decoder: Decoder,
    /// The tokens at which a text ends.
    pub ends: Vec<u32>,
}

/// The tokens at which a text ends, as files write them: one or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ends {
    One(u32),
    Several(Vec<u32>),
}

impl Ends {
    pub(crate) fn all(self) -> Vec<u32> {
        match self {
            Self::One(end) => vec![end],
            Self::Several(ends) => ends,
        }
    }
}
