//! A linear layer whose weights lie in the order in which a product reads them.
//!
//! A product is cut into tiles of a few rows by a few registers of outputs, whose sums stay in registers while the
//! kernel runs down the inputs: with 8 rows and 3 registers, 24 multiply-adds for 11 loads (Goto and van de Geijn,
//! ACM TOMS 34(3), 2008). The weights of a tile are one stretch of memory, a *panel*: `[inputs, outputs of the tile]`.
//! A panel is taken over all rows before the next, so that weights are read once and rows stay in the cache.
//!
//! Every output is summed input by input in order, whatever the height of the tile it falls into. So a row's result
//! does not depend on the rows around it.
//!
//! With [`Arithmetic::Int8`] weights are bytes with a scale for each output, and a row of activations is bytes with a
//! scale and a zero of its own, found when it arrives. Sums of bytes are exact, hence equal on all processors.

use rayon::prelude::*;

use super::kernels::{ACROSS, Job, Lanes, Simd};
use super::math::Activation;
use super::quantise::Quantised;
use super::{Dense, Rows, ShapeError, groups};

/// How products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32-bit floats.
    F32,
    /// Signed bytes for weights (a scale for each output), unsigned bytes for activations (a scale and a zero for each
    /// row); sums, norms, attention and activation functions in 32-bit floats.
    Int8,
}

/// `y = W x + b` with packed weights.
pub struct Linear {
    simd: Simd,
    inputs: usize,
    outputs: usize,
    weights: Weights,
    /// Filled up with zeros to whole registers, like all that is kept for each output.
    bias: Vec<f32>,
}

enum Weights {
    /// Panels of `[inputs, outputs of the panel]`.
    Floats(Vec<f32>),
    /// Panels of `[inputs / 4, outputs of the panel]`, four inputs together.
    Bytes {
        quads: Vec<[i8; 4]>,
        /// What a step of a weight is worth, for each output.
        steps: Vec<f32>,
        /// The sum of the weights of each output, to take the zero of a row off.
        sums: Vec<f32>,
    },
}

/// Rows that a linear layer is applied to.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// `[rows, inputs]`
    Floats(&'a [f32]),
    Bytes(&'a Quantised),
}

/// What becomes of `W x + b`.
#[derive(Clone, Copy)]
pub(super) enum Finish {
    /// It passes through a function and is written.
    Write(Activation),
    /// It is added to what is there.
    Add,
}

/// Outputs that are computed together: `across` registers from output `first` on.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) first: usize,
    pub(super) across: usize,
}

/// The sums of a tile: up to 8 rows of 3 registers of 16.
pub(super) type Block = [f32; 8 * ACROSS * 16];

