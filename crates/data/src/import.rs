//! Imports: documents, queries and judgements from files into the cache, counted and compared with the manifest.

use std::collections::HashSet;

use nir_core::{BoxError, Corpus, DocNo, Progress, Qrels};

use crate::cache::{Cache, corpus_name, dataset_name};
use crate::ids;
use crate::import_error::ImportError;
use crate::manifest::{
    CorpusManifest, Counts, DocIdPattern, DocumentSample, Documents, Manifest, QuerySample,
    TopicParts, Topics,
};
use crate::origin::{Origin, OriginSource};
use crate::store::{Import, Store};
use crate::topics::{TopicSet, answers_of, qrels_of, queries_of, translate};
use crate::{
    AnswersFormat, DocumentFormat, DocumentRef, Notes, QrelsFormat, QueryFormat, Read, Source,
    read_documents,
};

/// Text has never been seen packed better than 1 to 20; an archive that holds more is an attack or an accident.
const MOST_EXPANSION: u64 = 100;
/// The size in bytes that the documents of a small file may always unpack to.
const ALWAYS_FINE: u64 = 64 << 20;

/// The folder of the store inside the folder of a corpus.
pub(crate) const STORE: &str = "store";

/// Files that are to be imported, with what is known of them.
pub(crate) struct Incoming {
    pub(crate) sources: Vec<Source>,
    /// The size of all of these files in bytes.
    pub(crate) bytes: u64,
    pub(crate) origin: OriginSource,
}

/// Stores the documents of `incoming` as the corpus of `manifest`.
pub(crate) fn documents(
    cache: &Cache,
    manifest: &CorpusManifest,
    format: DocumentFormat,
    pattern: Option<&DocIdPattern>,
    incoming: Incoming,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let most = incoming.bytes.saturating_mul(MOST_EXPANSION).max(ALWAYS_FINE);
    store(cache, manifest, incoming.origin, progress, |import| {
        let mut intake = Intake { name: &manifest.name, import, bytes: 0, most };
        let mut said = Notes::default();
        for source in &incoming.sources {
            let notes = read_documents(source, format, &mut |doc| match pattern {
                None => intake.add(doc),
                Some(pattern) => {
                    intake.add(DocumentRef { doc_id: &pattern.apply(doc.doc_id), ..doc })
                }
            })?;
            said.extend(notes);
        }
        Ok(said)
    })
}

/// Stores those documents of `parent` that the sample names, in the order they have there.
pub(crate) fn sampled_documents(
    cache: &Cache,
    manifest: &CorpusManifest,
    sample: &DocumentSample,
    parent: &dyn Corpus,
    origin: OriginSource,
    progress: &dyn Progress,
) -> Result<(), ImportError> {
    let rows = sampled_rows(manifest, sample, parent)?;
    store(cache, manifest, origin, progress, |import| {
        for doc in rows {
            let (doc_id, title, text) = (parent.doc_id(doc), parent.title(doc), parent.text(doc));
            import.add(DocumentRef { doc_id, title, text })?;
        }
        Ok(Notes::default())
    })
}

/// Imports a corpus and gives it its name once it is what its manifest says.
fn store(
    cache: &Cache,
    manifest: &CorpusManifest,
    origin: OriginSource,
    progress: &dyn Progress,
    fill: impl FnOnce(&mut Import) -> Result<Notes, BoxError>,
) -> Result<(), ImportError> {
    let name = &manifest.name;
    let expected = manifest.count.unwrap_or(0) as u64;
    let recipe = manifest.recipe()?;
    let found = cache.folders().make_anew(&corpus_name(name), name, |folder| {
        let mut notes = Notes::default();
        let fill = |import: &mut Import| {
            notes = fill(import)?;
            Ok(())
        };
        let store = Store::import(&folder.join(STORE), expected, progress, fill)
            .map_err(|error| ImportError::store(name, error))?;
        check_count(name, "documents", store.len(), manifest.count)?;
        if let Documents::Sample(sample) = &manifest.documents {
            check_sampled_documents(manifest, sample, &store)?;
        }
        Ok(Origin::new(origin, recipe).noting(&notes).write(folder)?)
    });
    found.map(drop)
}

fn sampled_rows(
    manifest: &CorpusManifest,
    sample: &DocumentSample,
    parent: &dyn Corpus,
) -> Result<Vec<DocNo>, ImportError> {
    let ids = ids::read(&manifest.folder, &sample.documents)?;
    let mut rows: Vec<DocNo> = ids.iter().filter_map(|id| parent.doc_no(id)).collect();
    complete(&manifest.name, "document", &ids, |id| parent.doc_no(id).is_some())?;
    rows.sort_unstable();
    Ok(rows)
}

/// Keeps queries and judgements in the cache, once they are what the manifest says.
pub(crate) fn topics(
    cache: &Cache,
    manifest: &Manifest,
    Read { value: topics, notes }: &Read<TopicSet>,
    origin: OriginSource,
) -> Result<(), ImportError> {
    check_counts(&manifest.name, topics, &manifest.counts)?;
    let (name, recipe) = (&manifest.name, manifest.recipe()?);
    let found = cache.folders().make_anew(&dataset_name(name), name, |folder| {
        topics.write(folder)?;
        Origin::new(origin, recipe).noting(notes).write(folder)
    });
    Ok(found.map(drop)?)
}

