//! A checkpoint as a method: `file:FOLDER` or `hf:org/name`, run as its own files say.
//!
//! | files say                                                        | it is          |
//! |------------------------------------------------------------------|----------------|
//! | a module `Pooling`                                               | a bi-encoder   |
//! | a module `SpladePooling`, or a head that fills in masked words    | SPLADE         |
//! | a head that classifies sequences                                 | a cross-encoder |
//!
//! Where no file says how hidden states become a vector, nothing is guessed.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Method, Source};
use nir_nn::checkpoint::{Checkpoint, Location, Wanted};
use nir_nn::contract::{Contract, Head};
use nir_nn::{Architecture, Poolings, Role, Similarity, pair_prompt, prompt, tensors};
use serde::Deserialize;

use crate::models::Models;

/// The family of methods that are made from checkpoints; no folder of configs has this name.
pub const FAMILY: &str = "checkpoints";

/// Whether an argument names a checkpoint: it begins with `file:` or `hf:`.
pub fn is_checkpoint(what: &str) -> bool {
    what.starts_with("file:") || what.starts_with("hf:")
}

/// The keys of `config.json` that tell what a checkpoint was made for.
#[derive(Deserialize)]
struct Made {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    num_labels: Option<usize>,
    #[serde(default)]
    id2label: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The key of `tokenizer_config.json` that limits the length of a text. A number beyond the length of any text means
/// that there is no limit.
#[derive(Deserialize)]
struct Limited {
    #[serde(default)]
    model_max_length: Option<f64>,
}

/// Makes a method from the files of a checkpoint. Its config text states what the files say; its name is that of the
/// folder or repository with the beginning of the digest of all files.
///
/// # Errors
///
/// If the checkpoint cannot be opened, or its files do not say how a text becomes a vector or a score.
pub fn method(what: &str, models: &Models) -> Result<Method> {
    let wanted = wanted(what)?;
    let checkpoint = models.open(&wanted)?;
    let reading = Reading::new(&wanted, checkpoint)?;
    let (algorithm, stage) = reading.stages()?;
    let digest = reading.checkpoint.digest()?.to_hex();
    let last = reading.last_name();
    let text = format!(
        "# What the files of {what} say of it.\n[card]\nname  = {last:?}\npaper = \"{}\"\n\n{stage}",
        paper(algorithm)
    );
    Ok(Method::parse(&format!("{FAMILY}/{last}-{}", &digest[..8]), Source::made(what, text))?)
}

fn paper(algorithm: &str) -> &'static str {
    match algorithm {
        "splade" => "formal2021spladev2",
        "pointwise" => "nogueira2019monobert",
        _ => "reimers2019sbert",
    }
}

/// Reads the argument `file:FOLDER`, `hf:org/name` or `hf:org/name@revision`.
fn wanted(what: &str) -> Result<Wanted> {
    let (location, revision) = match what.strip_prefix("hf:").and_then(|repo| repo.split_once('@'))
    {
        Some((repo, revision)) => (format!("hf:{repo}").parse()?, Some(revision)),
        None => (what.parse()?, what.starts_with("hf:").then_some("main")),
    };
    let location = match location {
        Location::Folder(path) => Location::Folder(std::path::absolute(path)?),
        other => other,
    };
    Ok(Wanted::new(location, revision)?)
}

/// A checkpoint whose descriptions have been read.
struct Reading {
    wanted: Wanted,
    checkpoint: Checkpoint,
    contract: Contract,
    made: Made,
    /// The largest number of tokens of a text.
    max_length: usize,
    /// The file that states this number.
    limited_by: String,
    /// Whether special tokens stand around a text: around every one but that of static embeddings.
    special_tokens: bool,
}

impl Reading {
    fn new(wanted: &Wanted, checkpoint: Checkpoint) -> Result<Self> {
        let contract = Contract::read(&checkpoint)?;
        let architecture = Architecture::read_any(&checkpoint.config())?;
        let (max_length, limited_by) = length(&checkpoint, &contract, &architecture)?;
        let made = json(&checkpoint.config())?;
        let (wanted, special_tokens) = (wanted.clone(), !architecture.design.skips_unknown);
        Ok(Self { wanted, checkpoint, contract, made, max_length, limited_by, special_tokens })
    }

