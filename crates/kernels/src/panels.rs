//! A fixed set of vectors that many rows meet: inner products, and the largest of them.
//!
//! The set is packed as the weights of a [tiled product](crate::tiles), so every product is the same chain of fused
//! multiply-adds whatever the rows around it, and on every processor.

use crate::lanes::{Job, Lanes};
use crate::simd::Simd;
use crate::tiles::{Block, Panel, Strided, float_tile, pack_into};

/// A fixed set of vectors, packed.
///
/// ```
/// let set = nir_kernels::Panels::new(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2); // (1, 0), (0, 1) and (1, 1)
/// let mut products = [0.0; 6];
/// set.products(&[2.0, 3.0, 4.0, 5.0], &mut products); // of the rows (2, 3) and (4, 5)
/// assert_eq!(products, [2.0, 3.0, 5.0, 4.0, 5.0, 9.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Panels {
    simd: Simd,
    packed: Vec<f32>,
    dim: usize,
    vectors: usize,
}

impl Panels {
    /// Packs `vectors`, `[len, dim]`.
    ///
    /// # Panics
    /// If they are no whole vectors.
    pub fn new(vectors: &[f32], dim: usize) -> Self {
        Self::with(Simd::get(), vectors, dim)
    }

    fn with(simd: Simd, vectors: &[f32], dim: usize) -> Self {
        let mut panels = Self { simd, packed: Vec::new(), dim, vectors: 0 };
        panels.set(vectors);
        panels
    }

    /// Replaces the set by other vectors of the same width.
    ///
    /// # Panics
    /// If they are no whole vectors.
    pub fn set(&mut self, vectors: &[f32]) {
        assert_eq!(vectors.len() % self.dim, 0, "vectors are whole rows of {}", self.dim);
        self.vectors = vectors.len() / self.dim;
        pack_into(vectors, self.dim, self.simd.lanes(), &mut self.packed);
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.vectors
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.vectors == 0
    }

    /// Computes all products: `rows` is `[n, dim]`, `products` becomes `[n, len]`.
    pub fn products(&self, rows: &[f32], products: &mut [f32]) {
        self.simd.run_fused(Products { panels: self, rows, out: products });
    }

    /// Raises `best[v]` to the largest product of vector `v` with any of `rows`, `[n, dim]`.
    pub fn max(&self, rows: &[f32], best: &mut [f32]) {
        self.simd.run_fused(Largest { panels: self, rows, best });
    }

    /// Every tile of a product with `rows` rows: a panel, and the first row and the number of rows that meet it at once.
    /// A panel meets all rows before the next, so that it stays in the cache.
    #[inline(always)]
    fn tiles<V: Lanes>(&self, rows: usize) -> impl Iterator<Item = (Panel, (usize, usize))> {
        let of = move |panel| {
            let firsts = (0..rows).step_by(V::ROWS);
            firsts.map(move |first| (panel, (first, (rows - first).min(V::ROWS))))
        };
        Panel::cut(self.vectors, V::LANES).flat_map(of)
    }

    /// The products of `height` rows from row `first` on with one panel; rows of `out` are `stride` apart.
    #[inline(always)]
    fn tile<V: Lanes>(
        &self,
        values: &[f32],
        (first, height): (usize, usize),
        panel: Panel,
        out: &mut [f32],
        stride: usize,
    ) {
        let width = panel.across * V::LANES;
        let packed = &self.packed[panel.first * self.dim..][..width * self.dim];
        let rows = Strided { values, first, stride: self.dim, width: self.dim };
        float_tile::<V>(rows, height, packed, panel.across, out, stride);
    }
}

struct Products<'a> {
    panels: &'a Panels,
    rows: &'a [f32],
    out: &'a mut [f32],
}

impl Job for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { panels, rows: values, out } = self;
        let len = panels.vectors;
        let mut block: Block = [0.0; _];
        for (panel, tile) in panels.tiles::<V>(values.len() / panels.dim) {
            let width = panel.across * V::LANES;
            let out = &mut out[tile.0 * len + panel.first..];
            if panel.first + width <= len {
                panels.tile::<V>(values, tile, panel, out, len);
                continue;
            }
            // The last panel is filled up with zeros, for which there is no room in `products`.
            panels.tile::<V>(values, tile, panel, &mut block, width);
            let kept = len - panel.first;
            let lines = out.chunks_mut(len).zip(block.chunks_exact(width)).take(tile.1);
            lines.for_each(|(line, sums)| line[..kept].copy_from_slice(&sums[..kept]));
        }
    }
}

struct Largest<'a> {
    panels: &'a Panels,
    rows: &'a [f32],
    best: &'a mut [f32],
}

impl Job for Largest<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { panels, rows: values, best } = self;
        let mut block: Block = [0.0; _];
        for (panel, tile) in panels.tiles::<V>(values.len() / panels.dim) {
            let width = panel.across * V::LANES;
            let end = (panel.first + width).min(panels.vectors);
            let best = &mut best[panel.first..end];
            panels.tile::<V>(values, tile, panel, &mut block, width);
            for sums in block.chunks_exact(width).take(tile.1) {
                for (best, sums) in best.chunks_mut(V::LANES).zip(sums.chunks_exact(V::LANES)) {
                    V::load(sums).max(V::load(best)).store(best);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_are_chains_of_multiply_adds(
            dim in 1..9_usize,
            values in vec(-1.0..1.0_f32, 1..900),
            split in 0.1..0.9_f64,
        ) {
            let rows = values.len() / dim;
            let cut = ((rows as f64 * split) as usize) * dim;
            let (vectors, rows) = values[..rows * dim].split_at(cut);
            for simd in Simd::all() {
                let panels = Panels::with(simd, vectors, dim);
                let mut products = vec![0.0; panels.len() * rows.len() / dim];
                panels.products(rows, &mut products);
                let mut best = vec![f32::NEG_INFINITY; panels.len()];
                panels.max(rows, &mut best);
                for (v, vector) in vectors.chunks_exact(dim).enumerate() {
                    let of = |row: &[f32]| vector.iter().zip(row).fold(0.0, |sum, (&v, &x)| v.mul_add(x, sum));
                    let expected: Vec<f32> = rows.chunks_exact(dim).map(of).collect();
                    let found: Vec<f32> = products.iter().skip(v).step_by(panels.len()).copied().collect();
                    prop_assert_eq!(&found, &expected, "{}", simd.name());
                    prop_assert_eq!(best[v], expected.into_iter().fold(f32::NEG_INFINITY, f32::max));
                }
            }
        }
    }
}
