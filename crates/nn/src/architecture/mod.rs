//! The encoders that checkpoints name in `config.json`: one file each.
//!
//! All of them are one network ([`crate::Trunk`]) in other sizes, with other parts and under other names. So an
//! architecture is data: a `Config` that mirrors `config.json`, and a table of names.

pub mod bart;
pub mod bert;
pub mod deberta_v2;
pub mod decoder;
pub mod distilbert;
pub mod electra;
pub mod gpt2;
pub mod gte;
pub mod jina_bert;
pub mod llama;
pub mod mistral;
pub mod modern_bert;
pub mod mpnet;
pub mod nomic_bert;
pub mod qwen2;
pub mod qwen3;
pub mod relation;
pub mod roberta;
pub mod static_words;
pub mod t5;
mod writers;

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{Activation, Error, Pooling, Result};

pub use decoder::{CausalLm, Decoder, EncoderDecoder};
pub use relation::{Buckets, Frequencies, Relation};

/// The description of an encoder, read from `config.json`: its sizes, its design, and the names of its tensors.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// The widths, heights and counts of its tensors.
    pub sizes: Sizes,
    /// The parts that its blocks consist of.
    pub design: Design,
    /// The names of its tensors in a checkpoint.
    pub names: &'static Names,
}

/// The sizes that a `config.json` states.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// The number of rows of the word embeddings; 0 where the checkpoint's tensor decides.
    pub vocab: usize,
    /// The width of the embeddings; it differs from `hidden` in ELECTRA only.
    pub embedding: usize,
    /// The width of the hidden states.
    pub hidden: usize,
    /// The number of blocks.
    pub layers: usize,
    /// The number of attention heads; `attention` is a multiple of it.
    pub heads: usize,
    /// The width of all heads together; it differs from `hidden` in some sizes of T5 only.
    pub attention: usize,
    /// The width inside the feed-forward part of a block.
    pub intermediate: usize,
    /// The number of rows of the position embeddings; in a model without those, the largest number of tokens that it
    /// reads.
    pub positions: usize,
    /// The row of the position embeddings that the first token takes. RoBERTa leaves the rows up to its padding token
    /// unused.
    pub first_position: usize,
    /// The number of rows of the token type embeddings; 0 where there are none.
    pub token_types: usize,
    /// The epsilon of layer norms, which is added to a variance before the square root is taken.
    pub norm_eps: f64,
    /// The activation function inside the feed-forward part.
    pub activation: Activation,
}

impl Sizes {
    /// The multiplications in the dense layers of all blocks for each token: four products of `hidden` by `attention` and
    /// two of `hidden` by `intermediate` in each block. Products between tokens are not counted; for texts of usual
    /// lengths they are about a tenth more.
    pub fn multiplications(&self) -> u64 {
        let [hidden, attention, inner, layers] =
            [self.hidden, self.attention, self.intermediate, self.layers].map(|n| n as u64);
        layers * (4 * hidden * attention + 2 * hidden * inner)
    }
}

/// The parts that the blocks of an encoder consist of.
#[derive(Debug, Clone)]
pub struct Design {
    /// The attention of each block, from the first to the last.
    pub attention: Vec<Attention>,
    /// Where a block normalises.
    pub norm: Placement,
    /// What its layer norms subtract.
    pub centring: Centring,
    /// Whether the score of two tokens is divided by the square root of a head's width.
    pub scaled: bool,
    /// Which layers of a block have a bias.
    pub bias: Biases,
    /// Whether the dense layer of the classification head has a bias.
    pub head_bias: bool,
    /// How the classification head pools the hidden states.
    pub classified: Pooling,
    /// Whether unknown tokens are removed from a text before it is encoded.
    pub skips_unknown: bool,
}

/// Which tokens a token attends to in a block, and how their distance counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// How the score of two tokens depends on their positions.
    pub relation: Relation,
    /// The largest distance at which a token sees another one; `None` if it sees all of them.
    pub window: Option<usize>,
}

/// Where a block applies layer norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// To the sum of a part's input and output, as BERT does: `norm(x + part(x))`.
    After,
    /// To the input of a part, `x + part(norm(x))`, and once more to the output of the last block.
    Before,
}

/// What a layer norm subtracts from a row before it divides by the root of the mean square of what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Centring {
    /// The mean of the row, as in layer normalisation (Ba, Kiros and Hinton, 2016).
    Mean,
    /// Nothing: root mean square normalisation (Zhang and Sennrich, NeurIPS 2019, eq. 4).
    Nothing,
}

/// Which layers of a block have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Biases {
    /// The layers that make queries, keys and values.
    pub attention: bool,
    /// The layer after attention.
    pub output: bool,
    /// The first layers of the feed-forward part.
    pub up: bool,
    /// The last layer of the feed-forward part.
    pub down: bool,
    /// The layer norms.
    pub norm: bool,
}

