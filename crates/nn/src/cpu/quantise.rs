//! Rows of activations as bytes.
//!
//! ```text
//! q = round(x / step) + zero,   step = (max - min) / 255,   zero = round(-min / step)
//! ```
//!
//! Each row has its own step and zero, found when the row is there: no calibration, and a row does not depend on its
//! neighbours. The zero matters after GELU, whose values are nearly all positive: without it half the bytes would lie
//! idle.

use nir_kernels::tiles::Strided;
use nir_kernels::{Job, Lanes, Simd};

/// Rows of activations as bytes `q`, with `x ≈ step (q - zero)`.
#[derive(Default)]
pub(super) struct Quantised {
    /// The number of quads of bytes in a row.
    depth: usize,
    quads: Vec<[u8; 4]>,
    pub(super) steps: Vec<f32>,
    pub(super) zeros: Vec<f32>,
}

impl Quantised {
    /// Replaces the content by the quantised `rows` of `width` values.
    pub(super) fn fill(&mut self, simd: Simd, rows: &[f32], width: usize) {
        let count = rows.len() / width.max(1);
        self.depth = width.div_ceil(4);
        self.quads.resize(count * self.depth, [0; 4]);
        self.steps.resize(count, 0.0);
        self.zeros.resize(count, 0.0);
        simd.run(Fill { to: self, rows, width });
    }

    /// The rows from row `first` on.
    #[inline(always)]
    pub(super) fn from(&self, first: usize) -> Strided<'_, [u8; 4]> {
        Strided { values: &self.quads, first, stride: self.depth, width: self.depth }
    }
}

struct Fill<'a> {
    to: &'a mut Quantised,
    rows: &'a [f32],
    width: usize,
}

impl Job for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Quantised { depth, quads, steps, zeros } = self.to;
        for (row, values) in self.rows.chunks_exact(self.width).enumerate() {
            let bytes = quads[row * *depth..][..*depth].as_flattened_mut();
            let (step, zero) = quantise::<V>(values, bytes);
            steps[row] = step;
            zeros[row] = zero - V::BYTE_OFFSET as f32;
        }
    }
}

/// Writes the bytes of one row; returns the row's step and zero.
#[inline(always)]
fn quantise<V: Lanes>(values: &[f32], bytes: &mut [u8]) -> (f32, f32) {
    let (mut least, mut most) = (V::splat(0.0), V::splat(0.0));
    for part in values.chunks(V::LANES) {
        // A short part is filled up with zeros, which are in the range anyway.
        let part = V::load(part);
        (least, most) = (least.min(part), most.max(part));
    }
    let (least, most) = (least.smallest(), most.largest());
    let step = if most > least { (most - least) / 255.0 } else { 1.0 };
    let zero = (-least / step).round_ties_even();
    let (scale, shift) = (V::splat(1.0 / step), V::splat(zero));
    for (part, bytes) in values.chunks(V::LANES).zip(bytes.chunks_mut(V::LANES)) {
        let value = V::load(part).mul_add(scale, shift);
        value.max(V::splat(0.0)).min(V::splat(255.0)).store_bytes(bytes);
    }
    (step, zero)
}
