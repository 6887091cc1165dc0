//! The tiled product: rows with weights that lie in the order in which the product reads them.
//!
//! A product is cut into tiles of a few rows by a few registers of outputs, whose sums stay in registers while the
//! kernel runs down the inputs: with 8 rows and 3 registers, 24 multiply-adds for 11 loads (Goto and van de Geijn,
//! ACM TOMS 34(3), 2008). The weights of a tile are one stretch of memory, a *panel*: `[inputs, outputs of the tile]`.
//! A panel is taken over all rows before the next, so that weights are read once and rows stay in the cache.
//!
//! Every output is summed input by input in order, whatever the height of the tile it falls into. So a row's result
//! does not depend on the rows around it. That is why this is not a general matrix product: those choose another order
//! for another shape.
//!
//! ```text
//! panel:  w0[0] w1[0] … w47[0] | w0[1] w1[1] … w47[1] | …        row:  x[0] x[1] …
//! sums  +=  panel[d] · x[d]          for d in 0..inputs
//! ```

use crate::lanes::Lanes;

/// Registers in a row of a tile: three leave room for eight rows of sums among the 32 registers of AVX-512.
pub const ACROSS: usize = 3;

/// Outputs that are computed together: `across` registers from output `first` on.
#[derive(Clone, Copy)]
pub struct Panel {
    /// The first output.
    pub first: usize,
    /// How many registers of outputs.
    pub across: usize,
}

/// Room for the sums of a tile: up to 8 rows of 3 registers of 16.
pub type Block = [f32; 8 * ACROSS * 16];

impl Panel {
    /// The panels of `width` columns: as many of three registers as there can be without leaving one alone.
    #[inline(always)]
    pub fn cut(width: usize, lanes: usize) -> impl Iterator<Item = Self> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let left = width.div_ceil(lanes) - next;
            let across = if left == 4 { 2 } else { left.min(ACROSS) };
            let panel = Self { first: next * lanes, across };
            next += across;
            (across > 0).then_some(panel)
        })
    }
}

/// Packs weights `[outputs, inputs]` into panels of `[inputs, outputs of the panel]`, with zeros beyond the last output.
///
/// `lanes` is [`Simd::lanes`](crate::Simd::lanes).
pub fn pack(weights: &[f32], inputs: usize, lanes: usize) -> Vec<f32> {
    let mut packed = Vec::new();
    pack_into(weights, inputs, lanes, &mut packed);
    packed
}

/// Packs weights into a buffer, whose content is replaced.
pub(crate) fn pack_into(weights: &[f32], inputs: usize, lanes: usize, packed: &mut Vec<f32>) {
    let outputs = weights.len() / inputs.max(1);
    packed.clear();
    packed.reserve(inputs * outputs.next_multiple_of(lanes));
    for panel in Panel::cut(outputs, lanes) {
        for input in 0..inputs {
            let columns = panel.first..panel.first + panel.across * lanes;
            packed.extend(columns.map(|output| match output < outputs {
                true => weights[output * inputs + input],
                false => 0.0,
            }));
        }
    }
}

/// Rows of `width` values, `stride` apart.
#[derive(Debug, Clone, Copy)]
pub struct Strided<'a, T = f32> {
    /// All values.
    pub values: &'a [T],
    /// The row to begin with.
    pub first: usize,
    /// The distance from the beginning of a row to that of the next, in values.
    pub stride: usize,
    /// Values of a row that are used.
    pub width: usize,
}

impl<'a, T> Strided<'a, T> {
    #[inline(always)]
    fn rows<const M: usize>(&self) -> [&'a [T]; M] {
        let from = &self.values[self.first * self.stride..];
        std::array::from_fn(|row| &from[row * self.stride..][..self.width])
    }
}

