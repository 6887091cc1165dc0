//! Documents in the cache.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use nir_core::{BoxError, Corpus, Digest, Document, Documents, Hasher};

use crate::DocumentRef;

pub(crate) struct StoreBuilder {
    file: BufWriter<File>,
    len: usize,
}

impl StoreBuilder {
    pub(crate) fn create(folder: &Path) -> Result<Self, BoxError> {
        Ok(Self { file: BufWriter::new(File::create(folder.join("store.jsonl"))?), len: 0 })
    }

    pub(crate) fn add(&mut self, doc: DocumentRef<'_>) -> Result<(), BoxError> {
        serde_json::to_writer(&mut self.file, &(doc.doc_id, doc.title, doc.text))?;
        self.file.write_all(b"\n")?;
        self.len += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<usize, BoxError> {
        self.file.flush()?;
        Ok(self.len)
    }
}

pub(crate) fn open_store(folder: &Path) -> Result<(Arc<dyn Corpus>, Digest), BoxError> {
    let text = std::fs::read_to_string(folder.join("store.jsonl"))?;
    let mut docs = Vec::new();
    for line in text.lines() {
        let (doc_id, title, text) = serde_json::from_str(line)?;
        docs.push(Document { doc_id, title, text });
    }
    let docs = Documents::new(docs)?;
    let digest = corpus_digest(&docs);
    Ok((Arc::new(docs), digest))
}

pub(crate) fn corpus_digest(corpus: &dyn Corpus) -> Digest {
    let mut hasher = Hasher::new("corpus");
    for row in 0..corpus.len() {
        let doc = nir_core::DocNo(row as u32);
        hasher.part(corpus.doc_id(doc)).part(corpus.title(doc)).part(corpus.text(doc));
    }
    hasher.digest()
}
