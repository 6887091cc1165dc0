//! Rotations learned for product quantisation (OPQ, the non-parametric one).
//! Ge, He, Ke and Sun, Optimized Product Quantization for Approximate Nearest Neighbor Search, CVPR 2013.
//!
//! A product quantiser cuts a vector into pieces and forgets how pieces depend on one another, so the axes should be
//! turned until the pieces lose least. Two steps in turn: quantise the turned rows, then find the rotation that brings
//! the rows nearest to what they were quantised to, which is an orthogonal Procrustes problem.
//!
//! ```text
//! min_R  ‖X Rᵀ - Y‖²   with R Rᵀ = I          R = U Vᵀ   where   Yᵀ X = U S Vᵀ                      (eq. 5)
//! ```
//!
//! `U Vᵀ` is the orthogonal factor of the polar decomposition of `Yᵀ X`, found here without singular values, by the
//! iteration `R ← (3 R - R Rᵀ R) / 2` (Björck and Bowie, SIAM Journal on Numerical Analysis 8(2), 1971). With fewer rows than columns, `R`
//! also projects. It starts from the subspace of the largest variance, reached by orthogonal iteration: the same polar
//! factor, of `R Xᵀ X`, taken a few times. Within the subspace the axes are random:
//! the paper's other start, which allocates eigenvectors to pieces (section 3.2.2), is not here.

use nir_kernels::Panels;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Orthonormal rows `R`, `[out, in]`: turns a vector `x` of `in` floats into `R x` of `out`.
#[derive(Debug, Clone)]
pub struct Rotation {
    values: Vec<f32>,
    width: usize,
    panels: Panels,
}

/// Orthogonal iterations from the random start: the subspace only has to be good, not exact.
const START: usize = 12;
/// Björck's iterations: a singular value of a thousandth of the largest needs 18 steps of 1.5, and then a few.
const POLAR: usize = 30;

impl Rotation {
    /// Takes the matrix `R` as `values`, `[out, width]`.
    ///
    /// # Panics
    /// If `values` is not whole rows.
    pub fn new(values: Vec<f32>, width: usize) -> Self {
        let panels = Panels::new(&values, width);
        Self { values, width, panels }
    }

    /// The number of components of a vector before the rotation.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of components of a vector after the rotation.
    pub fn out(&self) -> usize {
        self.panels.len()
    }

    /// The matrix `R`, `[out, width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Rotates rows: `X Rᵀ` for `X` = `rows`, `[n, width]`; returns `[n, out]`.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let mut turned = vec![0.0; rows.len() / self.width * self.out()];
        turned
            .par_chunks_mut(BLOCK * self.out())
            .zip(rows.par_chunks(BLOCK * self.width))
            .for_each(|(turned, rows)| self.panels.products(rows, turned));
        turned
    }

    /// The subspace of `out` dimensions where `rows`, `[n, width]`, vary most, in a random basis.
    pub fn principal(rows: &[f32], width: usize, out: usize, seed: u64) -> Self {
        assert!(out <= width, "a rotation to {out} dimensions needs as many before, not {width}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut orthonormal = |out: usize, width: usize| {
            polar((0..out * width).map(|_| random.random_range(-1.0..1.0)).collect(), width)
        };
        let covariance = cross(rows, width, rows, width);
        let mut basis = orthonormal(out, width);
        for _ in 0..START {
            // R C, as C is its own transpose.
            basis = polar(times_transposed(&basis, &covariance, width), width);
        }
        let turn = orthonormal(out, out);
        Self::new(times_transposed(&turn, &transposed(&basis, width), out), width)
    }

    /// The rotation that brings `rows`, `[n, width]`, nearest to `targets`, `[n, out]`.
    pub fn procrustes(rows: &[f32], width: usize, targets: &[f32], out: usize) -> Self {
        Self::new(polar(cross(targets, out, rows, width), width), width)
    }
}

/// The number of rows in a block of a product.
const BLOCK: usize = 1024;

/// `Aᵀ B` of `[n, a_width]` and `[n, b_width]`: `[a_width, b_width]`.
fn cross(a: &[f32], a_width: usize, b: &[f32], b_width: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; a_width * b_width];
    // Few blocks at a time: their products are added in order, so threads change nothing.
    for (a, b) in a.chunks(4 * BLOCK * a_width).zip(b.chunks(4 * BLOCK * b_width)) {
        let blocks = a.par_chunks(BLOCK * a_width).zip(b.par_chunks(BLOCK * b_width));
        let parts: Vec<Vec<f32>> = blocks
            .map(|(a, b)| {
                times_transposed(
                    &transposed(a, a_width),
                    &transposed(b, b_width),
                    a.len() / a_width,
                )
            })
            .collect();
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
        }
    }
    sum
}