/// Calls the kernel of a tile's very height and width, each compiled with its sums in registers.
macro_rules! by_size {
    ($rows:expr, $across:expr, $kernel:ident ($($argument:expr),*)) => {
        by_size!(@ $rows, $across, $kernel ($($argument),*), 1 2 3 4 5 6 7 8)
    };
    (@ $rows:expr, $across:expr, $kernel:ident $arguments:tt, $($m:literal)*) => {
        match ($rows, $across) {
            $(
                ($m, 1) if $m <= V::ROWS => by_size!(! $kernel, $m, 1, $arguments),
                ($m, 2) if $m <= V::ROWS => by_size!(! $kernel, $m, 2, $arguments),
                ($m, 3) if $m <= V::ROWS => by_size!(! $kernel, $m, 3, $arguments),
            )*
            _ => unreachable!("a tile has at most `ROWS` rows and `ACROSS` registers across"),
        }
    };
    (! $kernel:ident, $m:literal, $n:literal, ($($argument:expr),*)) => {
        $kernel::<V, $m, $n>($($argument),*)
    };
}

/// `out[row] = activations[row] · panel`, rows of `out` being `stride` apart.
///
/// - `panel`: `[width of activations, across registers]`
#[inline(always)]
pub fn float_tile<V: Lanes>(
    activations: Strided<'_>,
    rows: usize,
    panel: &[f32],
    across: usize,
    out: &mut [f32],
    stride: usize,
) {
    by_size!(rows, across, float_kernel(activations.rows(), panel, out, stride));
}

#[inline(always)]
fn float_kernel<V: Lanes, const M: usize, const N: usize>(
    activations: [&[f32]; M],
    panel: &[f32],
    out: &mut [f32],
    stride: usize,
) {
    let mut sums = [[V::splat(0.0); N]; M];
    let depth = activations[0].len();
    for (input, weights) in (0..depth).zip(panel.chunks_exact(N * V::LANES)) {
        prefetch::<V, _, N>(weights);
        let mut columns = [V::splat(0.0); N];
        for n in 0..N {
            columns[n] = V::load(&weights[n * V::LANES..]);
        }
        for m in 0..M {
            let activation = V::splat(activations[m][input]);
            for n in 0..N {
                sums[m][n] = activation.mul_add(columns[n], sums[m][n]);
            }
        }
    }
    for m in 0..M {
        for n in 0..N {
            sums[m][n].store(&mut out[m * stride + n * V::LANES..][..V::LANES]);
        }
    }
}

/// Asks for the weights of a later step of a kernel. A panel is too wide for the first-level cache, and the
/// processor's own guess comes late: without this a product of bytes takes 6 % longer, one of floats 2 %.
#[inline(always)]
fn prefetch<V: Lanes, W, const N: usize>(weights: &[W]) {
    const STEPS: usize = 16;
    for n in 0..N {
        V::prefetch(weights.as_ptr().wrapping_add((STEPS * N + n) * V::LANES));
    }
}

/// Loads `N` registers.
#[inline(always)]
pub fn registers<V: Lanes, const N: usize>(from: &[f32]) -> [V; N] {
    let mut registers = [V::splat(0.0); N];
    for n in 0..N {
        registers[n] = V::load(&from[n * V::LANES..][..V::LANES]);
    }
    registers
}

/// Like [`float_tile`], over bytes, four inputs together; rows of `out` follow one another.
#[inline(always)]
pub fn byte_tile<V: Lanes>(
    activations: Strided<'_, [u8; 4]>,
    rows: usize,
    panel: &[[i8; 4]],
    across: usize,
    out: &mut Block,
) {
    by_size!(rows, across, byte_kernel(activations.rows(), panel, out));
}

#[inline(always)]
fn byte_kernel<V: Lanes, const M: usize, const N: usize>(
    activations: [&[[u8; 4]]; M],
    panel: &[[i8; 4]],
    out: &mut Block,
) {
    let mut sums = [[V::no_sums(); N]; M];
    let depth = activations[0].len();
    for (input, weights) in (0..depth).zip(panel.chunks_exact(N * V::LANES)) {
        prefetch::<V, _, N>(weights);
        for m in 0..M {
            let activation = V::quad(activations[m][input]);
            for n in 0..N {
                let weights = &weights[n * V::LANES..][..V::LANES];
                sums[m][n] = V::dot(sums[m][n], activation, weights);
            }
        }
    }
    for m in 0..M {
        for n in 0..N {
            V::to_floats(sums[m][n]).store(&mut out[(m * N + n) * V::LANES..][..V::LANES]);
        }
    }
}
