//! A dataset, opened: documents, queries, judgements, and digests that tell it from every other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use nir_core::{
    Answers, BoxError, Corpus, Digest, DocNo, Document, Documents as InMemory, DuplicateDocId,
    Qrels, Queries, Query,
};

use crate::cache::{Cache, CacheError};
use crate::candidates::CandidateRuns;
use crate::folder::Folder;
use crate::formats::answers;
use crate::import::STORE;
use crate::import_error::ImportError;
use crate::lines::BYTE_ORDER_MARK;
use crate::manifest::{
    Card, CorpusManifest, Documents, DocumentsPart, LabelsPart, Manifest, Scope, TopicParts, Topics,
};
use crate::manifest_error::ManifestError;
use crate::origin::{Origin, OriginSource};
use crate::overlap::Judged;
use crate::store::{Store, content_hasher};
use crate::topics::{TopicSet, dataset_digest};
use crate::{Malformed, NoOverlap, ReadError};

/// A dataset that is ready to be run over.
#[derive(Clone)]
pub struct Dataset {
    /// The name of the dataset.
    pub name: String,
    /// The description of the dataset.
    pub card: Card,
    /// The documents.
    pub corpus: Arc<dyn Corpus>,
    /// The digest of the documents: an index built over the same digest fits.
    pub corpus_digest: Digest,
    /// Where the documents came from.
    pub corpus_origin: OriginSource,
    /// The queries.
    pub queries: Queries,
    /// The judgements; empty if there are none.
    pub qrels: Qrels,
    /// The answers that passages are judged by in place of judgements; empty if there are none.
    pub answers: Answers,
    /// The labels of queries; empty if there are none.
    pub labels: Labels,
    /// The candidates that are handed out with it; those that were fetched can be reranked.
    pub candidates: Arc<CandidateRuns>,
    /// Where queries and judgements came from.
    pub origin: OriginSource,
    /// The digest of all of it: results with the same digest compare.
    pub digest: Digest,
    /// What the user should know about the files and about how they fit together, one sentence each.
    pub notes: Vec<String>,
}

/// The labels of each query by its `query_id`, such as `hard` or `one word`.
pub type Labels = BTreeMap<String, Vec<String>>;

