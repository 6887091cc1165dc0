//! An index that was built, mapped into memory.

use std::path::Path;

use nir_core::DocNo;
use nir_kernels::Sections;

use super::format::{
    CARD, CHUNKS, Card, Chunk, KIND, POSTINGS, Postings, SECTIONS, TERMS, Term, WINDOW, WINDOWS,
    Weights, WindowStart,
};
use crate::IndexError;

/// An inverted index of weights, on disk and mapped into memory. Many threads may search it at once.
pub struct ImpactIndex {
    file: Sections,
    card: Card,
}

impl ImpactIndex {
    /// Opens an index that was built before. Everything but the postings is verified.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let file = Sections::open(path, KIND, SECTIONS)?;
        let [card] = *file.check::<Card>(CARD)? else {
            return Err(file.damaged("it has not one card").into());
        };
        let index = Self { file, card };
        index.check()?;
        Ok(index)
    }

    /// Whether all parts fit each other, so that no search reads outside of them.
    fn check(&self) -> Result<(), IndexError> {
        let windows = self.file.check::<WindowStart>(WINDOWS)?;
        let terms = self.file.check::<Term>(TERMS)?;
        let chunks = self.file.check::<Chunk>(CHUNKS)?;
        let (size, weight) = (self.file.section(POSTINGS).len() as u64, self.weights().bytes());
        let inside = |window: &WindowStart| {
            window.offsets + 2 * window.postings <= size
                && window.weights + weight * window.postings <= size
        };
        let listed = terms.iter().map(|term| u64::from(term.chunks)).sum::<u64>();
        let fits = self.card.window as usize == WINDOW
            && windows.len() == self.documents().div_ceil(WINDOW)
            && windows.iter().all(inside)
            && listed == chunks.len() as u64;
        fits.then_some(())
            .ok_or_else(|| self.file.damaged("its parts do not fit each other").into())
    }

    /// Reads the whole file and compares every checksum. Fails if it is damaged.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.file.verify()?)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The number of documents, including empty ones.
    pub fn documents(&self) -> usize {
        self.card.documents as usize
    }

    /// The number of weights of all documents.
    pub fn postings(&self) -> u64 {
        self.card.postings
    }

    /// The number of dimensions that occur in documents.
    pub fn dimensions(&self) -> usize {
        self.terms().len()
    }

    /// The number of documents that have a dimension.
    pub fn doc_freq(&self, dimension: u32) -> u32 {
        self.term(dimension).map_or(0, |term| term.doc_freq)
    }

    /// The weight that a document has in a dimension, up to the rounding of its storage; none where it has no posting.
    pub fn weight(&self, dimension: u32, doc: DocNo) -> Option<f32> {
        let (window, offset) = (doc.row() / WINDOW, (doc.row() % WINDOW) as u16);
        let chunks = self.term(dimension)?.list(self.chunks());
        let chunk = chunks.binary_search_by_key(&(window as u32), |chunk| chunk.window).ok()?;
        let at = self.lists().offsets(&chunks[chunk]).binary_search(&offset).ok()?;
        Some(self.lists().values(&chunks[chunk]).get(at) * self.weights().step())
    }

    /// The number format of the weights.
    pub fn weights(&self) -> Weights {
        self.card.weights()
    }

    /// The size of the index on disk in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    pub(super) fn terms(&self) -> &[Term] {
        self.file.numbers(TERMS)
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        self.file.numbers(CHUNKS)
    }

    pub(super) fn term(&self, dimension: u32) -> Option<&Term> {
        let terms = self.terms();
        let at = terms.binary_search_by_key(&dimension, |term| term.dimension);
        at.ok().map(|at| &terms[at])
    }

    pub(super) fn windows(&self) -> &[WindowStart] {
        self.file.numbers(WINDOWS)
    }

    pub(super) fn lists(&self) -> Postings<'_> {
        Postings::new(self.file.section(POSTINGS), self.windows(), self.weights())
    }
}
