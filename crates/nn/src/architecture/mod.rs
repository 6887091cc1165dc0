//! The encoders that checkpoints name in `config.json`: one file each.
//!
//! All of them are one network ([`crate::Trunk`]) in other sizes, with other parts and under other names. So an
//! architecture is data: a `Config` that mirrors `config.json`, and a table of names.

pub mod bert;
pub mod deberta_v2;
pub mod distilbert;
pub mod electra;
pub mod gte;
pub mod jina_bert;
pub mod modern_bert;
pub mod mpnet;
pub mod nomic_bert;
pub mod relation;
pub mod roberta;
pub mod static_words;

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{Activation, Error, Pooling, Result};

pub use relation::{Buckets, Frequencies, Relation};

/// An encoder that is about to be loaded: its sizes, its parts, and what its tensors are called.
#[derive(Debug, Clone)]
pub struct Architecture {
    /// How large it is.
    pub sizes: Sizes,
    /// What its blocks are made of.
    pub design: Design,
    /// What its tensors are called.
    pub names: &'static Names,
}

/// The numbers of a `config.json`.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Rows of the word embeddings; 0 where the file decides.
    pub vocab: usize,
    /// Width of the embeddings; differs from `hidden` in ELECTRA only.
    pub embedding: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// How many blocks.
    pub layers: usize,
    /// Heads of attention; `hidden` is a multiple.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Rows of the position embeddings; without those, tokens that the model may take.
    pub positions: usize,
    /// The row of the first token: RoBERTa leaves the rows up to its padding token unused.
    pub first_position: usize,
    /// Rows of the token type embeddings; 0 where there are none.
    pub token_types: usize,
    /// Added to a variance before its root is taken.
    pub norm_eps: f64,
    /// Inside the feed-forward part.
    pub activation: Activation,
}

impl Sizes {
    /// Multiplications of the blocks' dense layers for each token: four of `hidden` by `hidden`, two of `hidden` by
    /// `intermediate`. The products between tokens come on top, for texts of usual lengths a tenth.
    pub fn multiplications(&self) -> u64 {
        let [hidden, inner, layers] =
            [self.hidden, self.intermediate, self.layers].map(|n| n as u64);
        layers * (4 * hidden * hidden + 2 * hidden * inner)
    }
}

/// What the blocks of an encoder are made of.
#[derive(Debug, Clone)]
pub struct Design {
    /// Of each block.
    pub attention: Vec<Attention>,
    /// Where a block normalises.
    pub norm: Placement,
    /// Which layers have one.
    pub bias: Biases,
    /// Whether the dense layer of a head has one.
    pub head_bias: bool,
    /// What a classifier reads of the hidden states.
    pub classified: Pooling,
    /// Whether unknown tokens are left out of a text.
    pub skips_unknown: bool,
}

/// What a token of a block looks at, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// How it knows where others stand.
    pub relation: Relation,
    /// The distance up to which it sees others; all of them where there is none.
    pub window: Option<usize>,
}

/// Where a block normalises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// What came out of a part added to what went in: `norm(x + part(x))`.
    After,
    /// What goes into a part, `x + part(norm(x))`, and the last block's sum.
    Before,
}

/// Which layers have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Biases {
    /// Queries, keys and values.
    pub attention: bool,
    /// The layer after attention.
    pub output: bool,
    /// The first layers of the feed-forward part.
    pub up: bool,
    /// Its last.
    pub down: bool,
    /// Normalisations.
    pub norm: bool,
}

impl Biases {
    /// Everywhere.
    pub const ALL: Self = Self { attention: true, output: true, up: true, down: true, norm: true };
}

impl Design {
    /// BERT's, in which only the embeddings know of positions.
    pub(crate) fn bert(layers: usize) -> Self {
        Self::related(layers, &Relation::None)
    }

    /// BERT's, but for how attention knows where tokens stand.
    pub(crate) fn related(layers: usize, relation: &Relation) -> Self {
        let attention = Attention { relation: relation.clone(), window: None };
        Self {
            attention: vec![attention; layers.min(MOST_LAYERS)], // more are refused later
            norm: Placement::After,
            bias: Biases::ALL,
            head_bias: true,
            classified: Pooling::Cls,
            skips_unknown: false,
        }
    }

