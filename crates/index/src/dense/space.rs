//! The vectors that a graph is walked over: one byte for each component.
//!
//! A walk needs to know which of two documents is nearer, and only where they differ clearly: what it finds is scored
//! again with the vectors themselves. Bytes are a quarter of what is read from memory, their products are exact in
//! any order, and a tie is a tie on every processor. All rows have one scale, so that sums compare as they are.
//!
//! ```text
//! scale = min(max |x|, 6 · rms(x)) / 127        x' = round(x / scale), at most 127 from zero
//! ```
//!
//! A component beyond six times the root mean square is cut off there: it would cost all others their resolution.

use nir_kernels::Simd;

use super::matrix::{Matrix, quantise};

/// Rows of bytes; every row begins at a multiple of 64.
#[derive(Clone, Copy)]
pub(super) struct Space<'v> {
    pub(super) bytes: &'v [i8],
    /// The distance from one row to the next in bytes; what a row does not fill is zero.
    pub(super) stride: usize,
    pub(super) simd: Simd,
}

/// The distance from one row of bytes to the next, in bytes.
pub(super) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(64)
}

impl<'v> Space<'v> {
    pub(super) fn row(&self, node: u32) -> &'v [i8] {
        &self.bytes[node as usize * self.stride..][..self.stride]
    }

    /// Tells the processor that a row will be read soon.
    pub(super) fn prefetch(&self, node: u32) {
        self.simd.prefetch(self.row(node));
    }

    pub(super) fn score(&self, query: &[i8], node: u32) -> i32 {
        self.simd.dot_i8(query, self.row(node))
    }

    /// Calls `found` with the score of each node.
    pub(super) fn scores(&self, query: &[i8], nodes: &[u32], mut found: impl FnMut(u32, i32)) {
        let (fours, rest) = nodes.as_chunks::<4>();
        for &four in fours {
            let scores = self.simd.dots_i8(query, four.map(|node| self.row(node)));
            four.into_iter().zip(scores).for_each(|(node, score)| found(node, score));
        }
        rest.iter().for_each(|&node| found(node, self.score(query, node)));
    }
}

/// The common scale of all rows of a matrix.
pub(super) fn scale(matrix: &Matrix) -> f32 {
    let (mut squares, mut largest) = (0.0_f64, 0.0_f32);
    let mut row = vec![0.0; matrix.dim()];
    for number in 0..matrix.len() {
        matrix.read(number, &mut row);
        squares += f64::from(row.iter().map(|x| x * x).sum::<f32>());
        largest = row.iter().fold(largest, |most, x| most.max(x.abs()));
    }
    let rms = (squares / (matrix.len() * matrix.dim()).max(1) as f64).sqrt() as f32;
    (largest.min(6.0 * rms) / 127.0).max(f32::MIN_POSITIVE)
}

/// Converts a vector to bytes, with zeros up to the stride.
pub(super) fn to_bytes(vector: &[f32], scale: f32, into: &mut Vec<i8>) {
    let end = into.len() + stride(vector.len());
    into.extend(vector.iter().map(|x| quantise(x / scale)));
    into.resize(end, 0);
}
