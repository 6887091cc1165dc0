//! Every format by hand: what a good file says, and what is said of a bad one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod beir;
mod bounds;
mod candidates;
mod dpr;
mod later;
mod parquet;
mod smart;
mod texts;
mod trec;
mod tsv;

use std::path::Path;

use nir_core::{Document, Qrels, Queries};
use nir_data::{
    DocumentFormat, QrelsFormat, QueryFormat, ReadError, Source, read_documents, read_qrels,
    read_queries,
};

/// A file in a folder of its own.
struct Sample {
    dir: tempfile::TempDir,
    source: Source,
}

impl Sample {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join(name);
        std::fs::write(&path, content).expect("the folder is new and writable");
        Self { source: Source::file(path), dir }
    }

    /// The error as a user sees it who stands in the folder.
    fn say(&self, error: &ReadError) -> String {
        self.without_folder(&error.to_string())
    }

    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

/// The documents of a file, or what is wrong with it.
fn documents(format: DocumentFormat, content: impl AsRef<[u8]>) -> Result<Vec<Document>, String> {
    let sample = Sample::new("docs", content);
    gather(&sample.source, format).map_err(|error| sample.say(&error))
}

fn queries(format: QueryFormat, content: impl AsRef<[u8]>) -> Result<Queries, String> {
    let sample = Sample::new("queries", content);
    read_queries(&sample.source, format).map(|read| read.value).map_err(|error| sample.say(&error))
}

/// What is said of documents that can be read.
fn said_of_documents(format: DocumentFormat, content: impl AsRef<[u8]>) -> Vec<String> {
    let sample = Sample::new("docs", content);
    let notes = read_documents(&sample.source, format, &mut |_| Ok(())).expect("they can be read");
    notes.sentences().map(|said| sample.without_folder(&said)).collect()
}

/// What is said of queries that can be read.
fn said_of_queries(format: QueryFormat, content: impl AsRef<[u8]>) -> Vec<String> {
    let sample = Sample::new("queries", content);
    let notes = read_queries(&sample.source, format).expect("they can be read").notes;
    notes.sentences().map(|said| sample.without_folder(&said)).collect()
}

fn qrels(format: QrelsFormat, content: impl AsRef<[u8]>) -> Result<Qrels, String> {
    let sample = Sample::new("qrels", content);
    read_qrels(&sample.source, format).map_err(|error| sample.say(&error))
}

fn gather(source: &Source, format: DocumentFormat) -> Result<Vec<Document>, ReadError> {
    let mut documents = Vec::new();
    let read = read_documents(source, format, &mut |doc| {
        documents.push(document(doc.doc_id, doc.title, doc.text));
        Ok(())
    });
    read.map(|_| documents)
}

fn document(doc_id: &str, title: &str, text: &str) -> Document {
    Document { doc_id: doc_id.into(), title: title.into(), text: text.into() }
}

fn pairs(queries: &Queries) -> Vec<(&str, &str)> {
    queries.iter().map(|query| (query.query_id.as_str(), query.text.as_str())).collect()
}

/// A file that lies beside the tests.
fn fixture(name: &str) -> Source {
    Source::file(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(name))
}