impl Biases {
    /// Every layer has a bias.
    pub const ALL: Self = Self { attention: true, output: true, up: true, down: true, norm: true };
}

impl Design {
    /// BERT's design: only the embeddings depend on positions.
    pub(crate) fn bert(layers: usize) -> Self {
        Self::related(layers, &Relation::None)
    }

    /// BERT's design, but with attention that depends on positions as `relation` says.
    pub(crate) fn related(layers: usize, relation: &Relation) -> Self {
        let attention = Attention { relation: relation.clone(), window: None };
        Self {
            attention: vec![attention; layers.min(MOST_LAYERS)], // more are refused later
            norm: Placement::After,
            centring: Centring::Mean,
            scaled: true,
            bias: Biases::ALL,
            head_bias: true,
            classified: Pooling::Cls,
            skips_unknown: false,
        }
    }

    /// Whether every block has BERT's attention: no relation between positions and no window.
    pub(crate) fn is_plain(&self) -> bool {
        self.attention
            .iter()
            .all(|Attention { relation, window }| *relation == Relation::None && window.is_none())
    }

    /// The relation whose table of learned rows all blocks share, if there is one.
    pub(crate) fn table(&self) -> Option<&Relation> {
        let shared = |relation: &&Relation| {
            matches!(relation, Relation::Buckets(_) | Relation::Disentangled(_))
        };
        self.attention.iter().map(|attention| &attention.relation).find(shared)
    }
}

/// The names of an architecture's tensors in a checkpoint. Names of the trunk follow a prefix that the checkpoint
/// decides; names of a block follow `{block}.{number}`; names of heads are complete. The name of a part that an
/// architecture does not have is empty.
#[derive(Debug)]
pub struct Names {
    pub(crate) word: &'static str,
    /// Other names under which libraries have saved the same word embeddings.
    pub(crate) word_copies: &'static [&'static str],
    pub(crate) position: &'static str,
    pub(crate) token_type: &'static str,
    pub(crate) embedding_norm: &'static str,
    /// The layer from the width of the embeddings to the width of the hidden states, where the two differ.
    pub(crate) embedding_projection: &'static str,
    /// The table of learned rows of a [`Relation`].
    pub(crate) relation: &'static str,
    /// The layer norm of that table.
    pub(crate) relation_norm: &'static str,
    /// The layer norm after the last block.
    pub(crate) final_norm: &'static str,
    pub(crate) block: &'static str,
    pub(crate) attention: Attended,
    pub(crate) attention_output: &'static str,
    pub(crate) attention_norm: &'static str,
    pub(crate) up: Up,
    pub(crate) down: &'static str,
    pub(crate) output_norm: &'static str,
    /// The names of the head that classifies a text or a pair of texts.
    pub(crate) classifier: ClassifierNames,
    /// The names of the head that predicts words.
    pub(crate) masked_lm: MaskedLmNames,
}

