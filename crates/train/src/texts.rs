//! Texts by their names.

use std::path::Path;

use nir_data::{DocumentFormat, Notes, QueryFormat, Source, read_documents, read_queries};
use rustc_hash::FxHashMap;

use crate::{Error, Result};

/// Refuses a file that can be read only by interpreting it: a training must be described by its recipe alone.
fn refuse(notes: &Notes) -> Result<()> {
    match notes.sentences().next() {
        None => Ok(()),
        Some(note) => Err(Error::Texts(note)),
    }
}

/// Documents or queries, in the order of their files.
#[derive(Debug, Default)]
pub struct Texts {
    texts: Vec<(String, String)>,
    rows: FxHashMap<String, usize>,
}

impl Texts {
    /// Reads files of documents, `doc_id TAB text`. A document that stands in several files is kept once. Fails if a
    /// file cannot be read or is not plain.
    pub fn documents(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let mut texts = Self::default();
        for path in paths {
            let source = Source::file(path.as_ref());
            let notes = read_documents(&source, DocumentFormat::Tsv, &mut |document| {
                texts.add(document.doc_id, document.text);
                Ok(())
            })?;
            refuse(&notes)?;
        }
        Ok(texts)
    }

    /// Reads files of queries, `query_id TAB text`. Fails if a file cannot be read or is not plain.
    pub fn queries(paths: &[impl AsRef<Path>]) -> Result<Self> {
        let mut texts = Self::default();
        for path in paths {
            let read = read_queries(&Source::file(path.as_ref()), QueryFormat::Tsv)?;
            refuse(&read.notes)?;
            for query in read.value.iter() {
                texts.add(&query.query_id, &query.text);
            }
        }
        Ok(texts)
    }

    fn add(&mut self, name: &str, text: &str) {
        if !self.rows.contains_key(name) {
            self.rows.insert(name.to_owned(), self.texts.len());
            self.texts.push((name.to_owned(), text.to_owned()));
        }
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there are no texts.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The row of the text with this id; `None` if there is none.
    pub fn row(&self, name: &str) -> Option<usize> {
        self.rows.get(name).copied()
    }

    /// The row of the text with this id, or an error that says which `kind` of text is missing.
    pub fn expect(&self, kind: &str, name: &str) -> Result<usize> {
        self.row(name).ok_or_else(|| {
            Error::Unfit(format!(
                "{kind} `{name}` is in no file of `data`: add the file that has it"
            ))
        })
    }

    /// The id of the text in a row.
    pub fn name(&self, row: usize) -> &str {
        &self.texts[row].0
    }

    /// The text in a row.
    pub fn text(&self, row: usize) -> &str {
        &self.texts[row].1
    }

    /// All texts, row by row.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|(_, text)| text.as_str())
    }
}
