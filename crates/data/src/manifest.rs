//! What a manifest says: one dataset (`datasets/<name>.toml`) or one corpus that several datasets search
//! (`datasets/corpora/<name>.toml`).
//!
//! A dataset is documents, queries and qrels with the facts about them: where the files are, how many of each there
//! must be, the licence, the paper, the official measures. Nothing is inherited and nothing has a default; a key that
//! is not known is an error.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nir_core::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::formats::{DocumentFormat, QrelsFormat, QueryFormat};
use crate::manifest_error::ManifestError;

/// A dataset: a column of the results.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its name, which is its file's: `beir-scifact`.
    pub name: String,
    /// What it is.
    pub card: Card,
    /// What may be done with it.
    pub licence: Licence,
    /// What to cite.
    pub citation: Citation,
    /// The official files that are its own; those of the documents are the corpus's.
    pub files: Vec<RemoteFile>,
    /// What is searched.
    pub corpus: Arc<CorpusManifest>,
    /// Where queries and judgements come from.
    pub topics: Topics,
    /// How many of each there must be after import.
    pub counts: Counts,
    /// The names of its files in a plain folder.
    pub plain: Plain,
    pub(crate) folder: Folder,
}

/// The documents that one or several datasets search; stored once under its name.
#[derive(Debug, Clone)]
pub struct CorpusManifest {
    /// Its name: that of its dataset where only one searches it.
    pub name: String,
    /// What it is.
    pub card: CorpusCard,
    /// What may be done with it.
    pub licence: Licence,
    /// What to cite.
    pub citation: Citation,
    /// The official files.
    pub files: Vec<RemoteFile>,
    /// Where the documents come from.
    pub documents: Documents,
    /// How many there must be after import; `None` where nobody has counted them for us.
    pub count: Option<usize>,
    pub(crate) folder: Folder,
}

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

/// A file as its makers publish it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// Its name in the cache; a plain file name.
    pub name: String,
    /// Where it is, best first. Empty where a user must obtain it in person.
    pub urls: Vec<String>,
    /// Its size, where known.
    pub bytes: Option<u64>,
    /// Its MD5 sum, where known.
    pub md5: Option<String>,
    /// Its SHA-256 sum, where known.
    pub sha256: Option<String>,
}

/// Documents in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsPart {
    /// The files, read one after the other.
    pub sources: Vec<PartSource>,
    /// How they are written.
    pub format: DocumentFormat,
    /// How a doc_id is made of the number in the files, where it does not stand there as it is.
    pub doc_id: Option<DocIdPattern>,
}

/// One file, or one member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartSource {
    /// The name of a `[[file]]`, or a path in the folder of the manifest where the dataset is embedded.
    pub file: String,
    /// The member, where the file is an archive.
    pub member: Option<String>,
}

/// Where documents come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Documents {
    /// From official files.
    Files(DocumentsPart),
    /// From texts that came with the program.
    Embedded(DocumentsPart),
    /// From another corpus.
    Sample(DocumentSample),
}

/// Some documents of another corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentSample {
    /// The corpus they are taken from.
    pub of: String,
    /// The file of their names beside the manifest, one a line.
    pub documents: String,
    /// How they were chosen.
    pub rule: String,
}

/// Where queries and judgements come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Topics {
    /// From official files.
    Files(TopicParts),
    /// From texts that came with the program.
    Embedded(TopicParts),
    /// From another dataset.
    Sample(QuerySample),
}

/// Queries and judgements in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicParts {
    /// The queries.
    pub queries: QueriesPart,
    /// The judgements.
    pub qrels: QrelsPart,
    /// The labels of queries, where there are any.
    pub labels: Option<LabelsPart>,
}

/// Some queries of another dataset, with their judgements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuerySample {
    /// The dataset they are taken from.
    pub of: String,
    /// The file of their names beside the manifest, one a line.
    pub queries: String,
    /// How they were chosen.
    pub rule: String,
}

/// Queries in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueriesPart {
    /// The files, read one after the other.
    pub sources: Vec<PartSource>,
    /// How they are written.
    pub format: QueryFormat,
    /// Which of them belong to the dataset.
    pub select: Select,
}