    /// The last part of the checkpoint's name, with only characters that a file name may have.
    fn last_name(&self) -> String {
        let name = match self.wanted.location() {
            Location::Hub { repo } => repo,
            _ => self
                .checkpoint
                .folder()
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        };
        let last = name.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        last.trim_start_matches('.').chars().map(plain).collect()
    }

    /// The name of the algorithm, and the text of the stages.
    fn stages(&self) -> Result<(&'static str, String)> {
        match self.contract.chain.as_ref().map(|chain| &chain.head) {
            Some(Head::Pooling { pooling, file, .. }) => {
                Ok(("bi_encoder", self.bi_encoder(pooling, file)?))
            }
            Some(Head::Splade { pooling, .. }) => {
                Ok(("splade", self.splade(&pooling.to_string())?))
            }
            None => self.by_head(),
        }
    }

    fn by_head(&self) -> Result<(&'static str, String)> {
        let classes = self.made.architectures.as_deref().unwrap_or_default();
        let ends = |end: &str| classes.iter().any(|class| class.ends_with(end));
        if ends("ForSequenceClassification") {
            return Ok(("pointwise", self.pointwise()?));
        }
        if ends("ForMaskedLM") {
            return Ok(("splade", self.splade("max")?));
        }
        bail!(
            "{}: is no bi-encoder with a modules.json, and its config.json names {} and no head for masked words or for \
             sequences: nothing says how a text becomes a vector; write a config that does, `nir new method dense/mine \
             --like dense/contriever`",
            self.checkpoint.name(),
            if classes.is_empty() { "no class".to_owned() } else { classes.join(", ") }
        )
    }

    /// The text of the table `model`: the weights, their revision, and the tensors that are not used.
    fn weights(&self, heads: &[&str]) -> Result<String> {
        let mut text = format!("model.weights  = \"{}\"\n", self.wanted.location());
        if let Some(revision) = self.wanted.revision() {
            let revision = self.checkpoint.commit().unwrap_or(revision.as_str());
            let _ = writeln!(text, "model.revision = \"{revision}\"");
        }
        let names = tensors::names(self.checkpoint.weights())?;
        let has = |pattern: &&&str| names.iter().any(|name| nir_nn::matches(pattern, name));
        let unused: Vec<String> =
            heads.iter().filter(has).map(|head| format!("\"{head}\"")).collect();
        if !unused.is_empty() {
            let _ = writeln!(
                text,
                "model.ignore   = [{}]  # heads that it was trained with before",
                unused.join(", ")
            );
        }
        Ok(text)
    }

    fn input(&self, role: Role, text: &str) -> Result<String> {
        let location = self.wanted.location();
        let prompt = prompt(&self.checkpoint, &self.contract, &location, role)?;
        let (prompt, said_by) = prompt.unwrap_or_default();
        let said_by =
            if said_by.is_empty() { String::new() } else { format!(", {}", short(&said_by)) };
        Ok(format!(
            "{{ template = [{}], special_tokens = {}, max_length = {} }}  # {}{said_by}",
            toml::Value::String(format!("{prompt}{text}")),
            self.special_tokens,
            self.max_length,
            self.limited_by
        ))
    }

    fn inputs(&self) -> Result<String> {
        let (query, document) =
            (self.input(Role::Query, "{text}")?, self.input(Role::Document, "{title} {text}")?);
        let mut text = format!("query          = {query}\ndocument       = {document}\n");
        let taken = ["query", "document", "passage", "corpus"];
        let card = &self.contract.card;
        let others = card.prompts.keys().filter(|name| {
            !taken.contains(&name.as_str()) && card.default_prompt_name.as_ref() != Some(name)
        });
        let others: Vec<&str> = others.map(String::as_str).collect();
        if !others.is_empty() {
            let _ = writeln!(
                text,
                "# It has prompts that are for other tasks and not taken: {}.",
                others.join(", ")
            );
        }
        Ok(text)
    }

