//! The parts of the file: postings in chunks, and the tables that say where they lie.

use bytemuck::{Pod, Zeroable};

pub(super) const KIND: &str = "nir-impacts 2";
pub(super) const SECTIONS: usize = 5;
pub(super) const POSTINGS: usize = 0;
pub(super) const CARD: usize = 1;
pub(super) const WINDOWS: usize = 2;
pub(super) const TERMS: usize = 3;
pub(super) const CHUNKS: usize = 4;

/// The number of documents in a window: as many as 16 bits can number.
pub(super) const WINDOW: usize = 1 << 16;
pub(super) const MOST_DOCUMENTS: usize = i32::MAX as usize;
/// The smallest score above zero, which every result reaches.
pub(super) const LEAST: f32 = f32::from_bits(1);
/// The depths for which a list records the weight that its best documents reach.
pub(super) const THRESHOLD_DEPTHS: [usize; 3] = [10, 100, 1000];

/// The number format of the weights of documents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weights {
    /// 32-bit floats.
    F32,
    /// One byte: `round(weight / step)`, at most 255, halves away from zero. A weight that rounds to zero is left out.
    ///
    /// Anserini's `round(w / 5 * 256)` is a step of `5 / 256`. A step of 1 takes integers as they are; with integers
    /// in the query too, scores are integers, and exact below 2^24.
    U8 {
        /// The weight that a code of 1 stands for.
        step: f32,
    },
}

impl Weights {
    pub(super) fn assert_valid(self) {
        let valid = !matches!(self, Self::U8 { step } if !(step > 0.0 && step.is_finite()));
        assert!(valid, "{self:?}: a step is a finite number above zero");
    }

    /// The number that is kept of a weight: itself, or its code.
    pub(super) fn stored(self, weight: f32) -> f32 {
        match self {
            Self::F32 => weight,
            Self::U8 { step } => (weight / step).round().min(255.0),
        }
    }

    /// The size of a stored number in bytes.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::U8 { .. } => 1,
        }
    }

    /// The factor that turns a stored number into a weight.
    pub(super) fn step(self) -> f32 {
        match self {
            Self::F32 => 1.0,
            Self::U8 { step } => step,
        }
    }
}

/// The description of an index that its file begins with.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Card {
    pub(super) documents: u64,
    pub(super) postings: u64,
    /// The step of [`Weights::U8`]; zero for [`Weights::F32`].
    pub(super) step: f32,
    pub(super) window: u32,
}

impl Card {
    pub(super) fn new(documents: usize, windows: &[WindowStart], weights: Weights) -> Self {
        let postings = windows.iter().map(|window| window.postings).sum();
        let step = match weights {
            Weights::F32 => 0.0,
            Weights::U8 { step } => step,
        };
        Self { documents: documents as u64, postings, step, window: WINDOW as u32 }
    }

    pub(super) fn weights(&self) -> Weights {
        if self.step == 0.0 { Weights::F32 } else { Weights::U8 { step: self.step } }
    }
}

/// The place of a window's postings in their section.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct WindowStart {
    pub(super) offsets: u64,
    pub(super) weights: u64,
    pub(super) postings: u64,
}

/// A dimension that occurs in documents.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Term {
    pub(super) dimension: u32,
    pub(super) doc_freq: u32,
    pub(super) first_chunk: u32,
    pub(super) chunks: u32,
    pub(super) max: f32,
    /// The weight that as many documents reach as [`THRESHOLD_DEPTHS`] says; zero if the list is shorter.
    pub(super) thresholds: [f32; THRESHOLD_DEPTHS.len()],
}

impl Term {
    pub(super) fn list<'c>(&self, chunks: &'c [Chunk]) -> &'c [Chunk] {
        &chunks[self.first_chunk as usize..][..self.chunks as usize]
    }
}

/// The postings of a dimension in one window.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Chunk {
    pub(super) window: u32,
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) max: f32,
}

/// The section with all postings.
#[derive(Clone, Copy)]
pub(super) struct Postings<'i> {
    pub(super) bytes: &'i [u8],
    pub(super) windows: &'i [WindowStart],
    pub(super) weights: Weights,
}

/// Stored weights, in one of the two number formats.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values<'i> {
    F32(&'i [f32]),
    U8(&'i [u8]),
}

impl Values<'_> {
    /// The stored number of a posting.
    #[inline]
    pub(super) fn get(self, posting: usize) -> f32 {
        match self {
            Self::F32(weights) => weights[posting],
            Self::U8(codes) => f32::from(codes[posting]),
        }
    }
}

impl<'i> Postings<'i> {
    pub(super) fn new(bytes: &'i [u8], windows: &'i [WindowStart], weights: Weights) -> Self {
        Self { bytes, windows, weights }
    }

    pub(super) fn offsets(&self, chunk: &Chunk) -> &'i [u16] {
        let start = self.windows[chunk.window as usize].offsets as usize + 2 * chunk.start as usize;
        bytemuck::cast_slice(&self.bytes[start..][..2 * chunk.len as usize])
    }

    pub(super) fn values(&self, chunk: &Chunk) -> Values<'i> {
        let base = self.windows[chunk.window as usize].weights as usize;
        let (start, len) = (chunk.start as usize, chunk.len as usize);
        match self.weights {
            Weights::F32 => {
                Values::F32(bytemuck::cast_slice(&self.bytes[base + 4 * start..][..4 * len]))
            }
            Weights::U8 { .. } => Values::U8(&self.bytes[base + start..][..len]),
        }
    }

    pub(super) fn append_weights(&self, chunk: &Chunk, out: &mut Vec<f32>) {
        match self.values(chunk) {
            Values::F32(weights) => out.extend_from_slice(weights),
            Values::U8(codes) => out.extend(codes.iter().map(|&code| f32::from(code))),
        }
    }
}
