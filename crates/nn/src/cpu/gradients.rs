//! The parts of a transformer that stand between its products, forward and backward, row by row: what a network in
//! training computes on a processor.
//!
//! ```text
//! gelu        y = x Φ(x)                        x' = y' (Φ(x) + x φ(x))
//! softmax     yᵢ = e^xᵢ / Σⱼ e^xⱼ               x' = y (y' - Σⱼ y'ⱼ yⱼ)
//! layer norm  y = n w + b, n = (x - μ) / σ      x' = (g - mean(g) - n mean(g n)) / σ,  g = y' w
//!                                               w' = Σ_rows y' n,  b' = Σ_rows y'
//! ```
//!
//! Written as single operators they cost ten passes over memory and more; here each costs one or two. Sums over rows are
//! taken in pieces of a fixed size and added in order: the number of threads changes no bit.

use nir_kernels::{Job, Lanes, Simd, total};
use rayon::prelude::*;

use super::math::{GELU, GELU_END, exp2, gelu, gelu_slope};

/// About how many floats one task computes, so that they fit into the second-level cache.
const PIECE: usize = 1 << 15;

/// The number of rows of `width` values that one task computes.
fn rows(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// Writes `y = x Φ(x)`.
pub(crate) fn gelu_forward(x: &[f32], y: &mut [f32]) {
    let simd = Simd::get();
    y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| simd.run(Gelu { x, y }));
}

/// Writes `x' = y' (Φ(x) + x φ(x))`, where `slope` is `y'`.
pub(crate) fn gelu_backward(x: &[f32], slope: &[f32], out: &mut [f32]) {
    let simd = Simd::get();
    let pieces = x.par_chunks(PIECE).zip(slope.par_chunks(PIECE));
    out.par_chunks_mut(PIECE)
        .zip(pieces)
        .for_each(|(out, (x, slope))| simd.run(GeluBackward { x, slope, out }));
}

struct Gelu<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Job for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        for (y, x) in self.y.chunks_mut(V::LANES).zip(self.x.chunks(V::LANES)) {
            gelu(V::load(x), GELU_END, GELU).store(y);
        }
    }
}

struct GeluBackward<'a> {
    x: &'a [f32],
    slope: &'a [f32],
    out: &'a mut [f32],
}

impl Job for GeluBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let parts = self.x.chunks(V::LANES).zip(self.slope.chunks(V::LANES));
        for (out, (x, slope)) in self.out.chunks_mut(V::LANES).zip(parts) {
            (gelu_slope(V::load(x)) * V::load(slope)).store(out);
        }
    }
}

/// Writes the softmax of each row of `width` values; every row must have a number other than -inf.
pub(crate) fn softmax_forward(x: &[f32], width: usize, y: &mut [f32]) {
    let (simd, piece) = (Simd::get(), rows(width) * width);
    y.par_chunks_mut(piece)
        .zip(x.par_chunks(piece))
        .for_each(|(y, x)| simd.run(Softmax { x, width, y }));
}

/// Writes `x' = y (y' - Σ y' y)` for each row of `width` values, where `slope` is `y'`.
pub(crate) fn softmax_backward(y: &[f32], slope: &[f32], width: usize, out: &mut [f32]) {
    let (simd, piece) = (Simd::get(), rows(width) * width);
    let pieces = y.par_chunks(piece).zip(slope.par_chunks(piece));
    out.par_chunks_mut(piece)
        .zip(pieces)
        .for_each(|(out, (y, slope))| simd.run(SoftmaxBackward { y, slope, width, out }));
}

struct Softmax<'a> {
    x: &'a [f32],
    width: usize,
    y: &'a mut [f32],
}