    /// Whether attention is that of BERT in every block.
    pub(crate) fn is_plain(&self) -> bool {
        self.attention
            .iter()
            .all(|Attention { relation, window }| *relation == Relation::None && window.is_none())
    }

    /// What all blocks take rows of, if anything.
    pub(crate) fn table(&self) -> Option<&Relation> {
        let shared = |relation: &&Relation| {
            matches!(relation, Relation::Buckets(_) | Relation::Disentangled(_))
        };
        self.attention.iter().map(|attention| &attention.relation).find(shared)
    }
}

/// What an architecture calls its tensors. Names of the trunk stand below a prefix that the checkpoint decides; names
/// of a block stand below `{block}.{number}`; names of heads are whole. What an architecture does not have is empty.
#[derive(Debug)]
pub struct Names {
    pub(crate) word: &'static str,
    pub(crate) position: &'static str,
    pub(crate) token_type: &'static str,
    pub(crate) embedding_norm: &'static str,
    /// From the embeddings' width to the hidden one, where they differ.
    pub(crate) embedding_projection: &'static str,
    /// The table that a [`Relation`] takes rows of.
    pub(crate) relation: &'static str,
    /// The normalisation of that table.
    pub(crate) relation_norm: &'static str,
    /// After the last block.
    pub(crate) final_norm: &'static str,
    pub(crate) block: &'static str,
    pub(crate) attention: Attended,
    pub(crate) attention_output: &'static str,
    pub(crate) attention_norm: &'static str,
    pub(crate) up: Up,
    pub(crate) down: &'static str,
    pub(crate) output_norm: &'static str,
    /// The head that classifies a text or a pair.
    pub(crate) classifier: ClassifierNames,
    /// The head that predicts words.
    pub(crate) masked_lm: MaskedLmNames,
}

