//! Inversion with bounded memory: one window of documents at a time.
//!
//! A window's postings are sorted by dimension (a counting sort: they come in document order, and stay so) and
//! written; only what says where they lie is kept until the end. Afterwards the lists are read once more, one at a
//! time, for what their best documents reach.

use std::path::Path;

use nir_kernels::SectionsWriter;
use rustc_hash::FxHashMap;

use super::format::{
    Card, Chunk, KIND, MOST_DOCUMENTS, Postings, THRESHOLD_DEPTHS, Term, WINDOW, Weights,
    WindowStart,
};
use super::index::ImpactIndex;
use crate::IndexError;

/// An index under way: documents come one after another, in the order of their rows.
///
/// Memory: the postings of 65,536 documents, at 16 bytes each, and 20 bytes for each dimension of each such window.
pub struct Builder {
    weights: Weights,
    file: SectionsWriter,
    documents: usize,
    dimensions: Dimensions,
    window: Window,
    windows: Vec<WindowStart>,
    /// For each chunk the number of its dimension, in the order of windows.
    chunks: Vec<(u32, Chunk)>,
}

/// The names of dimensions, numbered in the order in which they appear.
#[derive(Default)]
struct Dimensions {
    numbers: FxHashMap<u32, u32>,
    names: Vec<u32>,
    /// One more than the last document that has it: a document has it once.
    seen: Vec<u32>,
}

/// The postings of one window, in document order, as columns.
#[derive(Default)]
struct Window {
    dimensions: Vec<u32>,
    offsets: Vec<u16>,
    weights: Vec<f32>,
}

/// The postings of a window, dimension after dimension.
struct Sorted {
    /// The position at which the postings of each dimension begin, and the end of the last ones.
    starts: Vec<u32>,
    offsets: Vec<u16>,
    weights: Vec<f32>,
}

impl Builder {
    /// Begins a new file; a file of that name is replaced.
    ///
    /// # Panics
    /// If the step of [`Weights::U8`] is not a finite number above zero.
    pub fn create(path: &Path, weights: Weights) -> Result<Self, IndexError> {
        weights.assert_valid();
        Ok(Self {
            weights,
            file: SectionsWriter::create(path, KIND)?,
            documents: 0,
            dimensions: Dimensions::default(),
            window: Window::default(),
            windows: Vec::new(),
            chunks: Vec::new(),
        })
    }

    /// The next document: its dimensions, each once, with finite weights above zero. It may have none.
    pub fn push(&mut self, document: &[(u32, f32)]) -> Result<(), IndexError> {
        if self.documents == MOST_DOCUMENTS {
            let (documents, most) = (self.documents + 1, MOST_DOCUMENTS);
            return Err(IndexError::TooLarge { documents, most });
        }
        for &(dimension, weight) in document {
            self.posting(self.documents as u32, dimension, weight)?;
        }
        self.end_documents(self.documents + 1)
    }

    /// One posting of the current window; those of a dimension come in the order of their documents.
    pub(super) fn posting(
        &mut self,
        doc: u32,
        dimension: u32,
        weight: f32,
    ) -> Result<(), IndexError> {
        let document = doc as usize;
        let wrong = |what: String| IndexError::Posting { document, dimension, what };
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(wrong(format!("its weight is {weight}")));
        }
        let number = self.dimensions.number(dimension);
        let seen = &mut self.dimensions.seen[number as usize];
        if std::mem::replace(seen, doc + 1) == doc + 1 {
            return Err(wrong("it is there twice".to_owned()));
        }
        let stored = self.weights.stored(weight);
        if stored > 0.0 {
            self.window.dimensions.push(number);
            self.window.offsets.push((document % WINDOW) as u16);
            self.window.weights.push(stored);
        }
        Ok(())
    }

    /// Records that all documents before `documents` are complete.
    pub(super) fn end_documents(&mut self, documents: usize) -> Result<(), IndexError> {
        self.documents = documents;
        if documents.is_multiple_of(WINDOW) { self.end_window() } else { Ok(()) }
    }

    fn end_window(&mut self) -> Result<(), IndexError> {
        let sorted = self.window.sorted(self.dimensions.names.len());
        let window = self.windows.len() as u32;
        for (number, bounds) in (0..).zip(sorted.starts.windows(2)) {
            let (start, len) = (bounds[0], bounds[1] - bounds[0]);
            if len > 0 {
                let weights = &sorted.weights[start as usize..bounds[1] as usize];
                let max = weights.iter().copied().fold(0.0, f32::max);
                self.chunks.push((number, Chunk { window, start, len, max }));
            }
        }
        let offsets = self.file.align()?;
        self.file.write(&sorted.offsets)?;
        let weights = self.file.align()?;
        match self.weights {
            Weights::F32 => self.file.write(&sorted.weights)?,
            Weights::U8 { .. } => {
                let codes: Vec<u8> = sorted.weights.iter().map(|&code| code as u8).collect();
                self.file.write(&codes)?;
            }
        }
        let postings = sorted.offsets.len() as u64;
        self.windows.push(WindowStart { offsets, weights, postings });
        Ok(())
    }

    /// Writes what is left, and opens the index.
    pub fn finish(mut self) -> Result<ImpactIndex, IndexError> {
        if !self.window.offsets.is_empty() || !self.documents.is_multiple_of(WINDOW) {
            self.end_window()?;
        }
        drop(std::mem::take(&mut self.window));
        self.file.end_section()?;
        let (mut terms, chunks) = self.dimensions.directory(&self.chunks);
        let map = self.file.read_back()?;
        let postings = Postings::new(self.file.first_section(&map), &self.windows, self.weights);
        for term in &mut terms {
            term.thresholds = thresholds(&postings, term.list(&chunks));
        }
        let card = Card::new(self.documents, &self.windows, self.weights);
        let path = self.file.path().to_owned();
        self.file.section(&[card])?;
        self.file.section(&self.windows)?;
        self.file.section(&terms)?;
        self.file.section(&chunks)?;
        self.file.finish()?;
        ImpactIndex::open(&path)
    }
}

