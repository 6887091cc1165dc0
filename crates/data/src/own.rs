//! A user's own data, without a manifest.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use nir_core::{Corpus, Digest, Hasher, Progress, Qrels};

use crate::cache::{Cache, own_name};
use crate::dataset::{Dataset, DatasetError, Labels};
use crate::files::sums;
use crate::import::STORE;
use crate::import_error::ImportError;
use crate::manifest::{Card, Scope, Select};
use crate::origin::{Origin, OriginFile, OriginSource};
use crate::spool::Spooled;
use crate::topics::{TopicSet, dataset_digest};
use crate::{DocumentFormat, OpenError, QrelsFormat, QueryFormat, ReadError, Source, Store};
use crate::{read_documents, read_qrels, read_queries};

const PIECE: u64 = 1 << 20;

/// The files of a user's own collection.
struct OwnFiles {
    documents: Source,
    queries: Source,
    qrels: Option<Source>,
}

impl Dataset {
    /// Opens a user's own files; names tell their formats. Where there are judgements, queries that nobody judged are
    /// left out.
    ///
    /// `documents` may be a folder laid out as BEIR does it (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`); then
    /// `queries` and `qrels` need not be named.
    ///
    /// Standard input (`-`) and other pipes are copied to a temporary file first, and their content tells the format.
    ///
    /// The documents are imported into the cache once. They are found again by the digest of their file's bytes: a
    /// file that was touched or moved is not imported again, and one that changed is. Hashing costs about a second for
    /// each gigabyte, far less than what follows.
    pub fn from_files(
        cache: &Cache,
        documents: &Source,
        queries: Option<&Source>,
        qrels: Option<&Source>,
        progress: &dyn Progress,
    ) -> Result<Self, DatasetError> {
        let again = |source: &Source| Spooled::new(source).map_err(ReadError::from);
        let documents = again(documents)?;
        let (queries, qrels) = (queries.map(again).transpose()?, qrels.map(again).transpose()?);
        let files = OwnFiles::find(
            documents.source(),
            queries.as_ref().map(Spooled::source),
            qrels.as_ref().map(Spooled::source),
        )?;
        let (store, corpus_origin) = own_corpus(&files.documents, cache, progress)?;
        let topics = files.topics()?;
        let used: Vec<&Source> = std::iter::once(&files.queries).chain(&files.qrels).collect();
        let origin = OriginSource::Own { files: origin_files(&used)? };
        Ok(own_dataset(&files, store, topics, corpus_origin, origin))
    }
}

impl OwnFiles {
    fn find(
        documents: &Source,
        queries: Option<&Source>,
        qrels: Option<&Source>,
    ) -> Result<Self, DatasetError> {
        let folder = documents.path.is_dir().then_some(documents.path.as_path());
        let in_folder = |name: &str| folder.map(|folder| maybe_compressed(folder, name));
        let judged = in_folder("qrels/test.tsv").filter(|qrels| qrels.path.is_file());
        Ok(Self {
            documents: in_folder("corpus.jsonl").unwrap_or_else(|| documents.clone()),
            queries: queries
                .cloned()
                .or_else(|| in_folder("queries.jsonl"))
                .ok_or_else(|| DatasetError::NoQueries { documents: documents.to_string() })?,
            qrels: qrels.cloned().or(judged),
        })
    }

    fn topics(&self) -> Result<TopicSet, ReadError> {
        let queries = read_queries(&self.queries, QueryFormat::guess(&self.queries)?)?;
        let Some(qrels) = &self.qrels else {
            return Ok(TopicSet { queries, qrels: Qrels::default() });
        };
        let qrels = read_qrels(qrels, QrelsFormat::guess(qrels)?)?;
        Ok(TopicSet { queries, qrels }.select(Select::Judged))
    }
}

/// A file of a folder, plain or compressed; where there is none, the plain name, which the error then tells.
fn maybe_compressed(folder: &Path, name: &str) -> Source {
    let ends = ["", ".gz", ".zst"].map(|end| folder.join(format!("{name}{end}")));
    Source::file(ends.iter().find(|path| path.is_file()).unwrap_or(&ends[0]))
}

fn own_dataset(
    files: &OwnFiles,
    store: Store,
    topics: TopicSet,
    corpus_origin: OriginSource,
    origin: OriginSource,
) -> Dataset {
    let corpus_digest = store.digest();
    let card = own_card(&files.queries);
    let digest = dataset_digest(corpus_digest, &topics, card.exclude_query_id);
    let TopicSet { queries, qrels } = topics;
    let corpus: Arc<dyn Corpus> = Arc::new(store);
    let name = card.name.clone();
    let labels = Labels::new();
    Dataset {
        name,
        card,
        corpus,
        corpus_digest,
        corpus_origin,
        queries,
        qrels,
        labels,
        origin,
        digest,
    }
}

/// What is measured where nobody says what: the head and the depth of a ranking.
const MEASURES: [&str; 4] = ["nDCG@10", "RR@10", "AP", "R@100"];

/// What can be said of files that nobody described.
fn own_card(queries: &Source) -> Card {
    Card {
        name: format!("own:{queries}"),
        description: String::new(),
        language: String::new(),
        homepage: String::new(),
        scope: Scope::Full,
        sample_of: None,
        split: String::new(),
        measures: MEASURES.map(str::to_owned).to_vec(),
        exclude_query_id: false,
    }
}

fn own_corpus(
    source: &Source,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<(Store, OriginSource), DatasetError> {
    let format = DocumentFormat::guess(source)?;
    let key = key(source, format)?;
    let found = cache.folders().make(&own_name(key), &source.to_string(), |folder| {
        import(source, format, key, folder, progress)
    })?;
    let damaged = |error: crate::StoreError| DatasetError::Damaged {
        folder: found.path().to_owned(),
        name: source.to_string(),
        error: error.into(),
    };
    let store = Store::open(&found.file(STORE)).map_err(damaged)?;
    let origin = Origin::read(found.path()).map(|origin| origin.source);
    Ok((store, origin.unwrap_or(OriginSource::Own { files: Vec::new() })))
}

fn import(
    source: &Source,
    format: DocumentFormat,
    key: Digest,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    Store::import(&folder.join(STORE), 0, progress, |import| {
        read_documents(source, format, &mut |doc| Ok(import.add(doc)?))?;
        Ok(())
    })
    .map_err(|error| ImportError::Store { corpus: source.to_string(), error })?;
    let origin = OriginSource::Own { files: origin_files(&[source])? };
    Ok(Origin::new(origin, key).write(folder)?)
}

fn origin_files(sources: &[&Source]) -> Result<Vec<OriginFile>, ImportError> {
    let file =
        |source: &&Source| Ok(OriginFile { name: source.to_string(), sums: sums(&source.path)? });
    sources.iter().map(file).collect()
}

/// The digest of a file's bytes, and of what is read from it and how.
fn key(source: &Source, format: DocumentFormat) -> Result<Digest, ReadError> {
    let mut hasher = Hasher::new("own documents");
    hasher.part(format!("{format:?}")).part(source.member.as_deref().unwrap_or_default());
    hash_file(&source.path, &mut hasher)
        .map_err(|error| OpenError { path: source.path.clone(), source: error })?;
    Ok(hasher.digest())
}

fn hash_file(path: &Path, hasher: &mut Hasher) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut piece = Vec::new();
    // Pieces of one size, whatever a single read returns: the digest depends on where they end.
    while file.by_ref().take(PIECE).read_to_end(&mut piece)? > 0 {
        hasher.part(&piece);
        piece.clear();
    }
    Ok(())
}
