//! Writing a store, document by document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nir_core::{Hasher, Progress, Task};

use super::file::{FileWriter, create};
use super::header::{self, Header};
use super::names::NameSpill;
use super::rows::Row;
use super::{StoreError, content_hasher};
use crate::DocumentRef;

/// The number of documents between two reports of progress.
const STEP: u64 = 1024;

/// A store being written; [`Store::import`](super::Store::import) hands it to whoever has the documents.
pub struct Import {
    dir: PathBuf,
    contents: FileWriter,
    doc_ids: FileWriter,
    rows: FileWriter,
    names: NameSpill,
    digest: Hasher,
    documents: u32,
    empty_texts: u64,
    task: Box<dyn Task>,
}

impl Import {
    pub(super) fn new(
        dir: &Path,
        documents: u64,
        progress: &dyn Progress,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            dir: dir.to_owned(),
            contents: create(dir, "contents.bin")?,
            doc_ids: create(dir, "doc_ids.bin")?,
            rows: create(dir, "rows.bin")?,
            names: NameSpill::new(dir)?,
            digest: content_hasher(),
            documents: 0,
            empty_texts: 0,
            task: progress.begin("import", "documents", documents),
        })
    }

    /// Adds a document; its row is the number of those before it.
    pub fn add(&mut self, doc: DocumentRef<'_>) -> Result<(), StoreError> {
        let title_len = u32::try_from(doc.title.len()).map_err(|_| self.title_too_long(&doc))?;
        self.write_contents(&doc)?;
        self.doc_ids.write(doc.doc_id.as_bytes())?;
        let (contents_end, doc_id_end) = (self.contents.written, self.doc_ids.written);
        self.rows.write(&Row { contents_end, doc_id_end, title_len }.bytes())?;
        self.names
            .add(doc.doc_id, self.documents)
            .map_err(|error| StoreError::io(&self.dir, error))?;
        self.digest.part(doc.doc_id).part(doc.title).part(doc.text);
        self.count(&doc)
    }

    fn write_contents(&mut self, doc: &DocumentRef<'_>) -> Result<(), StoreError> {
        if !doc.title.is_empty() {
            self.contents.write(doc.title.as_bytes())?;
            self.contents.write(b" ")?;
        }
        self.contents.write(doc.text.as_bytes())
    }

    fn count(&mut self, doc: &DocumentRef<'_>) -> Result<(), StoreError> {
        self.empty_texts += u64::from(doc.text.is_empty());
        self.documents = self.documents.checked_add(1).ok_or(StoreError::TooManyDocuments)?;
        if u64::from(self.documents).is_multiple_of(STEP) {
            self.task.advance(STEP);
        }
        Ok(())
    }

    fn title_too_long(&self, doc: &DocumentRef<'_>) -> StoreError {
        let error = std::io::Error::other(format!("the title of `{}` exceeds 4 GiB", doc.doc_id));
        StoreError::io(&self.dir, error)
    }

    /// Completes all files; the header is written last.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        self.task.advance(u64::from(self.documents) % STEP);
        let documents = u64::from(self.documents);
        let texts = [self.contents.finish()?, self.doc_ids.finish()?, self.rows.finish()?];
        let names = self.names.finish(&self.dir, documents)?;
        let files: BTreeMap<String, u64> =
            texts.into_iter().chain(names).map(|(name, len)| (name.to_owned(), len)).collect();
        let digest = self.digest.digest();
        let header = Header { documents, empty_texts: self.empty_texts, digest, files };
        let mut file = create(&self.dir, header::FILE)?;
        file.write(header.to_json().as_bytes())?;
        file.finish().map(drop)
    }
}