/// Which queries of a file belong to the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// All of them.
    All,
    /// Those with a judgement, relevant or not.
    Judged,
}

/// Judgements in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QrelsPart {
    /// The files, read one after the other.
    pub sources: Vec<PartSource>,
    /// How they are written.
    pub format: QrelsFormat,
    /// How a doc_id is made, as for the documents.
    pub doc_id: Option<DocIdPattern>,
    /// The grade for each code of the file, where its codes are not grades. Codes left out are errors.
    #[serde(default, deserialize_with = "grades")]
    pub grades: Option<BTreeMap<i32, i32>>,
}

/// Labels of queries in a file: `query_id TAB label,label`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsPart {
    /// The file, a path in the folder of the manifest.
    pub file: String,
}

/// How a doc_id is made of the number in a file: `{ prefix = "CACM-", digits = 4 }` makes `CACM-0012` of `12`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocIdPattern {
    /// What stands before the number.
    pub prefix: String,
    /// How many digits the number has at least.
    pub digits: usize,
}

impl DocIdPattern {
    /// The doc_id.
    pub fn apply(&self, number: &str) -> String {
        format!("{}{number:0>digits$}", self.prefix, digits = self.digits)
    }
}

/// How many there must be after import. What nobody has counted for us is left out, and then not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Documents.
    pub documents: Option<usize>,
    /// Queries of this dataset.
    pub queries: Option<usize>,
    /// Judged pairs, each counted once.
    pub judgements: Option<usize>,
    /// Queries with a judgement.
    pub judged_queries: Option<usize>,
}

/// The names of a dataset's files in a plain folder: what `nir fetch --from` takes besides the official files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// The queries: `query_id TAB text`.
    pub queries: String,
    /// The judgements, as TREC writes them.
    pub qrels: String,
    /// In what its contents differ from the official files, for the record of where they came from.
    pub note: String,
}

/// A dataset's file as it is written.
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
    labels: Option<LabelsPart>,
    sample: Option<SampleToml>,
    counts: Counts,
    plain: Option<Plain>,
}

/// A corpus's file as it is written.
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

    fn check(&self, path: &str) -> Result<(), ManifestError> {
        check_files(path, &self.files)?;
        if let Documents::Files(part) = &self.documents {
            check_sources(path, &part.sources, &self.files, &[])?;
        }
        Ok(())
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

    /// The dataset whose queries this one samples.
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
        match (&toml.queries, &toml.qrels, &toml.sample) {
            (Some(queries), Some(qrels), None) => {
                let labels = toml.labels.clone();
                let parts = TopicParts { queries: queries.clone(), qrels: qrels.clone(), labels };
                Ok(if toml.embedded { Topics::Embedded(parts) } else { Topics::Files(parts) })
            }
            (None, None, Some(sample)) => Ok(Topics::Sample(QuerySample {
                of: sample.of.clone(),
                queries: sample.queries.clone(),
                rule: sample.rule.clone(),
            })),
            _ => Err(self.rule("needs either `[queries]` and `[qrels]`, or `[sample]`")),
        }
    }

    fn plain(&self) -> Plain {
        let split = &self.toml.card.split;
        self.toml.plain.clone().unwrap_or_else(|| Plain {
            queries: format!("queries.{split}.tsv"),
            qrels: format!("qrels.{split}.txt"),
            note: String::new(),
        })
    }

    fn rule(&self, rule: &'static str) -> ManifestError {
        ManifestError::rule(&self.path, rule)
    }
}

