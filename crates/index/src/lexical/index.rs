//! An inverted index of one field, on tantivy's format.
//!
//! What tantivy keeps: the dictionary of terms, the postings, one-byte lengths. What we keep beside it: exact lengths,
//! where each block of postings begins, and what bounds its scores. A `DocNo` is a tantivy document: there is one
//! segment, written in the order of the corpus.
//!
//! | file              | holds                                                              |
//! |-------------------|--------------------------------------------------------------------|
//! | `meta.json`, `*.term`, `*.idx`, … | tantivy's index                                    |
//! | `nir-lengths.bin` | the exact length of each document                                  |
//! | `nir-blocks.bin`  | for each block of postings where it begins, and its skyline         |
//! | `nir-index.json`  | analyzer, counts and checksums; written last: without it, no index |

use std::path::{Path, PathBuf};

use nir_core::{Corpus, DocNo, Progress};
use nir_kernels::{Frame, FrameWriter};
use serde::{Deserialize, Serialize};
use tantivy::directory::OwnedBytes;
use tantivy::postings::TermInfo;
use tantivy::schema::Field;
use tantivy::termdict::TermDictionary;
use tantivy::{Index, InvertedIndexReader, Segment};

use super::analyzer::Analyzer;
use super::inverter::{Inverted, Inverter};
use super::postings::{self, PostingList};
use super::segment::{self, BLOCK};
use super::skyline;
use crate::IndexError;

const LENGTHS: (&str, &str) = ("nir-lengths.bin", "nir-lengths 2");
const BLOCKS: (&str, &str) = ("nir-blocks.bin", "nir-blocks 2");
const CARD: &str = "nir-index.json";
const FORMAT: &str = "nir-index 1";
/// The largest number of documents: tantivy ends its lists with 2^31 - 1.
const MOST_DOCUMENTS: usize = i32::MAX as usize - 1;
/// The number of documents between two reports of progress.
const STRIDE: usize = 1024;

/// The description of an index in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Card {
    format: String,
    analyzer: String,
    documents: u32,
    documents_with_terms: u32,
    total_terms: u64,
    unique_terms: u64,
    postings_bytes: u64,
}

/// The terms of a collection and the documents they are in, on disk and mapped into memory.
pub struct LexicalIndex {
    dir: PathBuf,
    card: Card,
    tantivy: Index,
    inverted: std::sync::Arc<InvertedIndexReader>,
    postings: OwnedBytes,
    norms: OwnedBytes,
    lengths: Frame,
    blocks: Blocks,
}

/// A term that is in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexTerm {
    /// The term's number in the dictionary.
    number: usize,
    info: TermInfo,
}

impl IndexTerm {
    /// The number of documents that have the term.
    pub(crate) fn doc_freq(&self) -> u32 {
        self.info.doc_freq
    }
}

/// The positions of the blocks of all terms.
struct Blocks {
    /// The number of blocks before those of each term.
    first: Vec<u32>,
    /// The position at which each block begins among its term's postings, in units of 16 bytes.
    offsets: Vec<u32>,
    file: Frame,
    /// The position in the file at which the skylines begin.
    skylines: usize,
}

impl LexicalIndex {
    /// Analyzes and inverts `corpus`, and writes the index into the new folder `dir`.
    ///
    /// All postings are in memory until they are written: about 275 MB for a million passages of 56 words.
    pub fn build(
        dir: &Path,
        corpus: &dyn Corpus,
        analyzer: &dyn Analyzer,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        new_folder(dir)?;
        if corpus.len() > MOST_DOCUMENTS {
            return Err(IndexError::TooLarge { documents: corpus.len(), most: MOST_DOCUMENTS });
        }
        let inverted = invert(corpus, analyzer, progress);
        let blocks = segment::write(dir, &inverted).map_err(IndexError::tantivy(dir))?;
        let lengths = payload(inverted.lengths.iter().copied());
        write(&dir.join(LENGTHS.0), LENGTHS.1, &lengths)?;
        write_blocks(dir, &blocks)?;
        let card = Card::of(&inverted, analyzer, &open_segment(dir)?, dir)?;
        drop(inverted);
        card.write(dir)?;
        share(dir)?;
        Self::open(dir)
    }

