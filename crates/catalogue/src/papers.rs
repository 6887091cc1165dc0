//! The entries of the list, as `configs/papers.toml` holds them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, Source};

/// The kind of computation at query time, which is also the folder of a method's code and config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Exact terms with statistical weights, such as BM25.
    Lexical,
    /// Terms weighted by a model, such as DeepCT, DeepImpact and uniCOIL.
    Weighting,
    /// Additional terms in documents or queries, such as doc2query.
    Expansion,
    /// Queries that are changed by what a first search found, such as RM3 and ANCE-PRF.
    Feedback,
    /// Learned sparse vectors, such as SPLADE.
    Sparse,
    /// One vector for each text, such as DPR.
    Dense,
    /// Several vectors for each text, such as ColBERT.
    Late,
    /// Vectors of phrases, such as DensePhrases.
    Phrase,
    /// Query and document read together, such as monoBERT.
    CrossEncoder,
    /// Methods for documents longer than a model's input.
    LongDocument,
    /// Rerankers that are made cheaper, such as PreTTR and early exit.
    Efficient,
    /// Rerankers that generate text, such as monoT5.
    Seq2seq,
    /// Large language models that are prompted, such as RankGPT.
    Prompting,
    /// Models that generate the identifier of a document, such as DSI.
    Generative,
    /// Combinations of several systems.
    Hybrid,
    /// Methods for images and text.
    Multimodal,
    /// Generation from retrieved documents.
    Rag,
    /// Attacks and defences.
    Robustness,
    /// Entries that compute no ranking: surveys and toolkits.
    None,
}

impl Family {
    /// The name of the family, which is the name of its folders.
    pub fn folder(self) -> String {
        serde_plain(self)
    }
}

impl Kind {
    /// The name of the kind.
    pub fn name(self) -> String {
        serde_plain(self)
    }
}

/// The name that serde writes for a unit variant.
fn serde_plain(variant: impl Serialize) -> String {
    let name = serde_json::to_value(variant).expect("a unit variant is plain data");
    name.as_str().expect("a unit variant is written as its name").to_owned()
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A method that is computed when indexing or searching.
    Method,
    /// A way of making weights.
    Training,
    /// A survey or a perspective paper.
    Survey,
    /// A benchmark or another resource.
    Dataset,
    /// A software library.
    Toolkit,
}

/// The edition of the list that has the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Edition {
    /// Both editions.
    Both,
    /// Only the current edition.
    Current,
    /// Only the earlier edition.
    Earlier,
    /// No edition: a foundation that a method here builds on.
    Outside,
}

/// One entry of the list, with the facts as the list states them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// The key: first author, year and one word. It never changes.
    pub key: String,
    /// The title.
    pub title: String,
    /// The authors.
    pub authors: String,
    /// The venue.
    pub venue: String,
    /// The year of the venue, or of the preprint if there is none.
    pub year: Option<u16>,
    /// The address of the paper.
    pub url: String,
    /// The addresses of code that the list links to.
    pub code: Vec<String>,
    /// The headings of the list above the entry, joined by ` > `.
    pub section: String,
    /// The name by which the method is known.
    pub short_name: String,
    /// The family.
    pub family: Family,
    /// The kind of entry.
    pub kind: Kind,
    /// The edition that has the entry.
    pub edition: Edition,
    /// Public checkpoints on the Hugging Face hub, as `org/name`.
    pub checkpoints: Vec<String>,
    /// Further papers of the same entry.
    #[serde(default)]
    pub also: Vec<String>,
    /// Other sections that repeat the entry.
    #[serde(default)]
    pub also_in: Vec<String>,
    /// What running the entry takes beside code and time: data, weights or machines that are not public or that this program
    /// has no place for. `None` where nothing of that kind is missing.
    #[serde(default)]
    pub needs: Option<String>,
    /// Mistakes of the list itself in this entry.
    #[serde(default)]
    pub defects: Vec<String>,
    /// The key of the entry that this paper is a later part of.
    #[serde(default)]
    pub part_of: Option<String>,
}

impl Paper {
    /// Whether the list has the entry.
    pub fn is_listed(&self) -> bool {
        self.edition != Edition::Outside
    }

    /// Whether the entry describes something that can be run: a method, or a way of making weights for one.
    pub fn is_runnable(&self) -> bool {
        matches!(self.kind, Kind::Method | Kind::Training)
    }

    /// The name by which the method is known, else the title.
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

impl FromIterator<Paper> for Papers {
    fn from_iter<I: IntoIterator<Item = Paper>>(papers: I) -> Self {
        Self(papers.into_iter().map(|paper| (paper.key.clone(), paper)).collect())
    }
}

impl Papers {
    /// Reads `papers.toml`. Fails if a key is not unique or `part_of` names no entry.
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

    /// Adds further entries; one with a known key replaces the earlier one.
    pub(crate) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The entry with this key; `None` if there is none.
    pub fn get(&self, key: &str) -> Option<&Paper> {
        self.0.get(key)
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &Paper> {
        self.0.values()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
