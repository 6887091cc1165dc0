//! The entries of the list, as `configs/papers.toml` holds them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, Source};

/// What is computed at query time: the folder a method's code and config live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Exact terms with statistical weights: BM25.
    Lexical,
    /// Term weights by a model: DeepCT, DeepImpact, uniCOIL.
    Weighting,
    /// More terms, in documents or queries: doc2query.
    Expansion,
    /// Queries written anew from what was found: RM3, ANCE-PRF.
    Feedback,
    /// Learned sparse vectors: SPLADE.
    Sparse,
    /// One vector for each text: DPR.
    Dense,
    /// Several vectors for each text: ColBERT.
    Late,
    /// Vectors of phrases: DensePhrases.
    Phrase,
    /// Query and document read together: monoBERT.
    CrossEncoder,
    /// Documents longer than a model's input.
    LongDocument,
    /// Rerankers made cheaper: PreTTR, early exit.
    Efficient,
    /// Rerankers that write: monoT5.
    Seq2seq,
    /// Large language models asked in words: RankGPT.
    Prompting,
    /// Models that write the name of a document: DSI.
    Generative,
    /// Several systems joined.
    Hybrid,
    /// Images and text.
    Multimodal,
    /// Generation from what was retrieved.
    Rag,
    /// Attacks and defences.
    Robustness,
    /// Computes no ranking: surveys, toolkits.
    None,
}

impl Family {
    /// Its name, which is that of its folders.
    pub fn folder(self) -> String {
        serde_plain(self)
    }
}

impl Kind {
    /// Its name.
    pub fn name(self) -> String {
        serde_plain(self)
    }
}

/// The name serde writes for a unit variant.
fn serde_plain(variant: impl Serialize) -> String {
    let name = serde_json::to_value(variant).expect("a unit variant is plain data");
    name.as_str().expect("a unit variant is written as its name").to_owned()
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something computed when indexing or searching.
    Method,
    /// A way of making weights.
    Training,
    /// A survey or perspective.
    Survey,
    /// A benchmark or resource.
    Dataset,
    /// A library.
    Toolkit,
}

/// Which edition of the list has the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Edition {
    /// Both editions.
    Both,
    /// Only the current edition.
    Current,
    /// Only the earlier edition.
    Earlier,
    /// On neither: a foundation that a method here rests on.
    Outside,
}

/// One entry. Facts are as the list gives them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// Its stable name here: first author, year, one word.
    pub key: String,
    /// Title as listed.
    pub title: String,
    /// Authors as listed.
    pub authors: String,
    /// Venue as listed.
    pub venue: String,
    /// Year of the venue, else of the preprint.
    pub year: Option<u16>,
    /// The paper.
    pub url: String,
    /// Code, as the list links it.
    pub code: Vec<String>,
    /// The headings above it, verbatim, joined by ` > `.
    pub section: String,
    /// The name people use.
    pub short_name: String,
    /// What it computes.
    pub family: Family,
    /// What it is.
    pub kind: Kind,
    /// Where it is listed.
    pub edition: Edition,
    /// Public checkpoints on the Hugging Face hub.
    pub checkpoints: Vec<String>,
    /// Further papers of the same entry.
    #[serde(default)]
    pub also: Vec<String>,
    /// Other sections in which the entry stands again.
    #[serde(default)]
    pub also_in: Vec<String>,
    /// Defects of the list itself.
    #[serde(default)]
    pub defects: Vec<String>,
    /// The entry this paper is a later part of.
    #[serde(default)]
    pub part_of: Option<String>,
}

impl Paper {
    /// Whether the list has it.
    pub fn is_listed(&self) -> bool {
        self.edition != Edition::Outside
    }

    /// Whether it describes something that can be run: a method, or a way of making weights for one.
    pub fn is_runnable(&self) -> bool {
        matches!(self.kind, Kind::Method | Kind::Training)
    }

    /// The name people use, else the title.
    pub fn name(&self) -> &str {
        if self.short_name.is_empty() { &self.title } else { &self.short_name }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    paper: Vec<toml::Spanned<Paper>>,
}

/// All entries by key, in the order of the list.
#[derive(Debug, Clone, Default)]
pub struct Papers(IndexMap<String, Paper>);

impl Papers {
    /// Reads `papers.toml`; keys are unique and `part_of` names an entry.
    pub fn parse(source: &Source) -> Result<Self, ConfigError> {
        let mut papers = IndexMap::new();
        let file: File = source.parse()?;
        for paper in &file.paper {
            let entry = paper.as_ref();
            if papers.insert(entry.key.clone(), entry.clone()).is_some() {
                return Err(source
                    .error_at(paper.span(), format!("the key `{}` names two papers", entry.key)));
            }
        }
        let papers = Self(papers);
        papers.check_parts(source, &file)?;
        Ok(papers)
    }

    fn check_parts(&self, source: &Source, file: &File) -> Result<(), ConfigError> {
        for paper in &file.paper {
            if let Some(whole) =
                paper.as_ref().part_of.as_deref().filter(|whole| self.get(whole).is_none())
            {
                let message = format!("`part_of` names `{whole}`, which is the key of no paper");
                return Err(source.error_at(paper.span(), message));
            }
        }
        Ok(())
    }

    /// Adds other entries; one of the same key takes the place of the one that there was.
    pub(crate) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The entry with this key.
    pub fn get(&self, key: &str) -> Option<&Paper> {
        self.0.get(key)
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &Paper> {
        self.0.values()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
