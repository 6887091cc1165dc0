//! Which files of a user hold what.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nir_core::{Corpus, Qrels};

use crate::dataset::DatasetError;
use crate::manifest::Select;
use crate::open::PACKED_ENDINGS;
use crate::overlap::{Judged, NoOverlap};
use crate::topics::TopicSet;
use crate::{OpenError, Read, ReadError, Source, read_any_qrels, read_any_queries};

/// The files of a user's own collection.
pub(crate) struct OwnFiles {
    /// As the user named them.
    named: Source,
    /// In the order in which they are read.
    pub(crate) documents: Vec<Source>,
    pub(crate) queries: Source,
    pub(crate) qrels: Option<Source>,
}

impl OwnFiles {
    /// Finds what the user did not name. A folder is BEIR's if it has BEIR's names in it; in any other, every file
    /// holds documents, in the order of their paths.
    pub(crate) fn find(
        named: &Source,
        queries: Option<&Source>,
        qrels: Option<&Source>,
    ) -> Result<Self, DatasetError> {
        let folder = Some(named.path.as_path()).filter(|path| path.is_dir());
        let beir = folder.filter(|folder| is_beir(folder));
        let in_beir = |name: &str| beir.map(|folder| maybe_compressed(folder, name));
        let judged = in_beir("qrels/test.tsv").filter(|qrels| qrels.path.is_file());
        let documents = match (in_beir("corpus.jsonl"), folder) {
            (Some(corpus), _) => vec![corpus],
            (None, Some(folder)) => files_below(folder)?,
            (None, None) => vec![named.clone()],
        };
        let queries = queries.cloned().or_else(|| in_beir("queries.jsonl"));
        Ok(Self {
            named: named.clone(),
            documents,
            queries: queries
                .ok_or_else(|| DatasetError::NoQueries { documents: named.to_string() })?,
            qrels: qrels.cloned().or(judged),
        })
    }

    /// Queries and judgements, with what is to be said of them and of how they fit the documents.
    pub(crate) fn topics(
        &self,
        corpus: &dyn Corpus,
    ) -> Result<(TopicSet, Vec<String>), DatasetError> {
        let Read { value: queries, notes } = read_any_queries(&self.queries)?;
        let mut said: Vec<String> = notes.sentences().collect();
        let Some(qrels) = &self.qrels else {
            return Ok((TopicSet { queries, qrels: Qrels::default() }, said));
        };
        let topics = TopicSet { queries, qrels: read_any_qrels(qrels)? };
        said.extend(self.misfits(qrels, &topics, corpus).map_err(Box::new)?);
        Ok((topics.select(Select::Judged), said))
    }

    fn misfits(
        &self,
        qrels: &Source,
        topics: &TopicSet,
        corpus: &dyn Corpus,
    ) -> Result<Vec<String>, NoOverlap> {
        let [documents, queries, qrels] =
            [&self.named, &self.queries, qrels].map(Source::to_string);
        let judged = Judged {
            qrels: (&qrels, &topics.qrels),
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