impl Panel {
    /// The panels of `width` columns: as many of three registers as there can be without leaving one alone.
    #[inline(always)]
    pub(super) fn cut(width: usize, lanes: usize) -> impl Iterator<Item = Self> {
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

impl Linear {
    /// Packs a layer for this processor. Fails where the weight is not `[outputs, inputs]`.
    pub fn pack(
        dense: &Dense<'_>,
        inputs: usize,
        arithmetic: Arithmetic,
        simd: Simd,
    ) -> Result<Self, ShapeError> {
        let outputs = dense.bias.len();
        dense.check("linear layer", inputs, outputs)?;
        let weights = match arithmetic {
            Arithmetic::F32 => pack_floats(dense.weight, inputs, outputs, simd.lanes()),
            Arithmetic::Int8 => pack_bytes(dense.weight, inputs, outputs, simd.lanes()),
        };
        let bias = padded(dense.bias.to_vec(), simd.lanes());
        Ok(Self { simd, inputs, outputs, weights, bias })
    }

    /// Values of an input row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values of an output row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Applies the layer and `activation` to every row, on the current rayon pool.
    ///
    /// - `rows`: `[rows, inputs]`
    /// - `out`: `[rows, outputs]`
    pub fn apply(&self, rows: &[f32], activation: Activation, out: &mut [f32]) {
        let out = out.par_chunks_mut(PART * self.outputs.max(1)).enumerate();
        out.for_each_init(Quantised::default, |quantised, (part, out)| {
            let first = part * PART * self.inputs;
            let rows = &rows[first..][..out.len() / self.outputs * self.inputs];
            self.product(self.input(rows, quantised), Finish::Write(activation), out);
        });
    }

    /// The largest value of each output over the rows of each sequence, without ever holding a value for each row:
    /// what SPLADE keeps of the logits of a vocabulary.
    ///
    /// - `rows`: `[Σ lengths, inputs]`
    /// - `out`: `[sequences, outputs]`, `-∞` where a sequence is empty
    pub fn max_over_rows(&self, rows: &[f32], lengths: &[usize], out: &mut [f32]) {
        let groups = groups(lengths, Rows::First, self.outputs, out);
        groups.into_par_iter().for_each_init(Quantised::default, |quantised, group| {
            let tokens: usize = group.lengths.iter().sum();
            let rows = &rows[group.first_token * self.inputs..][..tokens * self.inputs];
            let input = self.input(rows, quantised);
            self.simd.run(MaxOverRows {
                linear: self,
                input,
                lengths: group.lengths,
                out: group.out,
            });
        });
    }

    /// Rows as this layer reads them.
    pub(super) fn input<'a>(&self, rows: &'a [f32], buffer: &'a mut Quantised) -> Input<'a> {
        match self.weights {
            Weights::Floats(_) => Input::Floats(rows),
            Weights::Bytes { .. } => {
                buffer.fill(self.simd, rows, self.inputs);
                Input::Bytes(buffer)
            }
        }
    }

    /// On this thread: `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn product(&self, input: Input<'_>, finish: Finish, out: &mut [f32]) {
        self.simd.run(Product { linear: self, input, finish, out });
    }

    /// `W x` for `rows` rows from row `first` on, into rows of the panel's width.
    #[inline(always)]
    fn tile<V: Lanes>(
        &self,
        input: Input<'_>,
        first: usize,
        rows: usize,
        panel: Panel,
        block: &mut Block,
    ) {
        let width = panel.across * V::LANES;
        match (&self.weights, input) {
            (Weights::Floats(weights), Input::Floats(activations)) => {
                let weights = &weights[panel.first * self.inputs..][..width * self.inputs];
                let activations =
                    Strided { values: activations, first, stride: self.inputs, width: self.inputs };
                float_tile::<V>(activations, rows, weights, panel.across, block, width);
            }
            (Weights::Bytes { quads, steps, sums }, Input::Bytes(activations)) => {
                let depth = self.inputs.div_ceil(4);
                let weights = &quads[panel.first * depth..][..width * depth];
                let columns = Columns { steps: &steps[panel.first..], sums: &sums[panel.first..] };
                let tile = (activations, first, rows);
                byte_tile::<V>(tile, weights, panel.across, columns, block);
            }
            _ => unreachable!("`input` makes rows of the kind of the weights"),
        }
    }
}

/// Rows that a thread takes at a time.
const PART: usize = 128;

fn pack_floats(weight: &[f32], inputs: usize, outputs: usize, lanes: usize) -> Weights {
    let mut packed = Vec::with_capacity(inputs * outputs.next_multiple_of(lanes));
    for panel in Panel::cut(outputs, lanes) {
        for input in 0..inputs {
            let columns = panel.first..panel.first + panel.across * lanes;
            packed.extend(columns.map(|output| match output < outputs {
                true => weight[output * inputs + input],
                false => 0.0,
            }));
        }
    }
    Weights::Floats(packed)
}

fn pack_bytes(weight: &[f32], inputs: usize, outputs: usize, lanes: usize) -> Weights {
    let steps: Vec<f32> = weight.chunks_exact(inputs.max(1)).map(step_of).collect();
    let byte = |output: usize, input: usize| match output < outputs && input < inputs {
        true => (weight[output * inputs + input] / steps[output]).round() as i8,
        false => 0,
    };
    let mut quads = Vec::with_capacity(inputs.div_ceil(4) * outputs.next_multiple_of(lanes));
    for panel in Panel::cut(outputs, lanes) {
        for input in (0..inputs).step_by(4) {
            let columns = panel.first..panel.first + panel.across * lanes;
            quads.extend(columns.map(|output| [0, 1, 2, 3].map(|i| byte(output, input + i))));
        }
    }
    let sum = |output| (0..inputs).map(|input| i32::from(byte(output, input))).sum::<i32>() as f32;
    let sums = padded((0..outputs).map(sum).collect(), lanes);
    Weights::Bytes { quads, steps: padded(steps, lanes), sums }
}

fn padded(mut values: Vec<f32>, lanes: usize) -> Vec<f32> {
    values.resize(values.len().next_multiple_of(lanes), 0.0);
    values
}

/// The step with which the largest weight becomes ±127. A row of zeros takes any.
fn step_of(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
    if largest > 0.0 { largest / 127.0 } else { 1.0 }
}

struct Product<'a> {
    linear: &'a Linear,
    input: Input<'a>,
    finish: Finish,
    out: &'a mut [f32],
}