/// Why a dataset could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The dataset was never fetched.
    #[error("`{name}` is not here yet; run `nir fetch {name}`")]
    NotHere {
        /// The name of the dataset.
        name: String,
    },
    /// The dataset was fetched under another version of its manifest.
    #[error("the manifest of `{name}` has changed since it was fetched; run `nir fetch {name}`")]
    Stale {
        /// The name of the dataset.
        name: String,
    },
    /// The data in the cache cannot be read.
    #[error("{folder}: {error}; delete the folder and run `nir fetch {name}`")]
    Damaged {
        /// The folder in the cache.
        folder: PathBuf,
        /// The name of the dataset.
        name: String,
        /// What is wrong with the data.
        error: BoxError,
    },
    /// The manifest, or a file beside it, is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A line of an embedded file is wrong.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Two embedded documents have the same id.
    #[error(transparent)]
    Document(#[from] DuplicateDocId),
    /// Two queries have the same id.
    #[error(transparent)]
    Query(#[from] nir_core::DuplicateQueryId),
    /// The judgements are about something else.
    #[error(transparent)]
    NoOverlap(#[from] Box<NoOverlap>),
    /// There are no documents or no queries.
    #[error("{of}: there are no {what} in it: expected at least one")]
    Nothing {
        /// The file of the user, or the name of the dataset.
        of: String,
        /// What is missing: `documents` or `queries`.
        what: &'static str,
    },
    /// A file of the user cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The cache cannot be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file of the user cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Whether a dataset can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The dataset comes with the program.
    Embedded,
    /// The dataset is in the cache.
    Fetched(OriginSource),
    /// The dataset is in the cache, but its manifest has changed since.
    Stale,
    /// The dataset has to be fetched first.
    NotFetched,
}

impl State {
    pub(crate) fn is_here(&self) -> bool {
        matches!(self, Self::Embedded | Self::Fetched(_))
    }
}

impl Dataset {
    /// Opens a dataset that is embedded or was fetched. Fails if it was not fetched or is damaged.
    pub fn open(cache: &Cache, manifest: &Manifest) -> Result<Self, DatasetError> {
        let opened = open_corpus(cache, &manifest.name, &manifest.corpus)?;
        let (corpus, corpus_digest, corpus_origin) = opened;
        let (topics, labels, origin) = open_topics(cache, manifest)?;
        let card = manifest.card.clone();
        let digest = dataset_digest(corpus_digest, &topics, card.exclude_query_id);
        let name = manifest.name.clone();
        let TopicSet { queries, qrels, answers } = topics;
        let notes = notes(cache, manifest)?;
        let candidates = Arc::new(CandidateRuns::open(cache, manifest)?);
        let mut dataset = Self {
            name,
            card,
            corpus,
            corpus_digest,
            corpus_origin,
            queries,
            qrels,
            answers,
            labels,
            candidates,
            origin,
            digest,
            notes,
        };
        let name = &dataset.name;
        dataset.check_not_empty(name, Some(name))?;
        let misfits = dataset.misfits()?;
        dataset.notes.extend(misfits);
        Ok(dataset)
    }

    /// Refuses a dataset over which no figure means anything; the names are those of documents and queries, of which there may
    /// be none where only documents were named.
    pub(crate) fn check_not_empty(
        &self,
        documents: &str,
        queries: Option<&str>,
    ) -> Result<(), DatasetError> {
        let nothing = |of: &str, what| Err(DatasetError::Nothing { of: of.to_owned(), what });
        match (self.corpus.is_empty(), queries) {
            (true, _) => nothing(documents, "documents"),
            (_, Some(queries)) if self.queries.is_empty() => nothing(queries, "queries"),
            _ => Ok(()),
        }
    }

    /// Describes the judgements that cannot count, and fails if none can. A sample leaves judged documents out by its
    /// rule, so those are not mentioned.
    fn misfits(&self) -> Result<Vec<String>, DatasetError> {
        let judged = Judged {
            qrels: (&self.name, &self.qrels),
            answers: &self.answers,
            queries: ("its queries", &self.queries),
            corpus: ("its documents", &*self.corpus),
        };
        let left_over = judged.left_over().map_err(Box::new)?;
        Ok(match self.card.scope {
            Scope::Full => left_over,
            Scope::Sample => Vec::new(),
        })
    }

    /// Whether rankings can be measured: there are judgements or answers.
    pub fn is_judged(&self) -> bool {
        !self.qrels.is_empty() || !self.answers.is_empty()
    }

    /// Whether a dataset can be opened, without opening it.
    pub fn state(cache: &Cache, manifest: &Manifest) -> Result<State, ManifestError> {
        if manifest.is_embedded() {
            return Ok(State::Embedded);
        }
        match corpus_state(cache, &manifest.corpus)? {
            State::Fetched(_) => topics_state(cache, manifest),
            missing => Ok(missing),
        }
    }

    /// How many judged documents the corpus does not hold: some in every sample, none in a full collection.
    pub fn judged_outside(&self) -> usize {
        let mut outside: Vec<&str> = self
            .qrels
            .iter()
            .flat_map(|(_, docs)| docs.keys().map(String::as_str))
            .filter(|doc_id| self.corpus.doc_no(doc_id).is_none())
            .collect();
        outside.sort_unstable();
        outside.dedup();
        outside.len()
    }
}

/// The notes that were made when the files were imported.
fn notes(cache: &Cache, manifest: &Manifest) -> Result<Vec<String>, CacheError> {
    let found = [cache.corpus(&manifest.corpus.name)?, cache.dataset(&manifest.name)?];
    let origins = found.into_iter().flatten().filter_map(|found| Origin::read(found.path()));
    Ok(origins.flat_map(|origin| origin.notes).collect())
}

pub(crate) fn corpus_state(cache: &Cache, corpus: &CorpusManifest) -> Result<State, ManifestError> {
    if matches!(corpus.documents, Documents::Embedded(_)) {
        return Ok(State::Embedded);
    }
    Ok(state_at(Origin::read(&cache.corpus_place(&corpus.name)), corpus.recipe()?))
}

pub(crate) fn topics_state(cache: &Cache, manifest: &Manifest) -> Result<State, ManifestError> {
    if manifest.is_embedded() {
        return Ok(State::Embedded);
    }
    Ok(state_at(Origin::read(&cache.dataset_place(&manifest.name)), manifest.recipe()?))
}

fn state_at(origin: Option<Origin>, recipe: Digest) -> State {
    match origin {
        None => State::NotFetched,
        Some(origin) if origin.recipe != recipe.hex() => State::Stale,
        Some(origin) => State::Fetched(origin.source),
    }
}

/// Opens the corpus of the dataset `name`.
pub(crate) fn open_corpus(
    cache: &Cache,
    name: &str,
    corpus: &CorpusManifest,
) -> Result<(Arc<dyn Corpus>, Digest, OriginSource), DatasetError> {
    if let Documents::Embedded(part) = &corpus.documents {
        let documents = embedded_documents(&corpus.folder, part)?;
        let digest = corpus_digest(&documents);
        return Ok((Arc::new(documents), digest, OriginSource::Embedded));
    }
    let origin = here(name, corpus_state(cache, corpus)?)?;
    let found = cache.corpus(&corpus.name)?.ok_or_else(|| not_here(name))?;
    let store = Store::open(&found.file(STORE))
        .map_err(|error| damaged(name, found.path().to_owned(), error.into()))?;
    let digest = store.digest();
    Ok((Arc::new(store), digest, origin))
}

/// The digest that a store of these documents would have.
fn corpus_digest(corpus: &dyn Corpus) -> Digest {
    let mut content = content_hasher();
    for row in 0..corpus.len() {
        let doc = DocNo(row as u32);
        content.part(corpus.doc_id(doc)).part(corpus.title(doc)).part(corpus.text(doc));
    }
    content.digest()
}

/// Opens the queries and judgements of a dataset.
pub(crate) fn open_topics(
    cache: &Cache,
    manifest: &Manifest,
) -> Result<(TopicSet, Labels, OriginSource), DatasetError> {
    if let Topics::Embedded(parts) = &manifest.topics {
        let topics = embedded_topics(&manifest.folder, parts)?;
        let labels = parts.labels.as_ref().map(|part| embedded_labels(&manifest.folder, part));
        return Ok((topics, labels.transpose()?.unwrap_or_default(), OriginSource::Embedded));
    }
    let origin = here(&manifest.name, topics_state(cache, manifest)?)?;
    let found = cache.dataset(&manifest.name)?.ok_or_else(|| not_here(&manifest.name))?;
    let folder = found.path().to_owned();
    let topics =
        TopicSet::read(&folder).map_err(|error| damaged(&manifest.name, folder, error.into()))?;
    Ok((topics, Labels::new(), origin))
}

fn here(name: &str, state: State) -> Result<OriginSource, DatasetError> {
    match state {
        State::Embedded => Ok(OriginSource::Embedded),
        State::Fetched(origin) => Ok(origin),
        State::Stale => Err(DatasetError::Stale { name: name.into() }),
        State::NotFetched => Err(not_here(name)),
    }
}

fn not_here(name: &str) -> DatasetError {
    DatasetError::NotHere { name: name.into() }
}

fn damaged(name: &str, folder: PathBuf, error: BoxError) -> DatasetError {
    DatasetError::Damaged { folder, name: name.into(), error }
}

fn embedded_documents(folder: &Folder, part: &DocumentsPart) -> Result<InMemory, DatasetError> {
    let mut documents = Vec::new();
    for source in &part.sources {
        for [doc_id, text] in rows(folder, &source.file, "`doc_id TAB text`")? {
            documents.push(Document { doc_id, title: String::new(), text });
        }
    }
    Ok(InMemory::new(documents)?)
}

fn embedded_topics(folder: &Folder, parts: &TopicParts) -> Result<TopicSet, DatasetError> {
    let mut queries = Vec::new();
    for source in &parts.queries.sources {
        let rows = rows(folder, &source.file, "`query_id TAB text`")?;
        queries.extend(rows.into_iter().map(|[query_id, text]| Query::new(query_id, text)));
    }
    let mut qrels = Qrels::default();
    for source in parts.qrels.iter().flat_map(|part| &part.sources) {
        for (line, text) in lines(folder, &source.file)? {
            let [query_id, _, doc_id, grade] = columns(&text, ' ').ok_or_else(|| {
                malformed(folder, &source.file, line, &text, "`query_id 0 doc_id grade`")
            })?;
            let grade = grade.parse().map_err(|_| {
                malformed(folder, &source.file, line, &grade, "a grade that is a whole number")
            })?;
            qrels.insert(&query_id, &doc_id, grade);
        }
    }
    let answers = embedded_answers(folder, parts)?;
    let topics = TopicSet { queries: Queries::new(queries)?, qrels, answers };
    Ok(topics.select(parts.queries.select))
}

fn embedded_answers(folder: &Folder, parts: &TopicParts) -> Result<Answers, DatasetError> {
    let mut all = Answers::default();
    for source in parts.answers.iter().flat_map(|part| &part.sources) {
        for (line, text) in lines(folder, &source.file)? {
            let (query_id, answers) = answers::of_line(&text).map_err(|found| {
                malformed(folder, &source.file, line, &found, answers::EXPECTED)
            })?;
            if all.insert(&query_id, answers).is_some() {
                let found = format!("{query_id} again");
                return Err(
                    malformed(folder, &source.file, line, &found, "each query_id once").into()
                );
            }
        }
    }
    Ok(all)
}

fn embedded_labels(folder: &Folder, part: &LabelsPart) -> Result<Labels, DatasetError> {
    let rows = rows(folder, &part.file, "`query_id TAB label,label`")?;
    let split = |labels: String| labels.split(',').map(|label| label.trim().to_owned()).collect();
    Ok(rows.into_iter().map(|[query_id, labels]| (query_id, split(labels))).collect())
}

/// The two columns of each line of a file beside a manifest.
fn rows(folder: &Folder, file: &str, expected: &str) -> Result<Vec<[String; 2]>, DatasetError> {
    let mut rows = Vec::new();
    for (line, text) in lines(folder, file)? {
        let row = columns(&text, '\t');
        rows.push(row.ok_or_else(|| malformed(folder, file, line, &text, expected))?);
    }
    Ok(rows)
}

fn lines(folder: &Folder, file: &str) -> Result<Vec<(u64, String)>, DatasetError> {
    let text = String::from_utf8(folder.read(file)?)
        .map_err(|_| malformed(folder, file, 1, "other bytes", "UTF-8"))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    Ok((1..).zip(text.lines().map(str::to_owned)).collect())
}

fn columns<const N: usize>(text: &str, between: char) -> Option<[String; N]> {
    text.split(between).map(str::to_owned).collect::<Vec<_>>().try_into().ok()
}

fn malformed(folder: &Folder, file: &str, line: u64, found: &str, expected: &str) -> Malformed {
    Malformed {
        path: folder.path_of(file).into(),
        line,
        found: format!("`{found}`"),
        expected: expected.into(),
    }
}