/// Reads official queries with their judgements or answers; the files of a part that the dataset has not are none.
pub(crate) fn read_topics(
    parts: &TopicParts,
    queries: &[Source],
    qrels: &[Source],
    answers: &[Source],
) -> Result<Read<TopicSet>, ImportError> {
    let qrels = match &parts.qrels {
        Some(part) => translate(&qrels_of(qrels, part.format)?, part, part.doc_id.as_ref())?,
        None => Qrels::default(),
    };
    let Read { value: answers, notes: mut said } = match &parts.answers {
        Some(part) => answers_of(answers, part.format)?,
        None => Read::default(),
    };
    let part = &parts.queries;
    let Read { value: queries, notes } = queries_of(queries, part.format, &part.fields)?;
    said.extend(notes);
    Ok(Read { value: TopicSet { queries, qrels, answers }.select(part.select), notes: said })
}

/// Reads queries and judgements of a plain folder: as TREC and MS MARCO write them, with the doc_ids of the dataset. A dataset
/// with answers has a file of those in the place of judgements.
pub(crate) fn read_plain_topics(
    manifest: &Manifest,
    queries: &Source,
    judged: &Source,
    by_answers: bool,
) -> Result<Read<TopicSet>, ImportError> {
    let Read { value: queries, notes } =
        queries_of(std::slice::from_ref(queries), QueryFormat::Tsv, &[])?;
    let judged = std::slice::from_ref(judged);
    let topics = match by_answers {
        true => {
            let answers = answers_of(judged, AnswersFormat::Jsonl)?.value;
            TopicSet { queries, answers, ..TopicSet::default() }
        }
        false => {
            TopicSet { queries, qrels: qrels_of(judged, QrelsFormat::Trec)?, ..TopicSet::default() }
        }
    };
    let value = match &manifest.topics {
        Topics::Sample(sample) => checked_sample(manifest, sample, topics)?,
        Topics::Files(parts) | Topics::Embedded(parts) => {
            let qrels = match &parts.qrels {
                Some(part) => translate(&topics.qrels, part, None)?,
                None => Qrels::default(),
            };
            TopicSet { qrels, ..topics }.select(parts.queries.select)
        }
    };
    Ok(Read { value, notes })
}

/// The queries and judgements of `parent` that a sample names.
pub(crate) fn sampled_topics(
    manifest: &Manifest,
    sample: &QuerySample,
    parent: &TopicSet,
) -> Result<Read<TopicSet>, ImportError> {
    let ids: HashSet<String> = ids::read_set(&manifest.folder, &sample.queries)?;
    let value = checked_sample(manifest, sample, parent.restrict(&ids))?;
    Ok(Read { value, notes: Notes::default() })
}

fn checked_sample(
    manifest: &Manifest,
    sample: &QuerySample,
    topics: TopicSet,
) -> Result<TopicSet, ImportError> {
    let ids = ids::read(&manifest.folder, &sample.queries)?;
    let there: HashSet<&str> = topics.queries.iter().map(|q| q.query_id.as_str()).collect();
    complete(&manifest.name, "query", &ids, |id| there.contains(id))?;
    foreign(&manifest.name, "query", &ids, there.into_iter())?;
    Ok(topics)
}

/// Documents of a plain folder must be those of the sample.
fn check_sampled_documents(
    manifest: &CorpusManifest,
    sample: &DocumentSample,
    corpus: &dyn Corpus,
) -> Result<(), ImportError> {
    let ids = ids::read(&manifest.folder, &sample.documents)?;
    complete(&manifest.name, "document", &ids, |id| corpus.doc_no(id).is_some())?;
    let names = (0..corpus.len()).map(|row| corpus.doc_id(DocNo(row as u32)));
    foreign(&manifest.name, "document", &ids, names)
}

fn complete(
    name: &str,
    what: &'static str,
    ids: &[String],
    there: impl Fn(&str) -> bool,
) -> Result<(), ImportError> {
    let mut missing = ids.iter().filter(|id| !there(id));
    match missing.next() {
        None => Ok(()),
        Some(first) => Err(ImportError::Missing {
            name: name.into(),
            what,
            first: first.clone(),
            missing: missing.count(),
        }),
    }
}

fn foreign<'i>(
    name: &str,
    what: &'static str,
    ids: &[String],
    mut there: impl Iterator<Item = &'i str>,
) -> Result<(), ImportError> {
    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
    match there.find(|id| !ids.contains(id)) {
        None => Ok(()),
        Some(first) => Err(ImportError::Foreign { name: name.into(), what, first: first.into() }),
    }
}

fn check_counts(name: &str, topics: &TopicSet, counts: &Counts) -> Result<(), ImportError> {
    check_count(name, "queries", topics.queries.len(), counts.queries)?;
    check_count(name, "judgements", topics.qrels.judgements(), counts.judgements)?;
    let judged = topics.qrels.len() + topics.answers.len();
    check_count(name, "judged queries", judged, counts.judged_queries)
}

fn check_count(
    name: &str,
    what: &'static str,
    found: usize,
    expected: Option<usize>,
) -> Result<(), ImportError> {
    match expected {
        Some(expected) if expected != found => {
            Err(ImportError::Count { name: name.into(), what, found, expected })
        }
        _ => Ok(()),
    }
}

/// Documents on their way into a store, with a limit on how much text may come.
struct Intake<'i> {
    name: &'i str,
    import: &'i mut Import,
    bytes: u64,
    most: u64,
}

impl Intake<'_> {
    fn add(&mut self, doc: DocumentRef<'_>) -> Result<(), BoxError> {
        self.bytes += (doc.doc_id.len() + doc.title.len() + doc.text.len()) as u64;
        if self.bytes > self.most {
            let corpus = self.name.to_owned();
            return Err(ImportError::TooLarge { corpus, most: self.most }.into());
        }
        Ok(self.import.add(doc)?)
    }
}