impl Job for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let outputs = self.linear.outputs;
        let rows = self.out.len() / outputs.max(1);
        let mut block: Block = [0.0; _];
        for panel in Panel::cut(outputs, V::LANES) {
            let width = (panel.across * V::LANES).min(outputs - panel.first);
            let bias = &self.linear.bias[panel.first..];
            for first in (0..rows).step_by(V::ROWS) {
                let height = (rows - first).min(V::ROWS);
                self.linear.tile::<V>(self.input, first, height, panel, &mut block);
                let sums = block.chunks_exact(panel.across * V::LANES);
                for (row, sums) in sums.take(height).enumerate() {
                    let out = &mut self.out[(first + row) * outputs + panel.first..][..width];
                    match self.finish {
                        Finish::Write(activation) => write::<V>(sums, bias, activation, out),
                        Finish::Add => add::<V>(sums, bias, out),
                    }
                }
            }
        }
    }
}

struct MaxOverRows<'a> {
    linear: &'a Linear,
    input: Input<'a>,
    lengths: &'a [usize],
    out: &'a mut [f32],
}

impl Job for MaxOverRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let outputs = self.linear.outputs;
        let mut block: Block = [0.0; _];
        for panel in Panel::cut(outputs, V::LANES) {
            let width = (panel.across * V::LANES).min(outputs - panel.first);
            let mut first = 0;
            for (sequence, &length) in self.lengths.iter().enumerate() {
                let out = &mut self.out[sequence * outputs + panel.first..][..width];
                out.fill(f32::NEG_INFINITY);
                for row in (first..first + length).step_by(V::ROWS) {
                    let height = (first + length - row).min(V::ROWS);
                    self.linear.tile::<V>(self.input, row, height, panel, &mut block);
                    for sums in block.chunks_exact(panel.across * V::LANES).take(height) {
                        maximum::<V>(sums, out);
                    }
                }
                // Rounding keeps the order: the largest sum is the largest after the bias is added.
                let bias = &self.linear.bias[panel.first..][..width];
                out.iter_mut().zip(bias).for_each(|(largest, bias)| *largest += bias);
                first += length;
            }
        }
    }
}

#[inline(always)]
fn maximum<V: Lanes>(sums: &[f32], out: &mut [f32]) {
    for (sums, out) in sums.chunks_exact(V::LANES).zip(out.chunks_mut(V::LANES)) {
        V::load(sums).max(V::load(out)).store(out);
    }
}

#[inline(always)]
fn write<V: Lanes>(sums: &[f32], bias: &[f32], activation: Activation, out: &mut [f32]) {
    let columns = sums.chunks_exact(V::LANES).zip(bias.chunks_exact(V::LANES));
    for ((sums, bias), out) in columns.zip(out.chunks_mut(V::LANES)) {
        activation.apply(V::load(sums) + V::load(bias)).store(out);
    }
}

#[inline(always)]
fn add<V: Lanes>(sums: &[f32], bias: &[f32], out: &mut [f32]) {
    let columns = sums.chunks_exact(V::LANES).zip(bias.chunks_exact(V::LANES));
    for ((sums, bias), out) in columns.zip(out.chunks_mut(V::LANES)) {
        (V::load(sums) + V::load(bias) + V::load(out)).store(out);
    }
}

/// Rows of `width` values, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) values: &'a [f32],
    pub(super) first: usize,
    pub(super) stride: usize,
    pub(super) width: usize,
}

impl<'a> Strided<'a> {
    #[inline(always)]
    fn rows<const M: usize>(self) -> [&'a [f32]; M] {
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
pub(super) fn float_tile<V: Lanes>(
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

/// What turns the sums of a panel of bytes into floats.
#[derive(Clone, Copy)]
struct Columns<'a> {
    steps: &'a [f32],
    sums: &'a [f32],
}

/// As [`float_tile`], over bytes.
#[inline(always)]
fn byte_tile<V: Lanes>(
    (activations, first, rows): (&Quantised, usize, usize),
    panel: &[[i8; 4]],
    across: usize,
    columns: Columns<'_>,
    out: &mut Block,
) {
    by_size!(rows, across, byte_kernel(activations.rows(first), panel, out));
    // Apart from the kernel: more work on its sums would move them out of registers.
    let scales = activations.steps[first..].iter().zip(&activations.zeros[first..]);
    for (row, scale) in out.chunks_exact_mut(across * V::LANES).take(rows).zip(scales) {
        dequantise::<V>(row, scale, columns);
    }
}

/// `Σ x w = step_x step_w (Σ q_x q_w - zero_x Σ q_w)` for the row of a tile.
#[inline(always)]
fn dequantise<V: Lanes>(row: &mut [f32], (step, zero): (&f32, &f32), columns: Columns<'_>) {
    let (step, zero) = (V::splat(*step), V::splat(-zero));
    let columns = columns.steps.chunks_exact(V::LANES).zip(columns.sums.chunks_exact(V::LANES));
    for (value, (steps, sums)) in row.chunks_exact_mut(V::LANES).zip(columns) {
        let sum = V::load(sums).mul_add(zero, V::load(value));
        (sum * (step * V::load(steps))).store(value);
    }
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