/// The product `A Bᵀ` of two matrices whose rows have `width` values.
fn times_transposed(a: &[f32], b: &[f32], width: usize) -> Vec<f32> {
    let b = Panels::new(b, width);
    let mut products = vec![0.0; a.len() / width * b.len()];
    products
        .par_chunks_mut(64 * b.len())
        .zip(a.par_chunks(64 * width))
        .for_each(|(products, a)| b.products(a, products));
    products
}

fn transposed(rows: &[f32], width: usize) -> Vec<f32> {
    let n = rows.len() / width;
    let mut columns = vec![0.0; rows.len()];
    for (number, row) in rows.chunks_exact(width).enumerate() {
        row.iter().enumerate().for_each(|(d, &x)| columns[d * n + number] = x);
    }
    columns
}

/// The matrix with orthonormal rows that is nearest to `values`, `[out, width]`.
fn polar(mut values: Vec<f32>, width: usize) -> Vec<f32> {
    let out = values.len() / width;
    let scale = largest_singular(&values, width).max(f32::MIN_POSITIVE);
    values.iter_mut().for_each(|x| *x /= scale);
    for _ in 0..POLAR {
        let square = times_transposed(&values, &values, width); // [out, out]
        let cube = times_transposed(&square, &transposed(&values, width), out); // [out, width]
        values.iter_mut().zip(cube).for_each(|(x, cube)| *x = 1.5 * *x - 0.5 * cube);
    }
    orthonormal(values, width)
}

/// No less than the largest singular value: the root of the largest sum of a row of `|R Rᵀ|`.
fn largest_singular(values: &[f32], width: usize) -> f32 {
    let square = times_transposed(values, values, width);
    let out = values.len() / width;
    let sums = square.chunks_exact(out).map(|row| row.iter().map(|x| x.abs()).sum::<f32>());
    sums.fold(0.0, f32::max).sqrt()
}

/// Gram and Schmidt, twice: rows that the iteration brought to length one hardly move, and rows that vanished, because
/// the data has fewer dimensions, are filled in from the axes.
fn orthonormal(mut values: Vec<f32>, width: usize) -> Vec<f32> {
    for row in 0..values.len() / width {
        let (before, rest) = values.split_at_mut(row * width);
        let row = &mut rest[..width];
        let mut axis = 0;
        while !normalise_against(before, row) {
            row.fill(0.0);
            row[axis] = 1.0;
            axis += 1;
        }
    }
    values
}

/// Takes what lies along `before` out of `row` and scales the rest to one; whether there was a rest.
fn normalise_against(before: &[f32], row: &mut [f32]) -> bool {
    for _ in 0..2 {
        for other in before.chunks_exact(row.len()) {
            let along: f64 =
                other.iter().zip(&*row).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            row.iter_mut().zip(other).for_each(|(x, &o)| *x -= along as f32 * o);
        }
        let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        if length < 0.1 {
            return false;
        }
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize, seed: u64) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn assert_orthonormal(rotation: &Rotation) {
        let square = times_transposed(rotation.values(), rotation.values(), rotation.width());
        for (i, &x) in square.iter().enumerate() {
            let expected = if i % (rotation.out() + 1) == 0 { 1.0 } else { 0.0 };
            assert!((x - expected).abs() < 1e-5, "entry {i} is {x}");
        }
    }

    #[test]
    fn procrustes_finds_the_rotation_that_was_applied() {
        let rotation = Rotation::new(polar(random(6 * 6, 1), 6), 6);
        assert_orthonormal(&rotation);
        let rows = random(3000 * 6, 2);
        let found = Rotation::procrustes(&rows, 6, &rotation.apply(&rows), 6);
        for (a, b) in found.values().iter().zip(rotation.values()) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn the_principal_subspace_keeps_what_varies() {
        // Only dimensions 1 and 3 vary, so two dimensions keep every length.
        let mut rows = random(2000 * 5, 3);
        rows.chunks_exact_mut(5).for_each(|row| (row[0], row[2], row[4]) = (0.0, 0.0, 0.0));
        let rotation = Rotation::principal(&rows, 5, 2, 4);
        assert_orthonormal(&rotation);
        let length = |rows: &[f32]| rows.iter().map(|x| x * x).sum::<f32>();
        assert!((length(&rotation.apply(&rows)) / length(&rows) - 1.0).abs() < 1e-4);
    }

    #[test]
    fn rows_with_fewer_dimensions_still_give_a_rotation() {
        assert_orthonormal(&Rotation::procrustes(&[1.0, 0.0, 0.0], 3, &[0.0, 2.0, 0.0], 3));
    }
}
