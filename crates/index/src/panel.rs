//! Inner products of many rows with a fixed set of vectors.
//!
//! The set is stored sixteen vectors at a time, dimension by dimension, so that one register holds one dimension of
//! sixteen vectors. A value of a row, broadcast, then meets sixteen vectors in one instruction, and a sum never has
//! to be added up across a register:
//!
//! ```text
//! panel:  v0[0] v1[0] … v15[0] | v0[1] v1[1] … v15[1] | …        row:  x[0] x[1] …
//! sums  +=  panel[d] · x[d]          for d in 0..dim
//! ```
//!
//! A tile of twelve rows against two panels keeps 24 sums in registers. Every product is the same chain of fused
//! multiply-adds whatever tile its row falls into, so a row alone and a row in a batch give the same bits. That is why
//! this is not a general matrix product: those choose another order for another shape.

#![expect(unsafe_code, reason = "instructions of a level are unsafe where the level is not known")]
#![expect(
    clippy::inline_always,
    reason = "a tile must end up in the caller's loop, or its sums in memory"
)]

use crate::level::Level;

/// Vectors in one panel: the floats of an AVX-512 register.
pub(crate) const LANES: usize = 16;
/// Rows in one tile.
const TILE: usize = 12;

/// A fixed set of vectors, ready to meet rows.
#[derive(Debug, Clone)]
pub(crate) struct Panels {
    /// `[panel, dim]`, of `LANES` vectors each; lanes beyond the last vector are zero.
    lanes: Vec<[f32; LANES]>,
    dim: usize,
    vectors: usize,
}

/// The products of a tile: `[row][panel][lane]`.
type Tile<const ROWS: usize, const PANELS: usize> = [[[f32; LANES]; PANELS]; ROWS];

impl Panels {
    /// Arranges `vectors`, `[len, dim]`.
    pub(crate) fn new(vectors: &[f32], dim: usize) -> Self {
        let mut panels = Self { lanes: Vec::new(), dim, vectors: 0 };
        panels.set(vectors);
        panels
    }

    /// Puts other vectors of the same width in place of these.
    pub(crate) fn set(&mut self, vectors: &[f32]) {
        assert_eq!(vectors.len() % self.dim, 0, "vectors are whole rows of {}", self.dim);
        self.vectors = vectors.len() / self.dim;
        self.lanes.clear();
        self.lanes.resize(self.panels() * self.dim, [0.0; LANES]);
        for (number, vector) in vectors.chunks_exact(self.dim).enumerate() {
            let panel = &mut self.lanes[number / LANES * self.dim..][..self.dim];
            panel.iter_mut().zip(vector).for_each(|(lanes, &x)| lanes[number % LANES] = x);
        }
    }

    /// How many vectors there are.
    pub(crate) fn len(&self) -> usize {
        self.vectors
    }

    /// How many floats [`Panels::max`] needs.
    pub(crate) fn lanes(&self) -> usize {
        self.panels() * LANES
    }

    fn panels(&self) -> usize {
        self.vectors.div_ceil(LANES)
    }

    /// All products: `rows` is `[n, dim]`, `products` becomes `[n, len]`.
    pub(crate) fn products(&self, rows: &[f32], products: &mut [f32]) {
        let width = self.vectors;
        self.for_each_lane(rows, |row, first, lanes| {
            let line = &mut products[row * width + first..(row + 1) * width];
            let kept = line.len().min(LANES);
            line[..kept].copy_from_slice(&lanes[..kept]);
        });
    }

    /// Raises `best[v]` to the largest product of vector `v` with any of `rows`, `[n, dim]`.
    pub(crate) fn max(&self, rows: &[f32], best: &mut [f32]) {
        self.for_each_lane(rows, |_, first, lanes| {
            let best = best[first..].first_chunk_mut::<LANES>().expect("one float for each lane");
            // Not `f32::max`: no number is missing here, and this is one instruction.
            best.iter_mut()
                .zip(lanes)
                .for_each(|(best, &x)| *best = if x > *best { x } else { *best });
        });
    }

    /// Calls `f(row, first vector, products with LANES vectors)`, for some rows more than once.
    #[inline(always)]
    fn for_each_lane(&self, rows: &[f32], mut f: impl FnMut(usize, usize, &[f32; LANES])) {
        let rows = Rows { level: Level::get(), values: rows, dim: self.dim };
        let mut panel = 0;
        while panel + 2 <= self.panels() {
            self.for_each_row::<2>(panel, &rows, &mut f);
            panel += 2;
        }
        if panel < self.panels() {
            self.for_each_row::<1>(panel, &rows, &mut f);
        }
    }

    #[inline(always)]
    fn for_each_row<const PANELS: usize>(
        &self,
        panel: usize,
        rows: &Rows,
        f: &mut impl FnMut(usize, usize, &[f32; LANES]),
    ) {
        let panels = &self.lanes[panel * self.dim..(panel + PANELS) * self.dim];
        match rows.len() {
            TILE.. => tiles::<TILE, PANELS>(panels, rows, panel, f),
            4.. => tiles::<4, PANELS>(panels, rows, panel, f),
            _ => tiles::<1, PANELS>(panels, rows, panel, f),
        }
    }
}

