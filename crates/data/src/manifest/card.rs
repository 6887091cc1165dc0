//! What a dataset or a corpus is, and what may be done with it: what people read.

use serde::Deserialize;

/// What a dataset is, for people and for the results table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its name in a table.
    pub name: String,
    /// What it holds and how it was made.
    pub description: String,
    /// The language of the texts: an IETF tag.
    pub language: String,
    /// The page of its makers.
    pub homepage: String,
    /// Whether its figures compare with those published for it, or only among themselves.
    pub scope: Scope,
    /// The dataset it is a sample of, where others drew the sample; where we did, `[sample]` says it.
    pub sample_of: Option<String>,
    /// Which queries: `train`, `dev`, `test`, `dl19`.
    pub split: String,
    /// The measures its makers or the literature report, the main one first.
    pub measures: Vec<String>,
    /// Whether a document named as the query must be dropped from its ranking (ArguAna, Quora).
    pub exclude_query_id: bool,
}

/// What a corpus is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusCard {
    /// Its name in a table.
    pub name: String,
    /// What it holds and how it was made.
    pub description: String,
    /// The language of the texts: an IETF tag.
    pub language: String,
    /// The page of its makers.
    pub homepage: String,
}

/// Full collections and samples never stand in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All documents of the collection.
    Full,
    /// Some of its documents: easier, and comparable with nothing published.
    Sample,
}

/// What may be done with the texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// Its usual short name, or that none is stated.
    pub name: String,
    /// Where it can be read.
    pub url: String,
    /// What a user must know before the download: non-commercial, mixed sources, what is not stated.
    pub note: String,
}

/// What to cite.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Citation {
    /// A BibTeX key.
    pub key: String,
    /// Authors, title, venue and year in one line.
    pub text: String,
    /// A DOI or a page.
    pub url: String,
}
