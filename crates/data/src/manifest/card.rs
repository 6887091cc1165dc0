//! What a dataset or a corpus is, and what may be done with it: what people read.

use serde::Deserialize;

/// The description of a dataset, for people and for the table of results.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The name in tables.
    pub name: String,
    /// What the dataset holds and how it was made.
    pub description: String,
    /// The language of the texts, as an IETF tag.
    pub language: String,
    /// The address of its makers' page.
    pub homepage: String,
    /// Whether its figures can be compared with published ones, or only among themselves.
    pub scope: Scope,
    /// The dataset it is a sample of, where others drew the sample; where we did, `[sample]` says it.
    pub sample_of: Option<String>,
    /// The split that the queries belong to: `train`, `dev`, `test`, `dl19`.
    pub split: String,
    /// The measures its makers or the literature report, the main one first.
    pub measures: Vec<String>,
    /// Whether a document named as the query must be dropped from its ranking (ArguAna, Quora).
    pub exclude_query_id: bool,
}

/// The description of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusCard {
    /// The name in tables.
    pub name: String,
    /// What the corpus holds and how it was made.
    pub description: String,
    /// The language of the texts, as an IETF tag.
    pub language: String,
    /// The address of its makers' page.
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

/// The licence of the texts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// The usual short name of the licence, or that none is stated.
    pub name: String,
    /// The address of the licence.
    pub url: String,
    /// What a user must know before the download, such as non-commercial use, mixed sources, or missing statements.
    pub note: String,
}

/// The publication to cite.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Citation {
    /// The BibTeX key.
    pub key: String,
    /// Authors, title, venue and year, in one line.
    pub text: String,
    /// The DOI or the address of a page.
    pub url: String,
}
