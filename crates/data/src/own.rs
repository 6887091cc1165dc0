//! A user's own data, without a manifest.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use nir_core::{Corpus, Digest, Hasher, Progress};

use crate::cache::{Cache, own_name};
use crate::candidates::CandidateRuns;
use crate::dataset::{Dataset, DatasetError, Labels};
use crate::files::sums;
use crate::import::STORE;
use crate::import_error::ImportError;
use crate::manifest::{Card, Scope};
use crate::origin::{Origin, OriginFile, OriginSource};
use crate::own_files::{Own, OwnFiles};
use crate::spool::Spooled;
use crate::topics::{TopicSet, dataset_digest};
use crate::{DocumentFormat, Notes, OpenError, ReadError, Source, Store};
use crate::{document_format, read_documents};

const PIECE: u64 = 1 << 20;

impl Dataset {
    /// Opens a user's own files; how they begin, or else their names, tell their formats. What they hold that does not
    /// belong together is counted in [`Dataset::notes`]; where nothing does, that is an error.
    ///
    /// The documents may be a folder laid out as BEIR does it (`corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`); then
    /// queries and qrels need not be named. Of any other folder, all files are read as documents.
    ///
    /// Standard input (`-`) and other pipes are copied to a temporary file first, and their content tells the format.
    ///
    /// The documents are imported into the cache once. They are found again by the digest of their file's bytes: a
    /// file that was touched or moved is not imported again, and one that changed is. Hashing costs about a second for
    /// each gigabyte, far less than what follows.
    pub fn from_files(
        cache: &Cache,
        own: &Own,
        progress: &dyn Progress,
    ) -> Result<Self, DatasetError> {
        let again = |source: &Source| Spooled::new(source).map_err(ReadError::from);
        let documents = again(&own.documents)?;
        let queries = own.queries.as_ref().map(again).transpose()?;
        let qrels = own.qrels.as_ref().map(again).transpose()?;
        let answers = own.answers.as_ref().map(again).transpose()?;
        let files = OwnFiles::find(&Own {
            documents: documents.source().clone(),
            queries: queries.as_ref().map(|spooled| spooled.source().clone()),
            qrels: qrels.as_ref().map(|spooled| spooled.source().clone()),
            answers: answers.as_ref().map(|spooled| spooled.source().clone()),
            ..own.clone()
        })?;
        let (store, corpus_origin) = own_corpus(&files.documents, cache, progress)?;
        let (topics, said) = files.topics(&store)?;
        let used: Vec<&Source> =
            files.queries.iter().chain(&files.qrels).chain(&files.answers).collect();
        let origin = OriginSource::Own { files: origin_files(&used)? };
        let mut dataset = own_dataset(&files, store, topics, corpus_origin.source, origin);
        let queries = files.queries.as_ref().map(Source::to_string);
        dataset.check_not_empty(&files.documents[0].to_string(), queries.as_deref())?;
        dataset.notes = [corpus_origin.notes, said].concat();
        Ok(dataset)
    }
}

fn own_dataset(
    files: &OwnFiles,
    store: Store,
    topics: TopicSet,
    corpus_origin: OriginSource,
    origin: OriginSource,
) -> Dataset {
    let corpus_digest = store.digest();
    let card = own_card(files);
    let digest = dataset_digest(corpus_digest, &topics, card.exclude_query_id);
    let TopicSet { queries, qrels, answers } = topics;
    let corpus: Arc<dyn Corpus> = Arc::new(store);
    let name = card.name.clone();
    let labels = Labels::new();
    let candidates = Arc::new(CandidateRuns::none(&name));
    Dataset {
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
        notes: Vec::new(),
    }
}

/// The measures if the user names none: they cover the head and the depth of a ranking.
const MEASURES: [&str; 4] = ["nDCG@10", "RR@10", "AP", "R@100"];
/// Those of a collection with answers: what the tables of open-domain question answering have.
const MEASURES_BY_ANSWERS: [&str; 4] = ["Accuracy@20", "Accuracy@100", "Accuracy@5", "Accuracy@1"];

/// What can be said of files that nobody described.
fn own_card(files: &OwnFiles) -> Card {
    let file = files.queries.as_ref().unwrap_or(&files.named);
    let measures = if files.answers.is_some() { MEASURES_BY_ANSWERS } else { MEASURES };
    Card {
        name: format!("own:{file}"),
        description: String::new(),
        language: String::new(),
        homepage: String::new(),
        scope: Scope::Full,
        sample_of: None,
        split: String::new(),
        measures: measures.map(str::to_owned).to_vec(),
        exclude_query_id: false,
    }
}

fn own_corpus(
    sources: &[Source],
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<(Store, Origin), DatasetError> {
    let files = sources
        .iter()
        .map(|source| Ok((source, document_format(source)?)))
        .collect::<Result<Vec<_>, ReadError>>()?;
    let key = key(&files)?;
    let name = sources[0].to_string();
    let found = cache
        .folders()
        .make(&own_name(key), &name, |folder| import(&files, key, folder, progress))?;
    let damaged = |error: crate::StoreError| DatasetError::Damaged {
        folder: found.path().to_owned(),
        name: name.clone(),
        error: error.into(),
    };
    let store = Store::open(&found.file(STORE)).map_err(damaged)?;
    let unknown = || Origin::new(OriginSource::Own { files: Vec::new() }, key);
    Ok((store, Origin::read(found.path()).unwrap_or_else(unknown)))
}

fn import(
    files: &[(&Source, DocumentFormat)],
    key: Digest,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let mut notes = Notes::default();
    Store::import(&folder.join(STORE), 0, progress, |import| {
        for (source, format) in files {
            notes.extend(read_documents(source, *format, &mut |doc| Ok(import.add(doc)?))?);
        }
        Ok(())
    })
    .map_err(|error| ImportError::store(&files[0].0.to_string(), error))?;
    let sources: Vec<&Source> = files.iter().map(|(source, _)| *source).collect();
    let origin = OriginSource::Own { files: origin_files(&sources)? };
    Ok(Origin::new(origin, key).noting(&notes).write(folder)?)
}

fn origin_files(sources: &[&Source]) -> Result<Vec<OriginFile>, ImportError> {
    let file =
        |source: &&Source| Ok(OriginFile { name: source.to_string(), sums: sums(&source.path)? });
    sources.iter().map(file).collect()
}

/// The version of the code that makes documents of a file; raised when the same file gives other documents.
const READERS: &str = "readers 2";

/// The digest of the files' bytes, and of what is read from them and how.
fn key(files: &[(&Source, DocumentFormat)]) -> Result<Digest, ReadError> {
    let mut hasher = Hasher::new("own documents");
    hasher.part(READERS);
    for (source, format) in files {
        hasher.part(format!("{format:?}")).part(source.member.as_deref().unwrap_or_default());
        hash_file(&source.path, &mut hasher)
            .map_err(|error| OpenError { path: source.path.clone(), source: error })?;
    }
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