struct Rows<'a> {
    level: Level,
    values: &'a [f32],
    dim: usize,
}

impl Rows<'_> {
    fn len(&self) -> usize {
        self.values.len() / self.dim
    }
}

/// Tiles over all rows. The last one ends with the last row, and so repeats some rows of the one before.
#[inline(always)]
fn tiles<const ROWS: usize, const PANELS: usize>(
    panels: &[[f32; LANES]],
    rows: &Rows,
    panel: usize,
    f: &mut impl FnMut(usize, usize, &[f32; LANES]),
) {
    let mut tile = [[[0.0; LANES]; PANELS]; ROWS];
    let mut done = 0;
    while done < rows.len() {
        let first = done.min(rows.len() - ROWS);
        multiply(
            rows.level,
            panels,
            &rows.values[first * rows.dim..][..ROWS * rows.dim],
            &mut tile,
        );
        for (row, products) in tile.iter().enumerate() {
            for (number, lanes) in products.iter().enumerate() {
                f(first + row, (panel + number) * LANES, lanes);
            }
        }
        done += ROWS;
    }
}

/// `tile[r][p] = Σ_d panels[p][d] · rows[r][d]`
#[inline]
fn multiply<const ROWS: usize, const PANELS: usize>(
    level: Level,
    panels: &[[f32; LANES]],
    rows: &[f32],
    tile: &mut Tile<ROWS, PANELS>,
) {
    match level {
        Level::Plain => multiply_plain(panels, rows, tile),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Level` exists only where the processor has its instructions.
        Level::Avx2 => unsafe { x86::multiply_256(panels, rows, tile) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::multiply_512(panels, rows, tile) },
    }
}

/// The same in plain lines.
#[inline(always)]
fn multiply_plain<const ROWS: usize, const PANELS: usize>(
    panels: &[[f32; LANES]],
    rows: &[f32],
    tile: &mut Tile<ROWS, PANELS>,
) {
    let dim = rows.len() / ROWS;
    for (row, sums) in rows.chunks_exact(dim).zip(tile) {
        for (panel, sums) in panels.chunks_exact(dim).zip(sums) {
            *sums = [0.0; LANES];
            for (lanes, &x) in panel.iter().zip(row) {
                sums.iter_mut().zip(lanes).for_each(|(sum, &v)| *sum = v.mul_add(x, *sum));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{LANES, Tile, multiply_plain};

    #[target_feature(enable = "avx512f")]
    pub(super) fn multiply_512<const ROWS: usize, const PANELS: usize>(
        panels: &[[f32; LANES]],
        rows: &[f32],
        tile: &mut Tile<ROWS, PANELS>,
    ) {
        let dim = rows.len() / ROWS;
        assert!(panels.len() == PANELS * dim && rows.len() == ROWS * dim, "whole panels and rows");
        let mut sums = [[_mm512_setzero_ps(); PANELS]; ROWS];
        for d in 0..dim {
            // SAFETY: `p < PANELS`, `r < ROWS` and `d < dim` index inside the two slices, as asserted above.
            unsafe {
                let lanes: [_; PANELS] = std::array::from_fn(|p| {
                    _mm512_loadu_ps(panels.as_ptr().add(p * dim + d).cast())
                });
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*rows.as_ptr().add(r * dim + d));
                    for (sum, &lanes) in sums.iter_mut().zip(&lanes) {
                        *sum = _mm512_fmadd_ps(lanes, x, *sum);
                    }
                }
            }
        }
        for (products, sums) in tile.iter_mut().zip(sums) {
            for (products, sum) in products.iter_mut().zip(sums) {
                // SAFETY: `products` is 16 floats.
                unsafe { _mm512_storeu_ps(products.as_mut_ptr(), sum) };
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply_256<const ROWS: usize, const PANELS: usize>(
        panels: &[[f32; LANES]],
        rows: &[f32],
        tile: &mut Tile<ROWS, PANELS>,
    ) {
        multiply_plain(panels, rows, tile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_are_chains_of_multiply_adds(
            dim in 1..9_usize,
            values in vec(-1.0..1.0_f32, 1..400),
            split in 0.1..0.9_f64,
        ) {
            let rows = values.len() / dim;
            let cut = ((rows as f64 * split) as usize) * dim;
            let (vectors, rows) = values[..rows * dim].split_at(cut);
            let panels = Panels::new(vectors, dim);
            let mut products = vec![0.0; panels.len() * rows.len() / dim];
            panels.products(rows, &mut products);
            let mut best = vec![f32::NEG_INFINITY; panels.lanes()];
            panels.max(rows, &mut best);
            for (v, vector) in vectors.chunks_exact(dim).enumerate() {
                let of = |row: &[f32]| vector.iter().zip(row).fold(0.0, |sum, (&v, &x)| v.mul_add(x, sum));
                let expected: Vec<f32> = rows.chunks_exact(dim).map(of).collect();
                let found: Vec<f32> = products.iter().skip(v).step_by(panels.len()).copied().collect();
                prop_assert_eq!(&found, &expected);
                prop_assert_eq!(best[v], expected.into_iter().fold(f32::NEG_INFINITY, f32::max));
            }
        }
    }
}