    /// Opens an index that was built before. Fails if it is incomplete or damaged.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let card = Card::read(dir)?;
        let segment = open_segment(dir)?;
        let tantivy = segment.index().clone();
        let inverted = inverted(&segment).map_err(IndexError::tantivy(dir))?;
        let index = Self {
            dir: dir.to_owned(),
            inverted,
            tantivy,
            postings: segment::postings(&segment).map_err(IndexError::tantivy(dir))?,
            norms: segment::norms(&segment).map_err(IndexError::tantivy(dir))?,
            lengths: open_verified(&dir.join(LENGTHS.0), LENGTHS.1)?,
            blocks: Blocks::open(&dir.join(BLOCKS.0))?,
            card,
        };
        index.verify(segment.meta().max_doc())?;
        Ok(index)
    }

    /// Checks that all parts belong to the same index.
    fn verify(&self, tantivy_documents: u32) -> Result<(), IndexError> {
        let documents = self.documents();
        let fits = tantivy_documents as usize == documents
            && self.norms.len() == documents
            && self.lengths.len() == 4 * documents
            && self.blocks.first.len() as u64 == self.card.unique_terms
            && self.terms().num_terms() as u64 == self.card.unique_terms
            && self.postings.len() as u64 == self.card.postings_bytes;
        fits.then_some(())
            .ok_or_else(|| IndexError::damaged(&self.dir, "its files are not of one build"))
    }

    /// The number of documents, including empty ones.
    pub fn documents(&self) -> usize {
        self.card.documents as usize
    }

    /// How many documents have at least one term: the `N` of Lucene's idf.
    pub fn documents_with_terms(&self) -> usize {
        self.card.documents_with_terms as usize
    }

    /// How many terms the analyzer made of the collection: its checksum.
    pub fn total_terms(&self) -> u64 {
        self.card.total_terms
    }

    /// The number of distinct terms.
    pub fn unique_terms(&self) -> u64 {
        self.card.unique_terms
    }

    /// The name and version of the analyzer: queries need the same.
    pub fn analyzer_name(&self) -> &str {
        &self.card.analyzer
    }

    /// The number of documents that have `term`.
    pub fn doc_freq(&self, term: &str) -> u32 {
        self.term(term).map_or(0, |term| term.info.doc_freq)
    }

    /// The place of `term` among all terms in byte order, if a document has it.
    pub fn term_number(&self, term: &str) -> Option<u32> {
        self.term(term).map(|term| term.number as u32)
    }

    /// The number of terms of a document.
    pub fn length(&self, doc: DocNo) -> u32 {
        let four = &self.lengths[4 * doc.row()..][..4];
        u32::from_le_bytes([four[0], four[1], four[2], four[3]])
    }

    /// The size of the index on disk in bytes.
    pub fn bytes(&self) -> Result<u64, IndexError> {
        let entries = std::fs::read_dir(&self.dir).map_err(IndexError::io(&self.dir))?;
        let sizes = entries.map(|entry| entry.and_then(|entry| Ok(entry.metadata()?.len())));
        sizes.sum::<std::io::Result<u64>>().map_err(IndexError::io(&self.dir))
    }

    /// The folder of the index.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The mean length of the documents that have terms, as Lucene rounds it.
    pub(crate) fn average_length(&self) -> f32 {
        (self.card.total_terms as f64 / f64::from(self.card.documents_with_terms)) as f32
    }

    pub(crate) fn term(&self, term: &str) -> Option<IndexTerm> {
        const MAPPED: &str = "the dictionary is mapped into memory";
        let number = self.terms().term_ord(term).expect(MAPPED)? as usize;
        let info = self.terms().get(term).expect(MAPPED)?;
        Some(IndexTerm { number, info })
    }

    pub(crate) fn postings(&self, term: &IndexTerm) -> PostingList<'_> {
        let bytes = &self.postings[term.info.postings_range.clone()];
        PostingList::new(term.info.doc_freq, bytes, &self.blocks.offsets[self.first_block(term)..])
    }

    /// The postings of all terms, in the order of their numbers.
    pub(crate) fn lists(&self) -> Vec<PostingList<'_>> {
        let mut terms = self.terms().stream().expect("the dictionary is mapped into memory");
        let mut all = Vec::with_capacity(self.terms().num_terms());
        while terms.advance() {
            let term = IndexTerm { number: all.len(), info: terms.value().clone() };
            all.push(self.postings(&term));
        }
        all
    }

    /// How many blocks of other terms stand before this term's.
    pub(crate) fn first_block(&self, term: &IndexTerm) -> usize {
        self.blocks.first[term.number] as usize
    }

    /// For each block, the largest `value(tf, length)` of its postings; `value` must grow with `tf` and fall with
    /// `length`.
    pub(crate) fn block_maxima(&self, value: impl Fn(u32, u32) -> f32) -> Vec<f32> {
        skyline::maxima(numbers(&self.blocks.file[self.blocks.skylines..]), value)
    }

    /// The lengths of all documents as one byte each, as Lucene encodes them.
    pub(crate) fn norms(&self) -> &[u8] {
        &self.norms
    }

    /// The exact lengths of all documents.
    pub(crate) fn lengths(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        numbers(&self.lengths)
    }

    /// The same index, for tantivy's own searcher.
    pub(crate) fn tantivy(&self) -> (&Index, Field) {
        (&self.tantivy, segment::field())
    }

    fn terms(&self) -> &TermDictionary {
        self.inverted.terms()
    }
}

