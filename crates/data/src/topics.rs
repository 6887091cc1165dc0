//! Queries with their judgements or answers: read from their files, made one set, kept in the cache.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use nir_core::{Answers, Digest, Hasher, Qrels, Queries, Query};

use crate::cache::{CacheError, at};
use crate::import_error::ImportError;
use crate::manifest::{DocIdPattern, QrelsPart, Select};
use crate::{
    AnswersFormat, Notes, QrelsFormat, QueryFormat, Read, ReadError, Source, TopicField,
    read_answers, read_qrels, read_queries, read_topics,
};

const QUERIES: &str = "queries.jsonl";
const QRELS: &str = "qrels.txt";
const ANSWERS: &str = "answers.jsonl";

/// Queries with their judgements or their answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TopicSet {
    pub(crate) queries: Queries,
    pub(crate) qrels: Qrels,
    pub(crate) answers: Answers,
}

impl TopicSet {
    /// Leaves out queries that do not belong to the dataset.
    pub(crate) fn select(self, select: Select) -> Self {
        match select {
            Select::All => self,
            Select::Judged => {
                let judged = self.qrels.iter().map(|(id, _)| id.to_owned());
                let answered = self.answers.iter().map(|(id, _)| id.to_owned());
                let ids: HashSet<String> = judged.chain(answered).collect();
                Self { queries: only(&self.queries, &ids), ..self }
            }
        }
    }

    /// The queries named by `ids`, with all of their judgements and answers.
    pub(crate) fn restrict(&self, ids: &HashSet<String>) -> Self {
        let judged = self.qrels.iter().filter(|(query_id, _)| ids.contains(*query_id));
        let answers = self.answers.iter().filter(|(query_id, _)| ids.contains(*query_id));
        Self {
            queries: only(&self.queries, ids),
            qrels: judged.flat_map(of_query).collect(),
            answers: answers.map(|(query_id, answers)| (query_id, answers.to_vec())).collect(),
        }
    }

    /// Writes its files into a folder of the cache; that of the answers only where there are any.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), CacheError> {
        let (queries, qrels) = (folder.join(QUERIES), folder.join(QRELS));
        write_file(&queries, |out| write_queries(out, &self.queries)).map_err(at(&queries))?;
        write_file(&qrels, |out| write_qrels(out, &self.qrels)).map_err(at(&qrels))?;
        if self.answers.is_empty() {
            return Ok(());
        }
        let answers = folder.join(ANSWERS);
        write_file(&answers, |out| write_answers(out, &self.answers)).map_err(at(&answers))
    }

    /// Reads the files that [`TopicSet::write`] wrote.
    pub(crate) fn read(folder: &Path) -> Result<Self, ReadError> {
        let answers = folder.join(ANSWERS);
        let answers = match answers.is_file() {
            true => read_answers(&Source::file(answers), AnswersFormat::Jsonl)?.value,
            false => Answers::default(),
        };
        Ok(Self {
            // What there was to say of them was said when they were written.
            queries: read_queries(&Source::file(folder.join(QUERIES)), QueryFormat::BeirJsonl)?
                .value,
            qrels: read_qrels(&Source::file(folder.join(QRELS)), QrelsFormat::Trec)?,
            answers,
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
        if self.answers.is_empty() {
            return;
        }
        hasher.part("answers");
        for (query_id, answers) in self.answers.iter() {
            hasher.part(query_id).part((answers.len() as u64).to_le_bytes());
            answers.iter().for_each(|answer| _ = hasher.part(answer));
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

/// Reads answers from several files; a query may have them in one.
pub(crate) fn answers_of(
    sources: &[Source],
    format: AnswersFormat,
) -> Result<Read<Answers>, ImportError> {
    let (mut all, mut said) = (Answers::default(), Notes::default());
    for source in sources {
        let Read { value, notes } = read_answers(source, format)?;
        said.extend(notes);
        for (query_id, answers) in value.iter() {
            if all.insert(query_id, answers.to_vec()).is_some() {
                return Err(ImportError::TwoAnswers { query_id: query_id.to_owned() });
            }
        }
    }
    Ok(Read { value: all, notes: said })
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

fn write_answers(out: &mut impl Write, answers: &Answers) -> io::Result<()> {
    for (query_id, answers) in answers.iter() {
        let line = serde_json::json!({ "query_id": query_id, "answers": answers });
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
