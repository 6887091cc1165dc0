//! Manifests as they are written: the tables of the TOML files, and how they become a dataset or a corpus.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::candidates::CandidatesPart;
use super::card::{Card, Citation, CorpusCard, Licence};
use super::corpus::CorpusManifest;
use super::dataset::{Counts, Manifest, Plain};
use super::files::RemoteFile;
use super::parts::{
    AnswersPart, DocumentSample, Documents, DocumentsPart, LabelsPart, QrelsPart, QueriesPart,
    QuerySample, TopicParts, Topics,
};
use crate::folder::Folder;
use crate::manifest_error::ManifestError;

/// The content of a dataset's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatasetToml {
    corpus: Option<String>,
    #[serde(default)]
    embedded: bool,
    card: Card,
    licence: Licence,
    citation: Citation,
    #[serde(default, rename = "file")]
    files: Vec<RemoteFile>,
    documents: Option<DocumentsPart>,
    queries: Option<QueriesPart>,
    qrels: Option<QrelsPart>,
    answers: Option<AnswersPart>,
    labels: Option<LabelsPart>,
    sample: Option<SampleToml>,
    counts: Counts,
    plain: Option<Plain>,
    #[serde(default)]
    candidates: Vec<CandidatesPart>,
}

/// The content of a corpus's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorpusToml {
    card: CorpusCard,
    licence: Licence,
    citation: Citation,
    #[serde(default, rename = "file")]
    files: Vec<RemoteFile>,
    documents: Option<DocumentsPart>,
    sample: Option<CorpusSampleToml>,
    counts: CorpusCounts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleToml {
    of: String,
    documents: Option<String>,
    queries: String,
    rule: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorpusSampleToml {
    of: String,
    documents: String,
    rule: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorpusCounts {
    documents: Option<usize>,
}

/// A dataset's file that was read, before its corpus is known.
pub(crate) struct Draft {
    path: String,
    name: String,
    folder: Folder,
    toml: DatasetToml,
}

impl CorpusManifest {
    /// Reads `datasets/corpora/<name>.toml`.
    pub(crate) fn parse(path: &str, text: &str, folder: Folder) -> Result<Self, ManifestError> {
        let toml: CorpusToml = read_toml(path, text)?;
        let documents = match (toml.documents, toml.sample) {
            (Some(part), None) => Documents::Files(part),
            (None, Some(sample)) => Documents::Sample(sample.into()),
            _ => return Err(ManifestError::rule(path, "needs either `[documents]` or `[sample]`")),
        };
        let corpus = Self {
            name: name_of(path)?,
            card: toml.card,
            licence: toml.licence,
            citation: toml.citation,
            files: toml.files,
            documents,
            count: toml.counts.documents,
            folder,
        };
        corpus.check(path)?;
        Ok(corpus)
    }
}

impl From<CorpusSampleToml> for DocumentSample {
    fn from(toml: CorpusSampleToml) -> Self {
        Self { of: toml.of, documents: toml.documents, rule: toml.rule }
    }
}

impl Draft {
    /// Reads `datasets/<name>.toml`.
    pub(crate) fn parse(path: &str, text: &str, folder: Folder) -> Result<Self, ManifestError> {
        let toml = read_toml(path, text)?;
        Ok(Self { path: path.to_owned(), name: name_of(path)?, folder, toml })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the dataset whose queries this one samples.
    pub(crate) fn parent(&self) -> Option<&str> {
        self.toml.sample.as_ref().map(|sample| sample.of.as_str())
    }

    /// Puts the dataset together: `corpora` are the shared ones, `parent` is the dataset it samples.
    pub(crate) fn finish(
        self,
        corpora: &BTreeMap<String, Arc<CorpusManifest>>,
        parent: Option<&Manifest>,
    ) -> Result<Manifest, ManifestError> {
        let corpus = self.corpus(corpora, parent)?;
        let topics = self.topics()?;
        let manifest = Manifest {
            plain: self.plain(),
            name: self.name,
            card: self.toml.card,
            licence: self.toml.licence,
            citation: self.toml.citation,
            files: self.toml.files,
            corpus,
            topics,
            counts: self.toml.counts,
            candidates: self.toml.candidates,
            folder: self.folder,
        };
        manifest.check(&self.path)?;
        Ok(manifest)
    }

    fn corpus(
        &self,
        corpora: &BTreeMap<String, Arc<CorpusManifest>>,
        parent: Option<&Manifest>,
    ) -> Result<Arc<CorpusManifest>, ManifestError> {
        if let Some(name) = &self.toml.corpus {
            if self.toml.documents.is_some() || self.sampled_documents().is_some() {
                return Err(self.rule("names a `corpus` and its own documents; keep one of them"));
            }
            return corpora.get(name).cloned().ok_or_else(|| ManifestError::UnknownCorpus {
                path: self.path.clone(),
                corpus: name.clone(),
                known: corpora.keys().cloned().collect(),
            });
        }
        Ok(Arc::new(self.own_corpus(parent)?))
    }

    fn own_corpus(&self, parent: Option<&Manifest>) -> Result<CorpusManifest, ManifestError> {
        let documents = match (&self.toml.documents, self.sampled_documents(), parent) {
            (Some(part), None, _) if self.toml.embedded => Documents::Embedded(part.clone()),
            (Some(part), None, _) => Documents::Files(part.clone()),
            (None, Some(sample), Some(parent)) => Documents::Sample(DocumentSample {
                of: parent.corpus.name.clone(),
                documents: sample.to_owned(),
                rule: self.toml.sample.as_ref().map(|s| s.rule.clone()).unwrap_or_default(),
            }),
            _ => {
                return Err(self
                    .rule("needs one of `corpus`, `[documents]` and, in `[sample]`, `documents`"));
            }
        };
        Ok(CorpusManifest {
            name: self.name.clone(),
            card: self.corpus_card(),
            licence: self.toml.licence.clone(),
            citation: self.toml.citation.clone(),
            files: self.toml.files.clone(),
            documents,
            count: self.toml.counts.documents,
            folder: self.folder.clone(),
        })
    }

    fn sampled_documents(&self) -> Option<&str> {
        self.toml.sample.as_ref().and_then(|sample| sample.documents.as_deref())
    }

    fn corpus_card(&self) -> CorpusCard {
        let card = &self.toml.card;
        CorpusCard {
            name: card.name.clone(),
            description: card.description.clone(),
            language: card.language.clone(),
            homepage: card.homepage.clone(),
        }
    }

    fn topics(&self) -> Result<Topics, ManifestError> {
        let toml = &self.toml;
        let (qrels, answers) = (toml.qrels.clone(), toml.answers.clone());
        match (&toml.queries, qrels.is_some() != answers.is_some(), &toml.sample) {
            (Some(queries), true, None) => {
                let labels = toml.labels.clone();
                let parts = TopicParts { queries: queries.clone(), qrels, answers, labels };
                Ok(if toml.embedded { Topics::Embedded(parts) } else { Topics::Files(parts) })
            }
            (None, false, Some(sample)) if qrels.is_none() => Ok(Topics::Sample(QuerySample {
                of: sample.of.clone(),
                queries: sample.queries.clone(),
                rule: sample.rule.clone(),
            })),
            _ => Err(self.rule(
                "needs either `[queries]` and one of `[qrels]` and `[answers]`, or `[sample]`",
            )),
        }
    }

    fn plain(&self) -> Plain {
        let split = &self.toml.card.split;
        self.toml.plain.clone().unwrap_or_else(|| Plain {
            queries: format!("queries.{split}.tsv"),
            qrels: format!("qrels.{split}.txt"),
            answers: format!("answers.{split}.jsonl"),
            note: String::new(),
        })
    }

    fn rule(&self, rule: &'static str) -> ManifestError {
        ManifestError::rule(&self.path, rule)
    }
}

/// Reads TOML; an error says the line, and what would be known there.
fn read_toml<T: serde::de::DeserializeOwned>(path: &str, text: &str) -> Result<T, ManifestError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text[..start].matches('\n').count() + 1;
        ManifestError::Toml { path: path.to_owned(), line, message: error.message().to_owned() }
    })
}

/// The name in a manifest's path; it becomes the name of a folder.
fn name_of(path: &str) -> Result<String, ManifestError> {
    let name = Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(good) {
        return Ok(name.to_owned());
    }
    Err(ManifestError::rule(path, "its name may hold a-z, 0-9, `-`, `_` and `.` only"))
}