impl Manifest {
    fn check(&self, path: &str) -> Result<(), ManifestError> {
        check_files(path, &self.files)?;
        if let Topics::Files(parts) = &self.topics {
            for sources in [&parts.queries.sources, &parts.qrels.sources] {
                check_sources(path, sources, &self.files, &self.corpus.files)?;
            }
        }
        if let Topics::Embedded(parts) = &self.topics
            && (parts.queries.format, parts.qrels.format) != (QueryFormat::Tsv, QrelsFormat::Trec)
        {
            return Err(ManifestError::rule(
                path,
                "is embedded: its formats must be `tsv` and `trec`",
            ));
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

    /// The dataset it is a sample of, whoever drew it.
    pub fn sample_of(&self) -> Option<&str> {
        match &self.topics {
            Topics::Sample(sample) => Some(&sample.of),
            _ => self.card.sample_of.as_deref(),
        }
    }

    /// Whether it came with the program and needs no fetching.
    pub fn is_embedded(&self) -> bool {
        matches!(self.topics, Topics::Embedded(_))
    }
}

impl Manifest {
    /// The digest of all that decides which queries and judgements an import gives.
    pub(crate) fn recipe(&self) -> Result<Digest, ManifestError> {
        let mut hasher = Hasher::new("topics");
        hasher.part(json(&self.topics));
        if let Topics::Sample(sample) = &self.topics {
            hasher.part(self.folder.read(&sample.queries)?);
        }
        add_files(&mut hasher, self.files.iter().chain(&self.corpus.files));
        Ok(hasher.digest())
    }
}

impl CorpusManifest {
    /// The digest of all that decides which documents an import gives.
    pub(crate) fn recipe(&self) -> Result<Digest, ManifestError> {
        let mut hasher = Hasher::new("corpus");
        hasher.part(json(&self.documents));
        if let Documents::Sample(sample) = &self.documents {
            hasher.part(self.folder.read(&sample.documents)?);
        }
        add_files(&mut hasher, self.files.iter());
        Ok(hasher.digest())
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names and formats are JSON")
}

/// Adds what tells files apart; where they are does not.
fn add_files<'f>(hasher: &mut Hasher, files: impl Iterator<Item = &'f RemoteFile>) {
    for file in files {
        for sum in [Some(&file.name), file.md5.as_ref(), file.sha256.as_ref()] {
            hasher.part(sum.map_or("", String::as_str));
        }
    }
}

impl RemoteFile {
    /// Whether a user must obtain it in person.
    pub fn is_manual(&self) -> bool {
        self.urls.is_empty()
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

fn check_files(path: &str, files: &[RemoteFile]) -> Result<(), ManifestError> {
    for (i, file) in files.iter().enumerate() {
        let plain = Path::new(&file.name).components().count() == 1
            && !file.name.contains(['/', '\\'])
            && !file.name.starts_with('.');
        if !plain {
            return Err(ManifestError::FileName { path: path.into(), file: file.name.clone() });
        }
        if files[..i].iter().any(|other| other.name == file.name) {
            return Err(ManifestError::TwoFiles { path: path.into(), file: file.name.clone() });
        }
        check_sum(path, file, "md5", file.md5.as_deref(), 32)?;
        check_sum(path, file, "sha256", file.sha256.as_deref(), 64)?;
    }
    Ok(())
}

fn check_sum(
    path: &str,
    file: &RemoteFile,
    kind: &'static str,
    sum: Option<&str>,
    digits: usize,
) -> Result<(), ManifestError> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match sum {
        Some(sum) if sum.len() != digits || !sum.chars().all(hex) => Err(ManifestError::Checksum {
            path: path.into(),
            file: file.name.clone(),
            kind,
            digits,
            found: sum.into(),
        }),
        _ => Ok(()),
    }
}

fn check_sources(
    path: &str,
    sources: &[PartSource],
    own: &[RemoteFile],
    shared: &[RemoteFile],
) -> Result<(), ManifestError> {
    if sources.is_empty() {
        return Err(ManifestError::rule(path, "`sources` names no file"));
    }
    let known = || own.iter().chain(shared).map(|file| file.name.as_str());
    match sources.iter().find(|source| !known().any(|name| name == source.file)) {
        None => Ok(()),
        Some(source) => Err(ManifestError::UnknownFile {
            path: path.into(),
            file: source.file.clone(),
            known: known().map(str::to_owned).collect(),
        }),
    }
}

/// TOML writes every key as a string; codes are numbers.
fn grades<'de, D>(deserializer: D) -> Result<Option<BTreeMap<i32, i32>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let written = BTreeMap::<String, i32>::deserialize(deserializer)?;
    let number = |(code, grade): (String, i32)| match code.parse() {
        Ok(code) => Ok((code, grade)),
        Err(_) => Err(serde::de::Error::custom(format_args!("`{code}` is not a whole number"))),
    };
    written.into_iter().map(number).collect::<Result<_, _>>().map(Some)
}