impl Blocks {
    fn open(path: &Path) -> Result<Self, IndexError> {
        let file = open_verified(path, BLOCKS.1)?;
        let mut numbers = numbers(&file);
        let counts = (numbers.next(), numbers.next());
        let (Some(terms), Some(blocks)) = counts else {
            return Err(IndexError::damaged(path, "it has no counts"));
        };
        let first: Vec<u32> = numbers.by_ref().take(terms as usize).collect();
        let offsets: Vec<u32> = numbers.by_ref().take(blocks as usize).collect();
        drop(numbers);
        let skylines = 4 * (2 + first.len() + offsets.len());
        Ok(Self { first, offsets, file, skylines })
    }
}

/// Opens a file beside tantivy's and reads all of it, so that one cut short by a full disk is an error and not a score.
fn open_verified(path: &Path, kind: &str) -> Result<Frame, IndexError> {
    let file = Frame::open(path, kind)?;
    file.verify()?;
    Ok(file)
}

fn write(path: &Path, kind: &'static str, payload: &[u8]) -> Result<(), IndexError> {
    let mut writer = FrameWriter::create(path, kind)?;
    writer.write(payload)?;
    writer.finish([0; 5])?;
    Ok(())
}

/// The numbers of a payload.
fn numbers(payload: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    payload.as_chunks().0.iter().map(|&four| u32::from_le_bytes(four))
}

/// The numbers as a payload.
fn payload(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}

fn write_blocks(dir: &Path, blocks: &segment::Blocks) -> Result<(), IndexError> {
    let segment = open_segment(dir)?;
    let offsets = offsets(&segment).map_err(IndexError::tantivy(dir))?;
    let counts = [blocks.first.len() as u32, offsets.len() as u32];
    let numbers = counts.iter().chain(&blocks.first).chain(&offsets).chain(&blocks.skylines);
    write(&dir.join(BLOCKS.0), BLOCKS.1, &payload(numbers.copied()))
}

