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

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.vectors
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.vectors == 0
    }

    /// Computes all products: `rows` is `[n, dim]`, `products` becomes `[n, len]`.
    pub fn products(&self, rows: &[f32], products: &mut [f32]) {
        let take = Written { width: self.vectors, products };
        self.simd.run_fused(Product { panels: self, rows, take });
    }

    /// Raises `best[v]` to the largest product of vector `v` with any of `rows`, `[n, dim]`.
    pub fn max(&self, rows: &[f32], best: &mut [f32]) {
        self.simd.run_fused(Product { panels: self, rows, take: Largest { best } });
    }
}

/// A use for the products of one row with a register of vectors.
trait Take {
    /// Takes the products of `row` with the vectors from `first` on; those beyond the last vector are zero.
    fn take<V: Lanes>(&mut self, row: usize, first: usize, products: V);
}

struct Product<'a, T> {
    panels: &'a Panels,
    rows: &'a [f32],
    take: T,
}

impl<T: Take> Job for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { panels, rows: values, mut take } = self;
        let (dim, mut block): (_, Block) = (panels.dim, [0.0; _]);
        let rows = values.len() / dim;
        for panel in Panel::cut(panels.vectors, V::LANES) {
            let width = panel.across * V::LANES;
            let packed = &panels.packed[panel.first * dim..][..width * dim];
            for first in (0..rows).step_by(V::ROWS) {
                let height = (rows - first).min(V::ROWS);
                let tile = Strided { values, first, stride: dim, width: dim };
                float_tile::<V>(tile, height, packed, panel.across, &mut block, width);
                for (row, products) in (first..first + height).zip(block.chunks_exact(width)) {
                    for at in (0..width).step_by(V::LANES) {
                        take.take(row, panel.first + at, V::load(&products[at..][..V::LANES]));
                    }
                }
            }
        }
    }
}

struct Written<'a> {
    width: usize,
    products: &'a mut [f32],
}

impl Take for Written<'_> {
    #[inline(always)]
    fn take<V: Lanes>(&mut self, row: usize, first: usize, products: V) {
        if first < self.width {
            let line = &mut self.products[row * self.width..][first..self.width];
            let kept = line.len().min(V::LANES);
            products.store(&mut line[..kept]);
        }
    }
}

struct Largest<'a> {
    best: &'a mut [f32],
}

impl Take for Largest<'_> {
    #[inline(always)]
    fn take<V: Lanes>(&mut self, _: usize, first: usize, products: V) {
        if first < self.best.len() {
            let best = &mut self.best[first..];
            let kept = best.len().min(V::LANES);
            products.max(V::load(&best[..kept])).store(&mut best[..kept]);
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
