//! Queries and judgements: read from their files, made one set, kept in the cache.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use nir_core::{Digest, Hasher, Qrels, Queries, Query};

use crate::cache::{CacheError, at};
use crate::import_error::ImportError;
use crate::manifest::{DocIdPattern, QrelsPart, Select};
use crate::{
    Notes, QrelsFormat, QueryFormat, Read, ReadError, Source, TopicField, read_qrels, read_queries,
    read_topics,
};

const QUERIES: &str = "queries.jsonl";
const QRELS: &str = "qrels.txt";

/// Queries and judgements.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TopicSet {
    pub(crate) queries: Queries,
    pub(crate) qrels: Qrels,
}

impl TopicSet {
    /// Leaves out queries that do not belong to the dataset.
    pub(crate) fn select(self, select: Select) -> Self {
        match select {
            Select::All => self,
            Select::Judged => {
                let judged: HashSet<String> = self.qrels.iter().map(|(id, _)| id.into()).collect();
                Self { queries: only(&self.queries, &judged), qrels: self.qrels }
            }
        }
    }

    /// The queries named by `ids`, with all of their judgements.
    pub(crate) fn restrict(&self, ids: &HashSet<String>) -> Self {
        let judged = self.qrels.iter().filter(|(query_id, _)| ids.contains(*query_id));
        Self { queries: only(&self.queries, ids), qrels: judged.flat_map(of_query).collect() }
    }

    /// Writes both files into a folder of the cache.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), CacheError> {
        let (queries, qrels) = (folder.join(QUERIES), folder.join(QRELS));
        write_file(&queries, |out| write_queries(out, &self.queries)).map_err(at(&queries))?;
        write_file(&qrels, |out| write_qrels(out, &self.qrels)).map_err(at(&qrels))
    }

    /// Reads the files that [`TopicSet::write`] wrote.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            // What there was to say of them was said when they were written.
            queries: read_queries(&Source::file(folder.join(QUERIES)), QueryFormat::BeirJsonl)?
                .value,
            qrels: read_qrels(&Source::file(folder.join(QRELS)), QrelsFormat::Trec)?,
        })
    }

    /// Adds everything that distinguishes this set from any other to a digest.
    pub(crate) fn add_to(&self, hasher: &mut Hasher) {
        for query in self.queries.iter() {
            hasher.part(&query.query_id).part(&query.text);
        }
        hasher.part("qrels");
        for (query_id, doc_id, grade) in sorted(&self.qrels) {
            hasher.part(query_id).part(doc_id).part(grade.to_le_bytes());
        }
    }
}

/// The digest of a dataset: two with the same digest measure the same.
pub(crate) fn dataset_digest(corpus: Digest, topics: &TopicSet, exclude_query_id: bool) -> Digest {
    let mut hasher = Hasher::new("dataset");
    hasher.part(corpus.hex()).part([u8::from(exclude_query_id)]);
    topics.add_to(&mut hasher);
    hasher.digest()
}

/// Reads queries from several files; one that stands in two of them word for word is taken once.
pub(crate) fn queries_of(
    sources: &[Source],
    format: QueryFormat,
    fields: &[TopicField],
) -> Result<Read<Queries>, ImportError> {
    let mut all: Vec<Query> = Vec::new();
    let mut said = Notes::default();
    for source in sources {
        let Read { value: more, notes } = match fields {
            [] => read_queries(source, format)?,
            fields => read_topics(source, fields)?,
        };
        said.extend(notes);
        if all.is_empty() {
            all = more.to_vec();
        } else {
            let known: HashSet<(String, String)> =
                all.iter().map(|query| (query.query_id.clone(), query.text.clone())).collect();
            let new =
                |query: &&Query| !known.contains(&(query.query_id.clone(), query.text.clone()));
            all.extend(more.iter().filter(new).cloned());
        }
    }
    Ok(Read { value: Queries::new(all)?, notes: said })
}

/// Reads judgements from several files; a pair may be judged twice only with the same grade.
pub(crate) fn qrels_of(sources: &[Source], format: QrelsFormat) -> Result<Qrels, ImportError> {
    let mut all = Qrels::default();
    for source in sources {
        for (query_id, doc_id, grade) in sorted(&read_qrels(source, format)?) {
            if let Some(before) = all.insert(query_id, doc_id, grade)
                && before != grade
            {
                let (query_id, doc_id) = (query_id.to_owned(), doc_id.to_owned());
                return Err(ImportError::TwoGrades { query_id, doc_id, before, grade });
            }
        }
    }
    Ok(all)
}

/// Turns the codes and numbers of the files into grades and doc_ids.
pub(crate) fn translate(
    qrels: &Qrels,
    part: &QrelsPart,
    doc_id: Option<&DocIdPattern>,
) -> Result<Qrels, ImportError> {
    let mut translated = Qrels::default();
    for (query_id, doc, code) in sorted(qrels) {
        let grade = match &part.grades {
            None => code,
            Some(grades) => *grades.get(&code).ok_or_else(|| ImportError::Code {
                code,
                query_id: query_id.to_owned(),
                known: grades.keys().copied().collect(),
            })?,
        };
        let doc = doc_id.map_or_else(|| doc.to_owned(), |pattern| pattern.apply(doc));
        translated.insert(query_id, &doc, grade);
    }
    Ok(translated)
}

/// All judgements, sorted by query and document.
pub(crate) fn sorted(qrels: &Qrels) -> Vec<(&str, &str, i32)> {
    let mut all: Vec<_> = qrels.iter().flat_map(of_query).collect();
    all.sort_unstable();
    all
}

fn of_query<'q, S>(
    (query_id, docs): (&'q str, &'q HashMap<String, i32, S>),
) -> impl Iterator<Item = (&'q str, &'q str, i32)> {
    docs.iter().map(move |(doc_id, &grade)| (query_id, doc_id.as_str(), grade))
}

fn only(queries: &Queries, ids: &HashSet<String>) -> Queries {
    let kept = queries.iter().filter(|query| ids.contains(&query.query_id)).cloned().collect();
    Queries::new(kept).expect("a part of unique names is unique")
}

fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(fs::File::create(path)?);
    write(&mut out)?;
    out.flush()
}

fn write_queries(out: &mut impl Write, queries: &Queries) -> io::Result<()> {
    for query in queries.iter() {
        let line = serde_json::json!({ "_id": query.query_id, "text": query.text });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn write_qrels(out: &mut impl Write, qrels: &Qrels) -> io::Result<()> {
    for (query_id, doc_id, grade) in sorted(qrels) {
        writeln!(out, "{query_id} 0 {doc_id} {grade}")?;
    }
    Ok(())
}