/// The positions of all blocks, read from the files that tantivy wrote.
fn offsets(segment: &Segment) -> tantivy::Result<Vec<u32>> {
    let bytes = segment::postings(segment)?;
    let inverted = inverted(segment)?;
    let mut all = Vec::new();
    let mut terms = inverted.terms().stream()?;
    while terms.advance() {
        let TermInfo { doc_freq, postings_range, .. } = terms.value();
        let blocks = (*doc_freq as usize).div_ceil(BLOCK);
        all.extend(postings::offsets(*doc_freq, &bytes[postings_range.clone()]).take(blocks));
    }
    Ok(all)
}

fn inverted(segment: &Segment) -> tantivy::Result<std::sync::Arc<InvertedIndexReader>> {
    tantivy::SegmentReader::open(segment)?.inverted_index(segment::field())
}

fn open_segment(dir: &Path) -> Result<Segment, IndexError> {
    let index = Index::open_in_dir(dir).map_err(IndexError::tantivy(dir))?;
    let mut segments = index.searchable_segments().map_err(IndexError::tantivy(dir))?;
    let only = segments.pop().filter(|_| segments.is_empty());
    only.ok_or_else(|| IndexError::damaged(dir, "it has not one segment"))
}

/// Gives every file the mode of the card, which is the umask's, because tantivy makes files that no other user can
/// read.
fn share(dir: &Path) -> Result<(), IndexError> {
    let mode = std::fs::metadata(dir.join(CARD)).map_err(IndexError::io(dir))?.permissions();
    for entry in std::fs::read_dir(dir).map_err(IndexError::io(dir))? {
        let path = entry.map_err(IndexError::io(dir))?.path();
        std::fs::set_permissions(&path, mode.clone()).map_err(IndexError::io(&path))?;
    }
    Ok(())
}

fn new_folder(dir: &Path) -> Result<(), IndexError> {
    std::fs::create_dir_all(dir).map_err(IndexError::io(dir))?;
    let mut entries = std::fs::read_dir(dir).map_err(IndexError::io(dir))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(IndexError::NotEmpty { path: dir.to_owned() }),
    }
}

fn invert(corpus: &dyn Corpus, analyzer: &dyn Analyzer, progress: &dyn Progress) -> Inverted {
    let task = progress.begin("index", "documents", corpus.len() as u64);
    let mut inverter = Inverter::default();
    for row in 0..corpus.len() {
        analyzer.analyze(corpus.contents(DocNo(row as u32)), &mut |term| inverter.term(term));
        inverter.end_document();
        if row % STRIDE == STRIDE - 1 {
            task.advance(STRIDE as u64);
        }
    }
    task.advance((corpus.len() % STRIDE) as u64);
    inverter.finish()
}

impl Card {
    fn of(
        inverted: &Inverted,
        analyzer: &dyn Analyzer,
        segment: &Segment,
        dir: &Path,
    ) -> Result<Self, IndexError> {
        let postings = segment::postings(segment).map_err(IndexError::tantivy(dir))?;
        Ok(Self {
            format: FORMAT.to_owned(),
            analyzer: analyzer.name().to_owned(),
            documents: inverted.lengths.len() as u32,
            documents_with_terms: inverted.lengths.iter().filter(|&&length| length > 0).count()
                as u32,
            total_terms: inverted.lengths.iter().map(|&length| u64::from(length)).sum(),
            unique_terms: inverted.lists.len() as u64,
            postings_bytes: postings.len() as u64,
        })
    }

    fn write(&self, dir: &Path) -> Result<(), IndexError> {
        let path = dir.join(CARD);
        let json =
            serde_json::to_string_pretty(self).expect("numbers and strings have a JSON form");
        std::fs::write(&path, json + "\n").map_err(IndexError::io(&path))
    }

    fn read(dir: &Path) -> Result<Self, IndexError> {
        let path = dir.join(CARD);
        let json = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(IndexError::Unfinished { path: dir.to_owned(), missing: CARD });
            }
            read => read.map_err(IndexError::io(&path))?,
        };
        let card: Self = serde_json::from_slice(&json)
            .map_err(|error| IndexError::damaged(&path, error.to_string()))?;
        if card.format != FORMAT {
            return Err(IndexError::Format {
                path,
                expected: FORMAT.to_owned(),
                found: card.format,
            });
        }
        Ok(card)
    }
}