/// The layers of queries, keys and values.
#[derive(Debug)]
pub(crate) enum Attended {
    /// One each.
    Apart([&'static str; 3]),
    /// One tensor, in this order.
    Stacked(&'static str),
}

/// The first layers of the feed-forward part.
#[derive(Debug)]
pub(crate) enum Up {
    /// One, and then the activation.
    Plain(&'static str),
    /// Two: the activation of the first is multiplied with the second (Shazeer, 2020, §2).
    Gated([&'static str; 2]),
    /// The two in one tensor, the one with the activation first.
    GateFirst(&'static str),
    /// The same, last.
    GateLast(&'static str),
}

/// A dense layer over the pooled states, an activation, and one output for each class.
#[derive(Debug)]
pub(crate) struct ClassifierNames {
    pub(crate) dense: &'static str,
    /// Whether `dense` belongs to the trunk, below its prefix, as BERT's pooler does.
    pub(crate) dense_in_trunk: bool,
    pub(crate) activation: Activation,
    /// Of a normalisation after the activation; empty where there is none.
    pub(crate) norm: &'static str,
    pub(crate) output: &'static str,
}

/// A dense layer, an activation, a layer norm, and a decoder that is usually the word embeddings themselves.
#[derive(Debug)]
pub(crate) struct MaskedLmNames {
    pub(crate) dense: &'static str,
    pub(crate) norm: &'static str,
    pub(crate) decoder: &'static str,
    /// Every name under which a library has saved the decoder's bias.
    pub(crate) bias: &'static [&'static str],
    /// `None`: the same as in the blocks.
    pub(crate) activation: Option<Activation>,
}

/// More than any encoder has: a damaged number is not counted up to.
const MOST_LAYERS: usize = 1024;

/// More than any encoder with angles or distances serves, of which there is a table.
const MOST_POSITIONS: usize = 1 << 17;

/// Reads one `config.json`.
type Read = fn(&str) -> std::result::Result<Architecture, String>;

/// By `model_type`, with a number that counts up with every change to what the encoder makes of the same tokens.
const ARCHITECTURES: [(&str, u32, Read); 14] = [
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
];

/// A `config.json` that says what is to be built.
trait Describe: DeserializeOwned {
    fn describe(self) -> std::result::Result<Architecture, String>;
}

fn read<C: Describe>(text: &str) -> std::result::Result<Architecture, String> {
    serde_json::from_str::<C>(text).map_err(|error| error.to_string())?.describe()
}

/// Two networks that both call themselves `bert`.
fn bert_or_jina(text: &str) -> std::result::Result<Architecture, String> {
    match has(text, "position_embedding_type", Some("alibi"))? {
        true => read::<jina_bert::Config>(text),
        false => read::<bert::Config>(text),
    }
}

/// One network in the words of the code it was trained with, or in those of `transformers`.
fn nomic(text: &str) -> std::result::Result<Architecture, String> {
    match has(text, "n_embd", None)? {
        true => read::<nomic_bert::Config>(text),
        false => read::<nomic_bert::Newer>(text),
    }
}

/// Whether a `config.json` has a key, with a value if one is asked for.
fn has(text: &str, key: &str, value: Option<&str>) -> std::result::Result<bool, String> {
    let config: serde_json::Value =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let found = config.get(key);
    Ok(value.map_or(found.is_some(), |value| found.is_some_and(|found| found == value)))
}

impl Architecture {
    /// Reads a checkpoint's `config.json`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Io { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problem| Error::file(path, problem))
    }

    /// Reads the text of a `config.json`.
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

    /// The kind of encoder that the text of a `config.json` describes, and the version of its code here.
    pub(crate) fn version(text: &str) -> Option<(&'static str, u32)> {
        let keys: serde_json::Value = serde_json::from_str(text).ok()?;
        let model_type = model_type(&keys)?;
        let found = ARCHITECTURES.iter().find(|(name, ..)| *name == model_type);
        found.map(|&(name, number, _)| (name, number))
    }

    /// All kinds of encoders with the versions of their code.
    pub(crate) fn versions() -> impl Iterator<Item = (&'static str, u32)> {
        ARCHITECTURES.iter().map(|&(name, number, _)| (name, number))
    }

    fn checked(self) -> std::result::Result<Self, String> {
        let Sizes { hidden, heads, layers, positions, .. } = self.sizes;
        if layers > MOST_LAYERS {
            return Err(format!("{layers} layers, expected at most {MOST_LAYERS}"));
        }
        let related = self.design.attention.iter().any(|block| block.relation != Relation::None);
        if related && positions > MOST_POSITIONS {
            return Err(format!("{positions} positions, expected at most {MOST_POSITIONS}"));
        }
        if heads == 0 || hidden % heads != 0 {
            return Err(format!("{heads} heads cannot share a hidden size of {hidden}"));
        }
        let turns = |attention: &Attention| matches!(attention.relation, Relation::Rotary(_));
        if (hidden / heads) % 2 != 0 && self.design.attention.iter().any(turns) {
            let width = hidden / heads;
            return Err(format!("a head of {width} values cannot be turned in pairs"));
        }
        Ok(self)
    }
}

/// What the file says, or what an old one must mean.
fn model_type(keys: &serde_json::Value) -> Option<&str> {
    keys["model_type"].as_str().or_else(|| bert::is_old(keys).then_some("bert"))
}

/// Only embeddings of absolute positions are known here; a checkpoint with others must not run as if it had these.
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
        let error = Architecture::parse(r#"{"model_type": "t5"}"#).unwrap_err();
        assert_eq!(
            error,
            "`model_type` is `t5`: expected one of bert, dpr, distilbert, roberta, xlm-roberta, camembert, electra, mpnet, modernbert, nomic_bert, deberta-v2, new, gte, model2vec"
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
        assert_eq!(bert(heads), "3 heads cannot share a hidden size of 8");
        let relative = r#""num_attention_heads": 2, "position_embedding_type": "relative_key""#;
        assert!(bert(relative).contains("expected `absolute`"));
        let activation = r#""num_attention_heads": 2, "hidden_act": "mish""#;
        assert!(bert(activation).contains("unknown activation `mish`"));
        assert!(bert(r#""model": 1"#).contains("num_attention_heads"));
    }
}