    fn bi_encoder(&self, pooling: &Poolings, file: &Path) -> Result<String> {
        let chain = self.contract.chain.as_ref().context("a bi-encoder has modules")?;
        let card = &self.contract.card;
        let (similarity, said_by) = match card.similarity_fn_name.as_deref() {
            _ if chain.is_normalised() => (Similarity::Cosine, "the module Normalize"),
            Some("dot" | "dot_product") => (Similarity::Dot, "config_sentence_transformers.json"),
            Some("cosine") => (Similarity::Cosine, "config_sentence_transformers.json"),
            None => (Similarity::Cosine, "sentence-transformers' own, no file names another"),
            Some(other) => bail!(
                "{}: compares vectors by `{other}`: only `dot` and `cosine` can be searched here",
                self.checkpoint.name()
            ),
        };
        let said = self.path(file);
        Ok(format!(
            "[[stage]]\nuse            = \"bi_encoder\"\n{}pooling        = {pooling}  # {said}\n{}similarity     = \
             \"{similarity}\"  # {said_by}\n{}index          = {{ use = \"flat\", storage = \"f32\" }}\ndepth          = 1000\n",
            self.weights(&HEADS)?,
            chain.told(),
            self.inputs()?
        ))
    }

    fn splade(&self, pooling: &str) -> Result<String> {
        Ok(format!(
            "[[stage]]\nuse            = \"splade\"\n{}pooling        = \"{pooling}\"\nquery_weighting = \"model\"\n{}index          = \
             {{ use = \"impacts\", storage = \"f32\" }}\ndepth          = 1000\n",
            self.weights(&["cls.seq_relationship.*"])?,
            self.inputs()?
        ))
    }

    fn pointwise(&self) -> Result<String> {
        let labels = self.made.id2label.as_ref().map(serde_json::Map::len);
        let score = match self.made.num_labels.or(labels).unwrap_or(2) {
            1 => "logit",
            2 => "log-softmax",
            classes => bail!(
                "{}: its config.json names {classes} classes: a score needs one or two",
                self.checkpoint.name()
            ),
        };
        let (prompt, said_by) = pair_prompt(&self.contract).unwrap_or_default();
        let query = toml::Value::String(format!("{prompt}{{query}}"));
        let said_by = if said_by.is_empty() { said_by } else { format!("  # {}", short(&said_by)) };
        Ok(format!(
            "[[stage]]\nuse      = \"bm25\"\nanalyzer = \"lucene-english\"\nk1       = 0.9  # Anserini's default\nb        = \
             0.4  # likewise\nlengths  = \"lucene-byte\"\ndepth    = 100\n\n[[stage]]\nuse            = \"pointwise\"\n{}template       \
             = [{query}, \"{{document}}\"]{said_by}\ntruncation     = \"longest\"\nmax_length     = {}  # {}\nscore          = \"{score}\"  # \
             config.json\ndepth          = 100\n",
            self.weights(&[])?,
            self.max_length,
            self.limited_by
        ))
    }

    /// The path of a file relative to the checkpoint.
    fn path(&self, file: &Path) -> String {
        file.strip_prefix(self.checkpoint.folder()).unwrap_or(file).display().to_string()
    }
}

/// Heads of pre-training, which a vector does not use.
const HEADS: [&str; 6] =
    ["cls.*", "lm_head.*", "vocab_*", "generator_*", "discriminator_predictions.*", "classifier.*"];

/// How many tokens model2vec reads of a text where nobody names another number (`StaticModel.encode`).
const STATIC_LENGTH: usize = 512;

/// The last part of a path.
fn short(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The largest number of tokens of a text, and the file that states it: the setting of sentence-transformers, else the
/// smaller of the limits of tokenizer and encoder.
fn length(
    checkpoint: &Checkpoint,
    contract: &Contract,
    architecture: &Architecture,
) -> Result<(usize, String)> {
    let sizes = &architecture.sizes;
    if architecture.design.skips_unknown {
        return Ok((STATIC_LENGTH, "model2vec's own".to_owned()));
    }
    let positions = sizes.positions.saturating_sub(sizes.first_position);
    if let Some(said) = &contract.max_length {
        let file = said.file.strip_prefix(checkpoint.folder()).unwrap_or(&said.file);
        return Ok((said.value.min(positions), file.display().to_string()));
    }
    let limit = checkpoint.file("tokenizer_config.json");
    let limit = limit.map(|path| json::<Limited>(&path)).transpose()?;
    let limit = limit.and_then(|limited| limited.model_max_length);
    // A float above 10^30 is what `transformers` writes for none.
    match limit.filter(|&limit| limit >= 1.0 && limit <= positions as f64) {
        Some(limit) => Ok((limit as usize, "tokenizer_config.json".to_owned())),
        None => Ok((positions, "config.json".to_owned())),
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}
