//! Inner products of rows as they are stored, with the same bits on every processor.
//!
//! The sum of many floats depends on their order, so the order is fixed here once for all processors. Component `i`
//! goes to running sum `i mod 16` by a fused multiply-add, components in rising order; the sixteen sums are then
//! halved four times.
//!
//! ```text
//! s_l      =  Σ a_i b_i   over i ≡ l (mod 16)                    0 ≤ l < 16, one rounding for each i
//! a · b    =  fold(fold(fold(fold(s))))      where fold(s)_l = s_l + s_(l + half the lanes)
//! ```
//!
//! Sixteen sums are one register of AVX-512, two of AVX2, four of NEON, and an array where there is none of them. A
//! single product would wait for its own additions; several products at a time do not, which is why all functions
//! here take blocks. Blocks share loads and never sums: a product does not depend on what it was computed with.
//!
//! Rows lie as they are stored, one after the other. Where one side is fixed and meets many rows, it is worth packing
//! it once: that is `tiles.rs`, whose sums run in another order.

use crate::lanes::{Element, Job, Lanes, Register, RunningSums, SUMS, padded, portable};
use crate::simd::{Level, Simd};

impl Simd {
    /// `query · row`.
    ///
    /// # Panics
    /// If the two differ in length.
    pub fn dot<E: Element>(self, query: &[f32], row: &[E]) -> f32 {
        self.dots(query, [row])[0]
    }

    /// `query · row` for each of `R` rows; four or more keep the processor busy.
    ///
    /// # Panics
    /// If a row differs from the query in length.
    pub fn dots<E: Element, const R: usize>(self, query: &[f32], rows: [&[E]; R]) -> [f32; R] {
        #[cfg(target_arch = "aarch64")]
        if self.0 == Level::Neon {
            return dots::<crate::lanes::neon::Neon, E, 1, R>([query], rows)[0];
        }
        self.run_fused(Dots { query, rows })
    }

    /// `scores[q][r] = query q · row r`.
    ///
    /// - `queries`: `[q, dim]`
    /// - `rows`: `[r, dim]`
    /// - `scores`: `[q, r]`, overwritten
    ///
    /// # Panics
    /// If `scores` is of another size.
    pub fn block(self, dim: usize, queries: &[f32], rows: &[f32], scores: &mut [f32]) {
        assert_eq!(scores.len() * dim * dim, queries.len() * rows.len(), "a score for each pair");
        if scores.is_empty() || dim == 0 {
            return;
        }
        #[cfg(target_arch = "aarch64")]
        if self.0 == Level::Neon {
            // 3 · 2 sums of four registers each, and a row or two, fit the 32 registers.
            return block::<crate::lanes::neon::Neon, 3, 2>(dim, queries, rows, scores);
        }
        self.run_fused(Block { dim, queries, rows, scores });
    }

    /// The inner product of bytes, exactly.
    ///
    /// # Panics
    /// If the two differ in length.
    pub fn dot_i8(self, query: &[i8], row: &[i8]) -> i32 {
        self.dots_i8(query, [row])[0]
    }

