//! A collection on disk, imported once and then opened in milliseconds.
//!
//! A store is a folder:
//!
//! | file           | holds                                                                                 |
//! |----------------|---------------------------------------------------------------------------------------|
//! | `store.json`   | the header: version, counts, digest, the length of every other file                   |
//! | `contents.bin` | for each document the title, one space and the text, or the text alone; no separators |
//! | `doc_ids.bin`  | all names; no separators                                                              |
//! | `rows.bin`     | for each document 20 bytes: where its contents and its name end, how long its title is |
//! | `names.bin`    | for each document 8 bytes: a piece of the hash of its name, its row; in order of hash |
//! | `buckets.bin`  | where in `names.bin` each value of the first bits of the hash begins                  |
//!
//! Numbers are little-endian, offsets 64 bits wide. Import streams: it holds a few buffers and the hashes of about
//! one document in a thousand, so the memory it needs hardly grows with the collection (see [`names`]). Nothing that
//! an interrupted import leaves has the store's name: all files are written and synced in a folder beside it, which
//! is renamed at the very end.

mod error;
mod file;
mod header;
mod import;
mod names;
mod place;
mod rows;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use nir_core::{BoxError, Corpus, Digest, DocNo, Hasher, Progress};

pub use error::StoreError;
use header::Header;
pub use import::Import;
use names::Names;
use place::Place;
use rows::{ROW, Row};

/// A collection in memory-mapped files: opening costs next to nothing, reading costs page cache and no heap.
///
/// Text is checked to be UTF-8 each time it is read, at about 8 GB a second: a store that was damaged on disk after its
/// import stops the program with its name, and never hands out a broken `str`.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    header: Header,
    contents: Mmap,
    doc_ids: Mmap,
    rows: Mmap,
    names: Names,
}

impl Store {
    /// Imports a collection into the new folder `dir`; `fill` adds its documents one by one.
    ///
    /// `documents` is how many are expected, for the progress bar only; 0 where that is not known. Whoever imports
    /// into the same folder meanwhile waits, and then finds it there ([`StoreError::Exists`]).
    pub fn import(
        dir: &Path,
        documents: u64,
        progress: &dyn Progress,
        fill: impl FnOnce(&mut Import) -> Result<(), BoxError>,
    ) -> Result<Self, StoreError> {
        let place = Place::reserve(dir)?;
        if dir.exists() {
            return Err(StoreError::Exists { dir: dir.to_owned() });
        }
        import_into(&place, documents, progress, fill)?;
        Self::open(dir)
    }

    /// Opens the store, or imports it if there is none yet; of several processes at once, one imports.
    pub fn open_or_import(
        dir: &Path,
        documents: u64,
        progress: &dyn Progress,
        fill: impl FnOnce(&mut Import) -> Result<(), BoxError>,
    ) -> Result<Self, StoreError> {
        if !dir.exists() {
            let place = Place::reserve(dir)?;
            if !dir.exists() {
                import_into(&place, documents, progress, fill)?;
            }
        }
        Self::open(dir)
    }

