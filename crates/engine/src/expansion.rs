//! An expanded collection: made block by block, kept, and opened like any other.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use nir_core::{Corpus, Digest, DocNo, Document, Expander, Hasher, Key, Silent, Version};
use nir_data::{DocumentRef, Store};
use nir_methods::Resources;
use serde::{Deserialize, Serialize};

use crate::workshop::{Workshop, boxed};

/// The version of the code that writes blocks and makes a collection of them.
pub(crate) const VERSION: Version = Version::new("engine::expansion", 1);

/// The number of documents of a block, which is what a stopped run loses. A model that writes text takes minutes for a
/// block.
const BLOCK: u32 = 256;
const DOCUMENTS: &str = "documents.jsonl";
const STORE: &str = "store";

/// A document in the file of a block.
#[derive(Serialize, Deserialize)]
struct Line {
    doc_id: String,
    title: String,
    text: String,
}

/// A collection and the expander that changes it; `key` decides what the expander makes of a text.
pub(crate) struct Expansion<'a> {
    pub(crate) expander: &'a dyn Expander,
    pub(crate) corpus: &'a dyn Corpus,
    pub(crate) corpus_digest: Digest,
    pub(crate) key: Key,
    pub(crate) workshop: &'a Workshop<'a>,
}

impl Expansion<'_> {
    /// The expanded collection, from the cache or made now, and the digest of its content.
    pub(crate) fn store(&self) -> Result<(Arc<dyn Corpus>, Digest)> {
        let key = Key::of(&[VERSION]).made_from(&self.key).input(self.corpus_digest);
        let place = self.workshop.artifact("expanded", &key, &mut |folder| Ok(self.fill(folder)?));
        let store = Store::open(&place.map_err(boxed)?.join(STORE))?;
        Ok((Arc::new(store), key.digest()))
    }

    fn fill(&self, folder: &Path) -> Result<()> {
        let rows = self.corpus.len() as u32;
        let blocks = (0..rows).step_by(BLOCK as usize);
        let blocks = blocks.map(|first| self.block(first..rows.min(first + BLOCK)));
        let blocks: Vec<PathBuf> = blocks.collect::<Result<_>>()?;
        Store::import(&folder.join(STORE), u64::from(rows), &Silent, |import| {
            for block in &blocks {
                for line in BufReader::new(File::open(block.join(DOCUMENTS))?).lines() {
                    let Line { doc_id, title, text } = serde_json::from_str(&line?)?;
                    import.add(DocumentRef { doc_id: &doc_id, title: &title, text: &text })?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The path of a block in the cache: the expanded documents of these rows.
    fn block(&self, rows: Range<u32>) -> Result<PathBuf> {
        let mut texts = Hasher::new("documents");
        for doc in rows.clone().map(DocNo) {
            texts.part(self.corpus.doc_id(doc)).part(self.corpus.digest(doc).hex());
        }
        let key = Key::of(&[VERSION]).made_from(&self.key).input(texts.digest());
        let made = self.workshop.artifact("expanded", &key, &mut |folder| {
            let documents = self.expander.expand(self.corpus, rows.clone())?;
            self.check(&documents, rows.clone())?;
            Ok(write(&folder.join(DOCUMENTS), documents)?)
        });
        made.map_err(boxed)
    }

    /// Checks that an expander has only changed texts: it must neither leave out nor rename a document.
    fn check(&self, documents: &[Document], rows: Range<u32>) -> Result<()> {
        let names = || rows.clone().map(|row| self.corpus.doc_id(DocNo(row)));
        let same = documents.iter().map(|document| document.doc_id.as_str()).eq(names());
        same.then_some(()).with_context(|| {
            format!(
                "the expander gave {} documents for rows {rows:?}, or gave them other ids: it must give one for each row under its id",
                documents.len()
            )
        })
    }
}

fn write(path: &Path, documents: Vec<Document>) -> Result<()> {
    let mut file = std::io::BufWriter::new(File::create_new(path)?);
    for Document { doc_id, title, text } in documents {
        serde_json::to_writer(&mut file, &Line { doc_id, title, text })?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}