    /// The inner product of bytes with each of `R` rows, exactly.
    ///
    /// # Panics
    /// If a row differs from the query in length.
    pub fn dots_i8<const R: usize>(self, query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
        assert!(rows.iter().all(|row| row.len() == query.len()), "vectors have one length");
        match self.0 {
            Level::Scalar => portable::dots_i8(query, rows),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Simd` of this level exists only where the processor has its instructions.
            Level::Avx2 => unsafe { crate::lanes::avx2::dots_i8(query, rows) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { crate::lanes::avx512::dots_i8(query, rows) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon => unsafe { crate::lanes::neon::dots_i8(query, rows) },
        }
    }
}

struct Dots<'a, E, const R: usize> {
    query: &'a [f32],
    rows: [&'a [E]; R],
}

impl<E: Element, const R: usize> Job for Dots<'_, E, R> {
    type Output = [f32; R];

    #[inline(always)]
    fn run<V: Lanes>(self) -> [f32; R] {
        dots::<V, E, 1, R>([self.query], self.rows)[0]
    }
}

struct Block<'a> {
    dim: usize,
    queries: &'a [f32],
    rows: &'a [f32],
    scores: &'a mut [f32],
}

impl Job for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { dim, queries, rows, scores } = self;
        match V::LANES {
            // 6 · 4 sums, four rows and a query fit the 32 registers.
            16 => block::<V, 6, 4>(dim, queries, rows, scores),
            // 3 · 2 sums of two registers each, two rows and a query fit the 16 registers.
            8 => block::<V, 3, 2>(dim, queries, rows, scores),
            _ => block::<V, 1, 1>(dim, queries, rows, scores),
        }
    }
}

/// `queries[q] · rows[r]` for all pairs: what every instruction set compiles for itself.
#[inline(always)]
fn dots<V: Register, E: Element, const Q: usize, const R: usize>(
    queries: [&[f32]; Q],
    rows: [&[E]; R],
) -> [[f32; R]; Q] {
    let dim = queries[0].len();
    assert!(queries.iter().all(|query| query.len() == dim), "vectors have one length");
    assert!(rows.iter().all(|row| row.len() == dim), "vectors have one length");
    let query_chunks = queries.map(|query| &query.as_chunks::<SUMS>().0[..dim / SUMS]);
    let row_chunks = rows.map(|row| &row.as_chunks::<SUMS>().0[..dim / SUMS]);
    let mut sums = [[V::Sums::zero(); R]; Q];
    for chunk in 0..dim / SUMS {
        let queries = query_chunks.map(|of| &of[chunk]);
        add_products::<V, E, Q, R>(&mut sums, queries, row_chunks.map(|of| &of[chunk]));
    }
    if !dim.is_multiple_of(SUMS) {
        let (queries, rows) = (queries.map(last_chunk), rows.map(last_chunk));
        add_products::<V, E, Q, R>(&mut sums, queries.each_ref(), rows.each_ref());
    }
    let mut products = [[0.0; R]; Q];
    for (products, sums) in products.iter_mut().zip(sums) {
        for (product, sum) in products.iter_mut().zip(sums) {
            *product = sum.sum();
        }
    }
    products
}

// An instruction in a closure would be compiled without its level: loops only.
#[inline(always)]
fn add_products<V: Register, E: Element, const Q: usize, const R: usize>(
    sums: &mut [[V::Sums; R]; Q],
    queries: [&[f32; SUMS]; Q],
    rows: [&[E; SUMS]; R],
) {
    let mut row_lanes = [V::Sums::zero(); R];
    for (lanes, row) in row_lanes.iter_mut().zip(rows) {
        *lanes = V::Sums::load(row);
    }
    for (sums, query) in sums.iter_mut().zip(queries) {
        let query = V::Sums::load(query);
        for (sum, row) in sums.iter_mut().zip(row_lanes) {
            *sum = sum.add_product(query, row);
        }
    }
}

/// The numbers after a vector's last whole chunk, filled up with zeros.
#[inline(always)]
fn last_chunk<E: Element>(vector: &[E]) -> [E; SUMS] {
    padded(vector.as_chunks::<SUMS>().1)
}

/// All scores of a block, in tiles of `Q` queries by `R` rows, and smaller ones at its edges.
#[inline(always)]
fn block<V: Register, const Q: usize, const R: usize>(
    dim: usize,
    queries: &[f32],
    rows: &[f32],
    scores: &mut [f32],
) {
    let width = rows.len() / dim;
    for (queries, scores) in queries.chunks(Q * dim).zip(scores.chunks_mut(Q * width)) {
        if queries.len() == Q * dim {
            strip::<V, Q, R>(dim, queries, rows, scores);
            continue;
        }
        for (query, scores) in queries.chunks(dim).zip(scores.chunks_mut(width)) {
            strip::<V, 1, R>(dim, query, rows, scores);
        }
    }
}

/// The scores of exactly `Q` queries.
#[inline(always)]
fn strip<V: Register, const Q: usize, const R: usize>(
    dim: usize,
    queries: &[f32],
    rows: &[f32],
    scores: &mut [f32],
) {
    let width = rows.len() / dim;
    let queries: [&[f32]; Q] = std::array::from_fn(|q| &queries[q * dim..][..dim]);
    let whole = width - width % R;
    for start in (0..whole).step_by(R) {
        let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[(start + r) * dim..][..dim]);
        let tile = dots::<V, f32, Q, R>(queries, rows);
        for (q, tile) in tile.iter().enumerate() {
            scores[q * width + start..][..R].copy_from_slice(tile);
        }
    }
    for row in whole..width {
        let tile = dots::<V, f32, Q, 1>(queries, [&rows[row * dim..][..dim]]);
        for (q, tile) in tile.iter().enumerate() {
            scores[q * width + row] = tile[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The definition at the head of this file, in plain words.
    fn dot_by_definition(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0_f32; 16];
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            sums[i % 16] = a.mul_add(*b, sums[i % 16]);
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = sums;
        let eight = [a + i, b + j, c + k, d + l, e + m, f + n, g + o, h + p];
        let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[test]
    fn bytes_at_their_ends_do_not_overflow() {
        for simd in Simd::all() {
            for (a, b) in [(-128, -128), (-128, 127), (127, -128), (127, 127)] {
                let expected = 100 * i32::from(a) * i32::from(b);
                assert_eq!(simd.dot_i8(&[a; 100], &[b; 100]), expected, "{simd:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_level_gives_the_defined_bits(a in vec(-2.0_f32..2.0, 0..100), seed in 0..1000_u32) {
            let b: Vec<f32> = a.iter().map(|a| (a * 1000.0 + seed as f32).sin()).collect();
            let half: Vec<f16> = b.iter().copied().map(f16::from_f32).collect();
            let brain: Vec<bf16> = b.iter().copied().map(bf16::from_f32).collect();
            let bytes: Vec<i8> = b.iter().map(|b| (b * 127.0) as i8).collect();
            let back = |of: &dyn Fn(usize) -> f32| (0..a.len()).map(of).collect::<Vec<_>>();
            for simd in Simd::all() {
                prop_assert_eq!(simd.dot(&a, &b), dot_by_definition(&a, &b));
                prop_assert_eq!(simd.dot(&a, &half), dot_by_definition(&a, &back(&|i| half[i].to_f32())));
                prop_assert_eq!(simd.dot(&a, &brain), dot_by_definition(&a, &back(&|i| brain[i].to_f32())));
                prop_assert_eq!(simd.dot(&a, &bytes), dot_by_definition(&a, &back(&|i| f32::from(bytes[i]))));
            }
        }

        #[test]
        fn bytes_sum_exactly(a in vec(any::<i8>(), 0..200), shift in any::<i8>()) {
            let b: Vec<i8> = a.iter().map(|a| a.wrapping_mul(31).wrapping_add(shift)).collect();
            let expected: i32 = a.iter().zip(&b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            for simd in Simd::all() {
                prop_assert_eq!(simd.dots_i8(&a, [&b, &a])[0], expected);
            }
        }

        #[test]
        fn a_score_does_not_depend_on_its_block(
            dim in 1..40_usize, queries in 1..9_usize, rows in 1..11_usize, seed in 0..1000_u32
        ) {
            let value = |i: usize| (i as f32 * 1.37 + seed as f32).sin();
            let a: Vec<f32> = (0..queries * dim).map(value).collect();
            let b: Vec<f32> = (0..rows * dim).map(|i| value(i + 7)).collect();
            for simd in Simd::all() {
                let mut scores = vec![f32::NAN; queries * rows];
                simd.block(dim, &a, &b, &mut scores);
                for (pair, score) in scores.iter().enumerate() {
                    let (query, row) = (&a[pair / rows * dim..][..dim], &b[pair % rows * dim..][..dim]);
                    prop_assert_eq!(*score, dot_by_definition(query, row));
                }
            }
        }
    }
}