#[cfg(test)]
mod tests {
    use super::super::postings::Block;
    use super::*;
    use nir_core::{Document, Documents, Silent};
    use tantivy::postings::Postings;
    use tantivy::schema::IndexRecordOption;
    use tantivy::{DocSet, TERMINATED};

    /// Document `d` has term `n` if `n` divides it, `d mod 5 + 1` times.
    fn multiples(documents: usize) -> Documents {
        let text = |doc: usize| {
            let terms = (1..50)
                .filter(|&n| doc.is_multiple_of(n))
                .flat_map(|n| vec![n.to_string(); doc % 5 + 1]);
            terms.collect::<Vec<_>>().join(" ")
        };
        let doc = |doc: usize| Document {
            doc_id: doc.to_string(),
            text: text(doc),
            ..Document::default()
        };
        Documents::new((0..documents).map(doc)).unwrap()
    }

    fn built(documents: usize) -> (tempfile::TempDir, LexicalIndex) {
        let dir = tempfile::tempdir().unwrap();
        let whitespace = crate::analyzer("whitespace").unwrap();
        let corpus = multiples(documents);
        let index = LexicalIndex::build(dir.path(), &corpus, &*whitespace, &Silent).unwrap();
        (dir, index)
    }

    fn ours(index: &LexicalIndex, term: &str) -> Vec<(u32, u32)> {
        let list = index.postings(&index.term(term).unwrap());
        let mut block = Block::empty();
        let mut all = Vec::new();
        for number in 0..list.blocks() {
            list.read(number, &mut block);
            list.read_freqs(&mut block);
            all.extend(block.docs().iter().copied().zip(block.freqs().iter().copied()));
        }
        all
    }

    fn tantivys(index: &LexicalIndex, term: &str) -> Vec<(u32, u32)> {
        let term = tantivy::Term::from_field_text(segment::field(), term);
        let read = index.inverted.read_postings(&term, IndexRecordOption::WithFreqs);
        let mut postings = read.unwrap().unwrap();
        let mut all = Vec::new();
        while postings.doc() != TERMINATED {
            all.push((postings.doc(), postings.term_freq()));
            postings.advance();
        }
        all
    }

    #[test]
    fn our_reader_and_tantivys_agree() {
        let (_dir, index) = built(128 * 49); // lists of 128 postings, of more and of fewer, with and without a rest
        for n in 1..50 {
            let term = n.to_string();
            assert_eq!(ours(&index, &term), tantivys(&index, &term), "{term}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn every_file_may_be_read_by_those_whom_the_umask_allows_it() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, _index) = built(50);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let other = tempfile::tempdir().unwrap();
        let plain = other.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let usual = mode(&plain);
        let files = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let modes: Vec<_> = files.map(|file| (mode(&file), file)).collect();
        assert!(modes.len() > 3, "{modes:?}");
        assert!(modes.iter().all(|(mode, _)| *mode == usual), "not {usual:o}: {modes:?}");
    }

    #[test]
    fn block_maxima_are_those_of_the_postings() {
        let (_dir, index) = built(1000);
        let value = |tf: u32, length: u32| tf as f32 / length as f32;
        let maxima = index.block_maxima(value);
        for n in [1, 2, 7, 49] {
            let term = index.term(&n.to_string()).unwrap();
            let of = |&(doc, tf): &(u32, u32)| value(tf, index.length(DocNo(doc)));
            for (block, postings) in ours(&index, &n.to_string()).chunks(BLOCK).enumerate() {
                let max = postings.iter().map(of).fold(0.0, f32::max);
                assert_eq!(maxima[index.first_block(&term) + block], max);
            }
        }
    }
}
