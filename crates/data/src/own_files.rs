//! Which files of a user hold what.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nir_core::Corpus;

use crate::dataset::DatasetError;
use crate::manifest::Select;
use crate::open::PACKED_ENDINGS;
use crate::overlap::{Judged, NoOverlap};
use crate::topics::TopicSet;
use crate::{
    OpenError, Read, ReadError, Source, TopicField, read_any_answers, read_any_qrels,
    read_any_queries, read_topics,
};

/// What a user names in place of a dataset.
#[derive(Debug, Clone)]
pub struct Own {
    /// The documents: a file, or a folder.
    pub documents: Source,
    /// The queries; without them only the documents are opened, unless the folder is laid out as BEIR does it.
    pub queries: Option<Source>,
    /// The judgements.
    pub qrels: Option<Source>,
    /// The answers to the queries, which passages are judged by in place of judgements.
    pub answers: Option<Source>,
    /// Whether all queries belong to the collection, or those with a judgement where there are judgements.
    pub select: Select,
    /// The fields of TREC topics that make the text of a query; the title where none are named.
    pub fields: Vec<TopicField>,
}

/// The files of a user's own collection.
pub(crate) struct OwnFiles {
    /// As the user named them.
    pub(crate) named: Source,
    /// The files in the order in which they are read.
    pub(crate) documents: Vec<Source>,
    /// None where only documents are searched.
    pub(crate) queries: Option<Source>,
    pub(crate) qrels: Option<Source>,
    pub(crate) answers: Option<Source>,
    select: Select,
    fields: Vec<TopicField>,
}

impl OwnFiles {
    /// Finds what the user did not name. A folder is BEIR's if it has BEIR's names in it; in any other, every file
    /// holds documents, in the order of their paths.
    pub(crate) fn find(own: &Own) -> Result<Self, DatasetError> {
        let named = &own.documents;
        let folder = Some(named.path.as_path()).filter(|path| path.is_dir());
        let beir = folder.filter(|folder| is_beir(folder));
        let in_beir = |name: &str| beir.map(|folder| maybe_compressed(folder, name));
        let judged =
            in_beir("qrels/test.tsv").filter(|qrels| qrels.path.is_file() && own.answers.is_none());
        let documents = match (in_beir("corpus.jsonl"), folder) {
            (Some(corpus), _) => vec![corpus],
            (None, Some(folder)) => files_below(folder)?,
            (None, None) => vec![named.clone()],
        };
        Ok(Self {
            named: named.clone(),
            documents,
            queries: own.queries.clone().or_else(|| in_beir("queries.jsonl")),
            qrels: own.qrels.clone().or(judged),
            answers: own.answers.clone(),
            select: own.select,
            fields: own.fields.clone(),
        })
    }

    /// The queries that are selected and all judgements, with what is to be said of them and of how they fit the documents.
    pub(crate) fn topics(
        &self,
        corpus: &dyn Corpus,
    ) -> Result<(TopicSet, Vec<String>), DatasetError> {
        let Some(file) = &self.queries else { return Ok((TopicSet::default(), Vec::new())) };
        let Read { value: queries, notes } = match &self.fields[..] {
            [] => read_any_queries(file)?,
            fields => read_topics(file, fields)?,
        };
        let mut said: Vec<String> = notes.sentences().collect();
        let mut topics = TopicSet { queries, ..TopicSet::default() };
        if let Some(qrels) = &self.qrels {
            topics.qrels = read_any_qrels(qrels)?;
        }
        if let Some(answers) = &self.answers {
            let Read { value, notes } = read_any_answers(answers)?;
            topics.answers = value;
            said.extend(notes.sentences());
        }
        let Some(judged) = self.qrels.as_ref().or(self.answers.as_ref()) else {
            return Ok((topics, said));
        };
        said.extend(self.misfits(file, judged, &topics, corpus).map_err(Box::new)?);
        Ok((topics.select(self.select), said))
    }

    fn misfits(
        &self,
        queries: &Source,
        judged: &Source,
        topics: &TopicSet,
        corpus: &dyn Corpus,
    ) -> Result<Vec<String>, NoOverlap> {
        let [documents, queries, judged] = [&self.named, queries, judged].map(Source::to_string);
        let judged = Judged {
            qrels: (&judged, &topics.qrels),
            answers: &topics.answers,
            queries: (&queries, &topics.queries),
            corpus: (&documents, corpus),
        };
        judged.misfits()
    }
}

fn is_beir(folder: &Path) -> bool {
    let names = ["corpus.jsonl", "queries.jsonl"];
    folder.join("qrels").is_dir()
        || names.iter().any(|name| maybe_compressed(folder, name).path.is_file())
}

/// A file of a folder, plain or compressed; where there is none, the plain name, which the error then tells.
fn maybe_compressed(folder: &Path, name: &str) -> Source {
    let plain = folder.join(name);
    let packed = PACKED_ENDINGS.map(|end| folder.join(format!("{name}{end}")));
    let there = std::iter::once(&plain).chain(&packed).find(|path| path.is_file());
    Source::file(there.unwrap_or(&plain))
}

/// All files below a folder whose names do not begin with a dot, in the order of their paths.
fn files_below(folder: &Path) -> Result<Vec<Source>, ReadError> {
    let mut files = Vec::new();
    add_files(folder, &mut files)
        .map_err(|source| OpenError { path: folder.to_owned(), source })?;
    files.sort();
    if files.is_empty() {
        let source = io::Error::new(io::ErrorKind::NotFound, "a folder without files");
        return Err(OpenError { path: folder.to_owned(), source }.into());
    }
    Ok(files.into_iter().map(Source::file).collect())
}

fn add_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A link to a folder is not followed: it could lead around in a circle.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => add_files(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}