    /// Opens a store, after checking that all of it is there.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let header = Header::read(dir)?;
        let map = |file| map(dir, file, header.files.get(file).copied());
        let store = Self {
            contents: map("contents.bin")?,
            doc_ids: map("doc_ids.bin")?,
            rows: map("rows.bin")?,
            names: Names::new(map("names.bin")?, map("buckets.bin")?),
            dir: dir.to_owned(),
            header,
        };
        store.check_counts()?;
        Ok(store)
    }

    /// The content by name: the same documents in the same order have one digest, whatever file they came from.
    pub fn digest(&self) -> Digest {
        self.header.digest
    }

    /// How many documents have no text (some may have a title).
    pub fn empty_texts(&self) -> u64 {
        self.header.empty_texts
    }

    /// The folder of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads everything and compares it with the digest of the import.
    pub fn verify(&self) -> Result<(), StoreError> {
        let mut content = content_hasher();
        for row in 0..self.len() {
            let doc = DocNo(row as u32);
            content.part(self.doc_id(doc)).part(self.title(doc)).part(self.text(doc));
        }
        if content.digest() == self.header.digest {
            return Ok(());
        }
        let found = format!("digest {}", content.digest());
        Err(StoreError::damaged(&self.dir, &self.dir, found, format!("{}", self.header.digest)))
    }

    /// Checks the lengths of files that depend on each other.
    fn check_counts(&self) -> Result<(), StoreError> {
        let documents = self.header.documents;
        self.check("rows.bin", self.rows.len(), documents * ROW as u64)?;
        self.check("names.bin", self.names.entries_len(), documents * names::ENTRY as u64)?;
        self.check("buckets.bin", self.names.buckets_len(), names::buckets_len(documents))?;
        let last = self.len().checked_sub(1).map_or(Row::default(), |row| self.row(row));
        self.check("contents.bin", self.contents.len(), last.contents_end)?;
        self.check("doc_ids.bin", self.doc_ids.len(), last.doc_id_end)
    }

    fn check(&self, file: &str, found: usize, expected: u64) -> Result<(), StoreError> {
        if found as u64 == expected {
            return Ok(());
        }
        let (found, expected) = (format!("{found} bytes"), format!("{expected} bytes"));
        Err(StoreError::damaged(&self.dir, &self.dir.join(file), found, expected))
    }

    fn row(&self, row: usize) -> Row {
        Row::read(&self.rows[row * ROW..])
    }

    /// The row before, whose end is where this row begins.
    fn row_before(&self, doc: DocNo) -> Row {
        doc.row().checked_sub(1).map_or(Row::default(), |before| self.row(before))
    }

    fn str<'s>(&self, file: &'s Mmap, start: u64, end: u64) -> &'s str {
        file.get(start as usize..end as usize)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_else(|| panic!("{}: changed since it was imported", self.dir.display()))
    }
}

impl Corpus for Store {
    fn len(&self) -> usize {
        self.header.documents as usize
    }

    fn doc_id(&self, doc: DocNo) -> &str {
        self.str(&self.doc_ids, self.row_before(doc).doc_id_end, self.row(doc.row()).doc_id_end)
    }

    fn doc_no(&self, doc_id: &str) -> Option<DocNo> {
        self.names.rows(doc_id).find(|&doc| self.doc_id(doc) == doc_id)
    }

    fn title(&self, doc: DocNo) -> &str {
        let start = self.row_before(doc).contents_end;
        self.str(&self.contents, start, start + u64::from(self.row(doc.row()).title_len))
    }

    fn text(&self, doc: DocNo) -> &str {
        let row = self.row(doc.row());
        let start = self.row_before(doc).contents_end + row.text_start();
        self.str(&self.contents, start, row.contents_end)
    }

    fn contents(&self, doc: DocNo) -> &str {
        let start = self.row_before(doc).contents_end;
        self.str(&self.contents, start, self.row(doc.row()).contents_end)
    }
}

fn import_into(
    place: &Place,
    documents: u64,
    progress: &dyn Progress,
    fill: impl FnOnce(&mut Import) -> Result<(), BoxError>,
) -> Result<(), StoreError> {
    let mut import = Import::new(place.building(), documents, progress)?;
    fill(&mut import).map_err(StoreError::Fill)?;
    import.finish()?;
    place.publish()
}

/// Begins the digest of a collection, which covers id, title and text of each document.
pub(crate) fn content_hasher() -> Hasher {
    Hasher::new("nir collection")
}

fn map(dir: &Path, name: &str, length: Option<u64>) -> Result<Mmap, StoreError> {
    let path = dir.join(name);
    let io = |error| StoreError::io(&path, error);
    let file = File::open(&path).map_err(io)?;
    let found = file.metadata().map_err(io)?.len();
    if Some(found) != length {
        let expected = length.map_or("no such file".to_owned(), |length| format!("{length} bytes"));
        return Err(StoreError::damaged(dir, &path, format!("{found} bytes"), expected));
    }
    // SAFETY: a mapping must not change while it is borrowed. No code writes to a file of a store after the rename
    // that gives it its name, and the files are made read-only before. Someone else who truncates one ends the
    // program with SIGBUS; someone who changes its bytes is noticed by the UTF-8 check of each read, short of a
    // write in the very moment between check and use, which no user of mapped files can rule out.
    unsafe { Mmap::map(&file) }.map_err(io)
}
