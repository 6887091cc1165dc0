//! A dataset: a corpus, queries and judgements, and the facts that they are held to.

use std::sync::Arc;

use nir_core::{Digest, Hasher};
use serde::Deserialize;

use super::candidates::CandidatesPart;
use super::card::{Card, Citation, Licence, Scope};
use super::corpus::CorpusManifest;
use super::files::{RemoteFile, add_files, check_files, check_sources};
use super::parts::{TopicParts, Topics};
use crate::folder::Folder;
use crate::formats::{AnswersFormat, QrelsFormat, QueryFormat};
use crate::manifest_error::ManifestError;

/// The manifest of a dataset, which is a column of the results.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The name, which is the name of its file: `beir-scifact`.
    pub name: String,
    /// The description of the dataset.
    pub card: Card,
    /// The licence of the texts.
    pub licence: Licence,
    /// The publication to cite.
    pub citation: Citation,
    /// The official files that are its own; those of the documents are the corpus's.
    pub files: Vec<RemoteFile>,
    /// The documents.
    pub corpus: Arc<CorpusManifest>,
    /// Where queries and judgements come from.
    pub topics: Topics,
    /// The numbers of documents, queries and judgements that there must be after the import.
    pub counts: Counts,
    /// The names of its files in a plain folder.
    pub plain: Plain,
    /// The candidates that are handed out with it.
    pub candidates: Vec<CandidatesPart>,
    pub(crate) folder: Folder,
}

/// How many there must be after import. What nobody has counted for us is left out, and then not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// The number of documents.
    pub documents: Option<usize>,
    /// The number of queries of this dataset.
    pub queries: Option<usize>,
    /// The number of judged pairs; each is counted once.
    pub judgements: Option<usize>,
    /// The number of queries with a judgement, or with answers.
    pub judged_queries: Option<usize>,
}

/// The names of a dataset's files in a plain folder: what `nir fetch --from` takes besides the official files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// The file of queries, `query_id TAB text`.
    pub queries: String,
    /// The file of judgements, in TREC's format.
    pub qrels: String,
    /// The file of answers, which a dataset with answers has in place of judgements: one JSON object a line.
    #[serde(default = "plain_answers")]
    pub answers: String,
    /// How its contents differ from the official files, for the record of where they came from.
    pub note: String,
}

/// Whether the formats are those in which a dataset lies beside its manifest.
fn is_plain(parts: &TopicParts) -> bool {
    parts.queries.format == QueryFormat::Tsv
        && parts.qrels.as_ref().is_none_or(|part| part.format == QrelsFormat::Trec)
        && parts.answers.as_ref().is_none_or(|part| part.format == AnswersFormat::Jsonl)
}

/// The name where a manifest gives none.
fn plain_answers() -> String {
    "answers.jsonl".to_owned()
}

impl Manifest {
    pub(super) fn check(&self, path: &str) -> Result<(), ManifestError> {
        check_files(path, &self.files)?;
        if let Topics::Files(parts) = &self.topics {
            let qrels = parts.qrels.as_ref().map(|part| &part.sources);
            let answers = parts.answers.as_ref().map(|part| &part.sources);
            for sources in [Some(&parts.queries.sources), qrels, answers].into_iter().flatten() {
                check_sources(path, sources, &self.files, &self.corpus.files)?;
            }
        }
        if let Topics::Embedded(parts) = &self.topics
            && !is_plain(parts)
        {
            return Err(ManifestError::rule(
                path,
                "is embedded: it needs queries in `tsv`, and judgements in `trec` or answers in `jsonl`",
            ));
        }
        for (i, part) in self.candidates.iter().enumerate() {
            check_files(path, std::slice::from_ref(&part.file))?;
            if self.candidates[..i].iter().any(|other| other.name == part.name) {
                return Err(ManifestError::rule(path, "names two `[[candidates]]` alike"));
            }
        }
        if (self.card.scope == Scope::Sample) != self.sample_of().is_some() {
            let rule =
                "has `scope = \"sample\"` exactly if it says of what: `sample_of` or `[sample]`";
            return Err(ManifestError::rule(path, rule));
        }
        if self.card.measures.is_empty() {
            return Err(ManifestError::rule(path, "`measures` names no measure"));
        }
        Ok(())
    }

    /// The official file of this name: the dataset's own or its corpus's.
    pub fn file(&self, name: &str) -> Option<&RemoteFile> {
        self.files.iter().chain(&self.corpus.files).find(|file| file.name == name)
    }

    /// The name of the dataset that this is a sample of, whoever drew it.
    pub fn sample_of(&self) -> Option<&str> {
        match &self.topics {
            Topics::Sample(sample) => Some(&sample.of),
            _ => self.card.sample_of.as_deref(),
        }
    }

    /// Whether the dataset comes with the program and needs no fetching.
    pub fn is_embedded(&self) -> bool {
        matches!(self.topics, Topics::Embedded(_))
    }

    /// The digest of all that decides which queries and judgements an import gives.
    pub(crate) fn recipe(&self) -> Result<Digest, ManifestError> {
        let mut hasher = Hasher::new("topics");
        hasher.part(self.topics.recipe());
        if let Topics::Sample(sample) = &self.topics {
            hasher.part(self.folder.read(&sample.queries)?);
        }
        add_files(&mut hasher, self.files.iter().chain(&self.corpus.files));
        Ok(hasher.digest())
    }
}