impl Job for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        for (y, x) in self.y.chunks_exact_mut(self.width).zip(self.x.chunks_exact(self.width)) {
            let largest = V::splat(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let log2_e = V::splat(std::f32::consts::LOG2_E);
            for (y, x) in y.chunks_mut(V::LANES).zip(x.chunks(V::LANES)) {
                exp2((V::load(x) - largest) * log2_e).store(y);
            }
            let sum = sum_of::<V>(y.chunks(V::LANES).map(|y| V::load(y)));
            let share = V::splat(1.0 / sum);
            for y in y.chunks_mut(V::LANES) {
                (V::load(y) * share).store(y);
            }
        }
    }
}

struct SoftmaxBackward<'a> {
    y: &'a [f32],
    slope: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl Job for SoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let rows = self.y.chunks_exact(self.width).zip(self.slope.chunks_exact(self.width));
        for (out, (y, slope)) in self.out.chunks_exact_mut(self.width).zip(rows) {
            let parts = || y.chunks(V::LANES).zip(slope.chunks(V::LANES));
            let mean = V::splat(sum_of(parts().map(|(y, slope)| V::load(y) * V::load(slope))));
            for (out, (y, slope)) in out.chunks_mut(V::LANES).zip(parts()) {
                (V::load(y) * (V::load(slope) - mean)).store(out);
            }
        }
    }
}

/// The sum of all lanes. Lanes beyond the end of a row are loaded as zero and add nothing.
#[inline(always)]
fn sum_of<V: Lanes>(parts: impl Iterator<Item = V>) -> f32 {
    total(parts, |sum: V, part| sum + part)
}

/// The inputs of a layer norm, and of its gradients.
#[derive(Clone, Copy)]
pub(crate) struct Norm<'a> {
    /// The input of the layer norm, `[rows, width]`.
    pub(crate) x: &'a [f32],
    /// The weights of the layer norm, `[width]`.
    pub(crate) weight: &'a [f32],
    /// The epsilon that is added to the variance.
    pub(crate) eps: f32,
}

impl Norm<'_> {
    /// Writes `y = n w + b`, `[rows, width]`.
    pub(crate) fn forward(self, bias: &[f32], y: &mut [f32]) {
        let piece = rows(self.weight.len()) * self.weight.len();
        let simd = Simd::get();
        y.par_chunks_mut(piece).zip(self.x.par_chunks(piece)).for_each(|(y, x)| {
            simd.run(NormForward { norm: Norm { x, ..self }, bias, y });
        });
    }

    /// Writes `x'`, `[rows, width]`, where `slope` is `y'`.
    pub(crate) fn backward(self, slope: &[f32], out: &mut [f32]) {
        let piece = rows(self.weight.len()) * self.weight.len();
        let simd = Simd::get();
        let pieces = self.x.par_chunks(piece).zip(slope.par_chunks(piece));
        out.par_chunks_mut(piece).zip(pieces).for_each(|(out, (x, slope))| {
            simd.run(NormBackward { norm: Norm { x, ..self }, slope, out });
        });
    }

    /// The gradients `w'` and `b'`, `[width]` each, where `slope` is `y'`.
    pub(crate) fn sums(self, slope: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let width = self.weight.len();
        let piece = rows(width) * width;
        let simd = Simd::get();
        let pieces = self.x.par_chunks(piece).zip(slope.par_chunks(piece));
        let parts: Vec<Vec<f32>> = pieces
            .map(|(x, slope)| {
                let mut sums = vec![0.0; 2 * width];
                simd.run(NormSums { norm: Norm { x, ..self }, slope, sums: &mut sums });
                sums
            })
            .collect();
        let mut sums = vec![0.0; 2 * width];
        for part in &parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        let biases = sums.split_off(width);
        (sums, biases)
    }
}

/// The mean of a row and `1 / √(variance + eps)`.
#[inline(always)]
fn moments<V: Lanes>(x: &[f32], eps: f32) -> (V, V) {
    let width = x.len() as f32;
    let mean = V::splat(sum_of(x.chunks(V::LANES).map(|x| V::load(x))) / width);
    let squares = x.chunks(V::LANES).map(|x| {
        // Lanes beyond the row are the mean itself, so that they differ from it by nothing.
        let difference = V::load(x).first_or(x.len(), mean) - mean;
        difference * difference
    });
    (mean, V::splat(1.0 / (sum_of(squares) / width + eps).sqrt()))
}