impl ImpactIndex {
    /// Writes an index of `documents`, in the order of their rows, into the file `path`, and opens it.
    ///
    /// Documents are read one at a time, and memory is bounded as [`Builder`] says.
    pub fn build<D: AsRef<[(u32, f32)]>>(
        path: &Path,
        weights: Weights,
        documents: impl IntoIterator<Item = D>,
    ) -> Result<Self, IndexError> {
        let mut builder = Builder::create(path, weights)?;
        documents.into_iter().try_for_each(|document| builder.push(document.as_ref()))?;
        builder.finish()
    }
}

/// For each of [`THRESHOLD_DEPTHS`], the weight that so many documents of a list reach.
fn thresholds(postings: &Postings, list: &[Chunk]) -> [f32; THRESHOLD_DEPTHS.len()] {
    let mut weights: Vec<f32> = Vec::new();
    list.iter().for_each(|chunk| postings.append_weights(chunk, &mut weights));
    let mut reached = [0.0; THRESHOLD_DEPTHS.len()];
    for (i, &depth) in THRESHOLD_DEPTHS.iter().enumerate().rev() {
        if weights.len() >= depth {
            reached[i] = *weights.select_nth_unstable_by(depth - 1, |a, b| b.total_cmp(a)).1;
            weights.truncate(depth);
        }
    }
    reached
}

impl Dimensions {
    fn number(&mut self, dimension: u32) -> u32 {
        *self.numbers.entry(dimension).or_insert_with(|| {
            self.names.push(dimension);
            self.seen.push(0);
            self.names.len() as u32 - 1
        })
    }

    /// Terms by dimension, and their chunks one term after another.
    fn directory(&self, by_window: &[(u32, Chunk)]) -> (Vec<Term>, Vec<Chunk>) {
        let mut order: Vec<u32> = (0..self.names.len() as u32).collect();
        order.sort_unstable_by_key(|&number| self.names[number as usize]);
        let mut lists: Vec<Vec<Chunk>> = vec![Vec::new(); self.names.len()];
        for &(number, chunk) in by_window {
            lists[number as usize].push(chunk);
        }
        let mut chunks = Vec::with_capacity(by_window.len());
        let mut terms = Vec::with_capacity(order.len());
        for number in order {
            let list = std::mem::take(&mut lists[number as usize]);
            if list.is_empty() {
                continue; // all its weights were rounded to zero
            }
            terms.push(Term {
                dimension: self.names[number as usize],
                doc_freq: list.iter().map(|chunk| chunk.len).sum(),
                first_chunk: chunks.len() as u32,
                chunks: list.len() as u32,
                max: list.iter().map(|chunk| chunk.max).fold(0.0, f32::max),
                thresholds: [0.0; THRESHOLD_DEPTHS.len()],
            });
            chunks.extend(list);
        }
        (terms, chunks)
    }
}

impl Window {
    /// Returns the postings of the window sorted by dimension, and empties the window.
    fn sorted(&mut self, dimensions: usize) -> Sorted {
        let mut starts = vec![0_u32; dimensions + 1];
        for &number in &self.dimensions {
            starts[number as usize + 1] += 1;
        }
        for number in 0..dimensions {
            starts[number + 1] += starts[number];
        }
        let mut next = starts.clone();
        let mut offsets = vec![0; self.offsets.len()];
        let mut weights = vec![0.0; self.weights.len()];
        let postings = self.dimensions.drain(..).zip(self.offsets.drain(..));
        for ((number, offset), weight) in postings.zip(self.weights.drain(..)) {
            let at = next[number as usize] as usize;
            next[number as usize] += 1;
            (offsets[at], weights[at]) = (offset, weight);
        }
        Sorted { starts, offsets, weights }
    }
}