/// The names of the layers that make queries, keys and values.
#[derive(Debug)]
pub(crate) enum Attended {
    /// Three layers: queries, keys, values.
    Apart([&'static str; 3]),
    /// One layer whose outputs are queries, keys and values, in this order.
    Stacked(&'static str),
}

/// The names of the first layers of the feed-forward part.
#[derive(Debug)]
pub(crate) enum Up {
    /// One layer, followed by the activation.
    Plain(&'static str),
    /// Two layers: the activation of the first is multiplied with the second (Shazeer, 2020, §2).
    Gated([&'static str; 2]),
    /// Both layers in one tensor; the first half is the one that is activated.
    GateFirst(&'static str),
    /// Both layers in one tensor; the second half is the one that is activated.
    GateLast(&'static str),
}

/// The names of a classification head: a dense layer over the pooled states, an activation, and a layer with one output
/// for each class.
#[derive(Debug)]
pub(crate) struct ClassifierNames {
    pub(crate) dense: &'static str,
    /// Whether `dense` belongs to the trunk, below its prefix, as BERT's pooler does.
    pub(crate) dense_in_trunk: bool,
    pub(crate) activation: Activation,
    /// The layer norm after the activation; empty where there is none.
    pub(crate) norm: &'static str,
    pub(crate) output: &'static str,
}

impl ClassifierNames {
    /// The names of an architecture that has no such head.
    const NONE: Self = Self {
        dense: "",
        dense_in_trunk: false,
        activation: Activation::Identity,
        norm: "",
        output: "",
    };
}

/// The names of the head that predicts words: a dense layer, an activation, a layer norm, and a decoder, which is
/// usually the table of word embeddings itself.
#[derive(Debug)]
pub(crate) struct MaskedLmNames {
    pub(crate) dense: &'static str,
    pub(crate) norm: &'static str,
    pub(crate) decoder: &'static str,
    /// All names under which libraries have saved the decoder's bias.
    pub(crate) bias: &'static [&'static str],
    /// The activation; `None` stands for the one of the blocks.
    pub(crate) activation: Option<Activation>,
}

impl MaskedLmNames {
    /// The names of an architecture that has no such head.
    const NONE: Self = Self { dense: "", norm: "", decoder: "", bias: &[""], activation: None };
}

/// What `parse` makes of the file at `path`.
fn described<T>(path: &Path, parse: fn(&str) -> std::result::Result<T, String>) -> Result<T> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    parse(&text).map_err(|problem| Error::file(path, problem))
}

/// The largest number of blocks that is accepted. No encoder has as many; the limit keeps a damaged number from being
/// counted up to.
const MOST_LAYERS: usize = 1024;

/// The largest number of positions that is accepted, as rotary angles and distances are kept in a table. No encoder
/// serves as many.
const MOST_POSITIONS: usize = 1 << 17;

/// Reads the text of one kind of `config.json`; the error says what is unsupported.
type Read = fn(&str) -> std::result::Result<Architecture, String>;

/// The supported encoders: the `model_type` of their `config.json`, the version of their code, and the function that
/// reads the config. The version is raised by every change to the output for the same tokens.
const ARCHITECTURES: [(&str, u32, Read); 17] = [
    ("bert", 1, bert_or_jina),
    ("dpr", 1, read::<bert::Config>), // BERT under another name; a projection, where there is one, is a head
    ("distilbert", 1, read::<distilbert::Config>),
    ("roberta", 1, read::<roberta::Config>),
    ("xlm-roberta", 1, read::<roberta::Config>),
    ("camembert", 1, read::<roberta::Config>),
    ("electra", 1, read::<electra::Config>),
    ("mpnet", 1, read::<mpnet::Config>),
    ("modernbert", 1, read::<modern_bert::Config>),
    ("nomic_bert", 1, nomic),
    ("deberta-v2", 1, read::<deberta_v2::Config>), // version 3 says so too
    ("new", 1, read::<gte::Config>),
    ("gte", 1, read::<gte::Config>),
    ("model2vec", 1, read::<static_words::Config>),
    ("t5", 1, read::<t5::Config>),
    ("mt5", 1, read::<t5::Config>),
    ("bart", 1, read::<bart::Config>),
];

/// A `config.json` that can be turned into an [`Architecture`].
trait Describe: DeserializeOwned {
    fn describe(self) -> std::result::Result<Architecture, String>;
}

fn read<C: Describe>(text: &str) -> std::result::Result<Architecture, String> {
    serde_json::from_str::<C>(text).map_err(|error| error.to_string())?.describe()
}

/// Reads a config whose `model_type` is `bert`, which two networks use: BERT, and JinaBERT if the positions are
/// `alibi`.
fn bert_or_jina(text: &str) -> std::result::Result<Architecture, String> {
    match has(text, "position_embedding_type", Some("alibi"))? {
        true => read::<jina_bert::Config>(text),
        false => read::<bert::Config>(text),
    }
}

/// Reads a config of nomic-bert, in the words of the code that it was trained with or in those of `transformers`.
fn nomic(text: &str) -> std::result::Result<Architecture, String> {
    match has(text, "n_embd", None)? {
        true => read::<nomic_bert::Config>(text),
        false => read::<nomic_bert::Newer>(text),
    }
}

/// Whether the text of a `config.json` has a key, and the given value if one is given.
fn has(text: &str, key: &str, value: Option<&str>) -> std::result::Result<bool, String> {
    let config: serde_json::Value =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let found = config.get(key);
    Ok(value.map_or(found.is_some(), |value| found.is_some_and(|found| found == value)))
}

impl Architecture {
    /// Reads the `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or describes an encoder that is not supported.
    pub fn read(path: &Path) -> Result<Self> {
        described(path, Self::parse)
    }

    /// Reads the text of a `config.json`; the error says what is wrong or not supported.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let keys: serde_json::Value =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let known = || ARCHITECTURES.map(|(name, ..)| name).join(", ");
        let Some(model_type) = model_type(&keys) else {
            return Err(format!(
                "has no `model_type`, and its keys are not those of BERT's own `bert_config.json`: write `model_type`, one of {}, into it",
                known()
            ));
        };
        match ARCHITECTURES.iter().find(|(name, ..)| *name == model_type) {
            Some((.., read)) => read(text)?.checked(),
            None => Err(format!("`model_type` is `{model_type}`: expected one of {}", known())),
        }
    }

    /// Reads the `config.json` at `path` of an encoder, or of a decoder that serves as one.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_any(path: &Path) -> Result<Self> {
        described(path, |text| match CausalLm::is_described(text) {
            true => Ok(CausalLm::parse(text)?.decoder.blocks),
            false => Self::parse(text),
        })
    }

    /// The kind of encoder that the text of a `config.json` describes, and the version of the code that computes it.
    pub(crate) fn version(text: &str) -> Option<(&'static str, u32)> {
        let keys: serde_json::Value = serde_json::from_str(text).ok()?;
        let model_type = model_type(&keys)?;
        let found = ARCHITECTURES.iter().find(|(name, ..)| *name == model_type);
        found.map(|&(name, number, _)| (name, number))
    }

    /// All kinds of encoders, with the versions of the code that computes them.
    pub(crate) fn versions() -> impl Iterator<Item = (&'static str, u32)> {
        ARCHITECTURES.iter().map(|&(name, number, _)| (name, number))
    }

    fn checked(self) -> std::result::Result<Self, String> {
        let Sizes { attention, heads, layers, positions, .. } = self.sizes;
        if layers > MOST_LAYERS {
            return Err(format!("{layers} layers, expected at most {MOST_LAYERS}"));
        }
        let related = self.design.attention.iter().any(|block| block.relation != Relation::None);
        if related && positions > MOST_POSITIONS {
            return Err(format!("{positions} positions, expected at most {MOST_POSITIONS}"));
        }
        if heads == 0 || attention % heads != 0 {
            return Err(format!("{heads} heads cannot share a width of {attention}"));
        }
        let turns = |attention: &Attention| matches!(attention.relation, Relation::Rotary(_));
        if (attention / heads) % 2 != 0 && self.design.attention.iter().any(turns) {
            let width = attention / heads;
            return Err(format!("a head of {width} values cannot be turned in pairs"));
        }
        Ok(self)
    }
}

/// The `model_type` of a config; where an old file has none, `bert` if its keys are BERT's.
fn model_type(keys: &serde_json::Value) -> Option<&str> {
    keys["model_type"].as_str().or_else(|| bert::is_old(keys).then_some("bert"))
}

/// Refuses position embeddings that are not absolute, as the model would give wrong results without an error.
fn check_positions(kind: Option<&str>) -> std::result::Result<(), String> {
    match kind {
        None | Some("absolute") => Ok(()),
        Some(kind) => Err(format!("`position_embedding_type` is `{kind}`: expected `absolute`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_we_lack_lists_those_we_have() {
        let error = Architecture::parse(r#"{"model_type": "bloom"}"#).unwrap_err();
        assert_eq!(
            error,
            "`model_type` is `bloom`: expected one of bert, dpr, distilbert, roberta, xlm-roberta, camembert, electra, mpnet, modernbert, nomic_bert, deberta-v2, new, gte, model2vec, t5, mt5, bart"
        );
    }

    /// What Google's `bert_config.json` says of BERT base.
    const OLD_BERT: &str = r#""attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 512,
        "num_attention_heads": 12, "num_hidden_layers": 12, "vocab_size": 30522"#;

    #[test]
    fn a_bert_from_before_there_was_a_model_type_is_known_by_its_keys() {
        let old = |more: &str| Architecture::parse(&format!("{{{OLD_BERT}{more}}}"));
        for saved_by in ["", r#", "architectures": ["BertForSequenceClassification"]"#] {
            let found = old(&format!(r#", "type_vocab_size": 2{saved_by}"#)).unwrap();
            assert_eq!(found.names.block, "encoder.layer");
            assert_eq!((found.sizes.layers, found.sizes.first_position), (12, 0));
            assert_eq!(found.sizes.norm_eps, 1e-12);
        }
        // RoBERTa's files of those days have the same keys, but one type of token.
        for other in [
            r#", "type_vocab_size": 1"#,
            r#", "type_vocab_size": 2, "architectures": ["ElectraModel"]"#,
            r#", "type_vocab_size": 2, "embedding_size": 128"#,
            "",
        ] {
            let error = old(other).unwrap_err();
            assert!(error.starts_with("has no `model_type`, and its keys are not"), "{error}");
        }
    }

    #[test]
    fn a_config_that_would_run_as_another_model_is_refused() {
        let bert = |more: &str| {
            let text = format!(
                r#"{{"model_type": "bert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1,
                    "intermediate_size": 8, {more}}}"#
            );
            Architecture::parse(&text).unwrap_err()
        };
        let heads = r#""num_attention_heads": 3"#;
        assert_eq!(bert(heads), "3 heads cannot share a width of 8");
        let relative = r#""num_attention_heads": 2, "position_embedding_type": "relative_key""#;
        assert!(bert(relative).contains("expected `absolute`"));
        let activation = r#""num_attention_heads": 2, "hidden_act": "mish""#;
        assert!(bert(activation).contains("unknown activation `mish`"));
        assert!(bert(r#""model": 1"#).contains("num_attention_heads"));
    }
}