struct NormForward<'a> {
    norm: Norm<'a>,
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl Job for NormForward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Norm { x, weight, eps } = self.norm;
        let width = weight.len();
        for (y, x) in self.y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            let (mean, scale) = moments::<V>(x, eps);
            let parts =
                x.chunks(V::LANES).zip(weight.chunks(V::LANES).zip(self.bias.chunks(V::LANES)));
            for (y, (x, (weight, bias))) in y.chunks_mut(V::LANES).zip(parts) {
                let normed = (V::load(x) - mean) * scale;
                normed.mul_add(V::load(weight), V::load(bias)).store(y);
            }
        }
    }
}

struct NormBackward<'a> {
    norm: Norm<'a>,
    slope: &'a [f32],
    out: &'a mut [f32],
}

impl Job for NormBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Norm { x, weight, eps } = self.norm;
        let width = weight.len();
        let rows = x.chunks_exact(width).zip(self.slope.chunks_exact(width));
        for (out, (x, slope)) in self.out.chunks_exact_mut(width).zip(rows) {
            let (mean, scale) = moments::<V>(x, eps);
            let parts = || {
                let slopes = slope.chunks(V::LANES).zip(weight.chunks(V::LANES));
                x.chunks(V::LANES).zip(slopes).map(|(x, (slope, weight))| {
                    // The slope is zero in lanes beyond the row, whatever is made of x there.
                    ((V::load(x) - mean) * scale, V::load(slope) * V::load(weight))
                })
            };
            let average = V::splat(sum_of(parts().map(|(_, g)| g)) / width as f32);
            let along = V::splat(sum_of(parts().map(|(n, g)| n * g)) / width as f32);
            for (out, (n, g)) in out.chunks_mut(V::LANES).zip(parts()) {
                ((g - average - n * along) * scale).store(out);
            }
        }
    }
}

struct NormSums<'a> {
    norm: Norm<'a>,
    slope: &'a [f32],
    sums: &'a mut [f32],
}

impl Job for NormSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Norm { x, weight, eps } = self.norm;
        let width = weight.len();
        let (weights, biases) = self.sums.split_at_mut(width);
        for (x, slope) in x.chunks_exact(width).zip(self.slope.chunks_exact(width)) {
            let (mean, scale) = moments::<V>(x, eps);
            let sums = weights.chunks_mut(V::LANES).zip(biases.chunks_mut(V::LANES));
            let parts = x.chunks(V::LANES).zip(slope.chunks(V::LANES));
            for ((weight, bias), (x, slope)) in sums.zip(parts) {
                let slope = V::load(slope);
                ((V::load(x) - mean) * scale).mul_add(slope, V::load(weight)).store(weight);
                (V::load(bias) + slope).store(bias);
            }
        }
    }
}

/// The sum over the rows of `[rows, width]`, which is the gradient of a bias; `[width]`.
pub(crate) fn column_sums(x: &[f32], width: usize) -> Vec<f32> {
    let piece = rows(width) * width;
    let simd = Simd::get();
    let parts: Vec<Vec<f32>> = x
        .par_chunks(piece)
        .map(|x| {
            let mut sums = vec![0.0; width];
            simd.run(ColumnSums { x, sums: &mut sums });
            sums
        })
        .collect();
    let mut sums = vec![0.0; width];
    for part in &parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sums
}

struct ColumnSums<'a> {
    x: &'a [f32],
    sums: &'a mut [f32],
}

impl Job for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        for x in self.x.chunks_exact(self.sums.len()) {
            for (sum, x) in self.sums.chunks_mut(V::LANES).zip(x.chunks(V::LANES)) {
                (V::load(sum) + V::load(x)).store(sum);
            }
        }
    }
}
