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

use nir_kernels::tiles::{Block, Panel, Strided, byte_tile, float_tile, pack, registers};
use nir_kernels::{Job, Lanes, Simd};
use rayon::prelude::*;

use super::arithmetic::Arithmetic;
use super::math::{Activation, Function};
use super::quantise::Quantised;
use super::{Dense, Rows, ShapeError, groups};

/// A linear layer `y = W x + b` with packed weights.
pub struct Linear {
    simd: Simd,
    arithmetic: Arithmetic,
    inputs: usize,
    outputs: usize,
    weights: Weights,
    columns: Columns,
}

/// For each output, the numbers that turn the sum of products into `W x + b`; filled up with zeros to whole registers.
struct Columns {
    bias: Vec<f32>,
    /// The value of one step of a quantised weight; 1 for floats.
    steps: Vec<f32>,
    /// The sum of an output's weights, which the zero of a row is multiplied by; 0 for floats.
    sums: Vec<f32>,
}

enum Weights {
    /// Panels of `[inputs, outputs of the panel]`.
    Floats(Vec<f32>),
    /// Panels of `[inputs / 4, outputs of the panel]`, with four inputs side by side.
    Bytes(Vec<[i8; 4]>),
}

/// The rows that a linear layer is applied to.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// Rows of floats, `[rows, inputs]`.
    Floats(&'a [f32]),
    Bytes(&'a Quantised),
}

impl Input<'_> {
    /// The step and the zero of a row; 1 and 0 for floats.
    #[inline(always)]
    fn scale(self, row: usize) -> (f32, f32) {
        match self {
            Self::Floats(_) => (1.0, 0.0),
            Self::Bytes(quantised) => (quantised.steps[row], quantised.zeros[row]),
        }
    }
}

/// What is done with the result `W x + b`.
#[derive(Clone, Copy)]
pub(super) enum Finish {
    /// It is passed through a function and written to the output.
    Write(Function),
    /// It is added to the output.
    Add,
    /// The output is multiplied by it.
    Multiply,
}

impl Linear {
    /// Packs a layer for this processor. Fails if the weight is not `[outputs, inputs]`.
    pub fn pack(
        dense: &Dense<'_>,
        inputs: usize,
        arithmetic: Arithmetic,
        simd: Simd,
    ) -> Result<Self, ShapeError> {
        let outputs = dense.bias.len();
        dense.check("linear layer", inputs, outputs)?;
        let lanes = simd.lanes();
        let (weights, steps, sums) = match arithmetic {
            Arithmetic::F32 => {
                let weights = Weights::Floats(pack(dense.weight, inputs, lanes));
                (weights, vec![1.0; outputs], vec![0.0; outputs])
            }
            Arithmetic::Int8 => pack_bytes(dense.weight, inputs, outputs, lanes),
        };
        let [bias, steps, sums] = [dense.bias.to_vec(), steps, sums].map(|mut values| {
            values.resize(outputs.next_multiple_of(lanes), 0.0);
            values
        });
        let columns = Columns { bias, steps, sums };
        Ok(Self { simd, arithmetic, inputs, outputs, weights, columns })
    }

    /// The number of values of an input row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of values of an output row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Applies the layer and then `activation` to every row, on the current rayon pool.
    ///
    /// - `rows`: `[rows, inputs]`
    /// - `out`: `[rows, outputs]`
    pub fn apply(&self, rows: &[f32], activation: Activation, out: &mut [f32]) {
        let out = out.par_chunks_mut(PART * self.outputs.max(1)).enumerate();
        out.for_each_init(Quantised::default, |quantised, (part, out)| {
            let first = part * PART * self.inputs;
            let rows = &rows[first..][..out.len() / self.outputs * self.inputs];
            self.product(
                self.input(rows, quantised),
                Finish::Write(activation.function(self.arithmetic)),
                out,
            );
        });
    }

    /// The largest value of each output over the rows of each sequence, which is what SPLADE keeps of the logits. The
    /// values of single rows are never stored.
    ///
    /// - `rows`: `[Σ lengths, inputs]`
    /// - `out`: `[sequences, outputs]`, `-∞` where a sequence is empty
    pub fn max_over_rows(&self, rows: &[f32], lengths: &[usize], out: &mut [f32]) {
        let groups = groups(lengths, Rows::First, self.outputs, out);
        groups.into_par_iter().for_each_init(Quantised::default, |quantised, group| {
            let sequences = group.lengths.iter().enumerate();
            let owners: Vec<usize> =
                sequences.flat_map(|(owner, &length)| std::iter::repeat_n(owner, length)).collect();
            let rows = &rows[group.first_token * self.inputs..][..owners.len() * self.inputs];
            group.out.fill(f32::NEG_INFINITY);
            let largest = Largest { owners: &owners, outputs: self.outputs, out: group.out };
            let input = self.input(rows, quantised);
            self.simd.run(Product { linear: self, input, rows: owners.len(), take: largest });
        });
    }

    /// The rows in the form that this layer reads; `buffer` holds them if they must be quantised.
    pub(super) fn input<'a>(&self, rows: &'a [f32], buffer: &'a mut Quantised) -> Input<'a> {
        match self.weights {
            Weights::Floats(_) => Input::Floats(rows),
            Weights::Bytes(_) => {
                buffer.fill(self.simd, rows, self.inputs);
                Input::Bytes(buffer)
            }
        }
    }

    /// Computes `[rows, inputs]` to `[rows, outputs]` on this thread.
    pub(super) fn product(&self, input: Input<'_>, finish: Finish, out: &mut [f32]) {
        let rows = out.len() / self.outputs.max(1);
        let take = Written { finish, outputs: self.outputs, out };
        self.simd.run(Product { linear: self, input, rows, take });
    }

    /// Computes the sums of products of `rows` rows from row `first` on, as rows of the panel's width.
    #[inline(always)]
    fn tile<V: Lanes>(
        &self,
        input: Input<'_>,
        (first, rows): (usize, usize),
        panel: Panel,
        block: &mut Block,
    ) {
        let panel_width = panel.across * V::LANES;
        match (&self.weights, input) {
            (Weights::Floats(weights), Input::Floats(values)) => {
                let weights = &weights[panel.first * self.inputs..][..panel_width * self.inputs];
                let (stride, width) = (self.inputs, self.inputs);
                let activations = Strided { values, first, stride, width };
                float_tile::<V>(activations, rows, weights, panel.across, block, panel_width);
            }
            (Weights::Bytes(quads), Input::Bytes(activations)) => {
                let depth = self.inputs.div_ceil(4);
                let weights = &quads[panel.first * depth..][..panel_width * depth];
                byte_tile::<V>(activations.from(first), rows, weights, panel.across, block);
            }
            _ => unreachable!("`input` makes rows of the kind of the weights"),
        }
    }

    /// Passes the `W x + b` of every row, for the columns of one panel, to `take`.
    #[inline(always)]
    fn panel<V: Lanes, const N: usize>(
        &self,
        input: Input<'_>,
        rows: usize,
        first: usize,
        block: &mut Block,
        take: &mut impl Take,
    ) {
        let scales = Scales::<V, N>::load(&self.columns, first);
        for row in (0..rows).step_by(V::ROWS) {
            let height = (rows - row).min(V::ROWS);
            self.tile::<V>(input, (row, height), Panel { first, across: N }, block);
            for (row, sums) in (row..row + height).zip(block.chunks_exact(N * V::LANES)) {
                take.take(row, first, scales.values(input.scale(row), sums));
            }
        }
    }
}

/// Receives the outputs of a layer.
trait Take {
    /// Receives `values` of `row`, from output `first` on. The last values may lie beyond the number of outputs.
    fn take<V: Lanes, const N: usize>(&mut self, row: usize, first: usize, values: [V; N]);
}

/// The [`Columns`] of one panel, in registers.
struct Scales<V, const N: usize> {
    bias: [V; N],
    steps: [V; N],
    sums: [V; N],
}

impl<V: Lanes, const N: usize> Scales<V, N> {
    #[inline(always)]
    fn load(columns: &Columns, first: usize) -> Self {
        let load = |values: &[f32]| registers(&values[first..][..N * V::LANES]);
        Self { bias: load(&columns.bias), steps: load(&columns.steps), sums: load(&columns.sums) }
    }

    /// `Σ x w + b = step_x step_w (Σ q_x q_w - zero_x Σ q_w) + b`
    #[inline(always)]
    fn values(&self, (step, zero): (f32, f32), sums: &[f32]) -> [V; N] {
        let (step, zero) = (V::splat(step), V::splat(-zero));
        let mut values = registers::<V, N>(&sums[..N * V::LANES]);
        for (n, value) in values.iter_mut().enumerate() {
            let sum = self.sums[n].mul_add(zero, *value);
            *value = (sum * step).mul_add(self.steps[n], self.bias[n]);
        }
        values
    }
}

/// The number of rows that a thread computes at a time.
const PART: usize = 128;

fn pack_bytes(
    weight: &[f32],
    inputs: usize,
    outputs: usize,
    lanes: usize,
) -> (Weights, Vec<f32>, Vec<f32>) {
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
    let sums = (0..outputs).map(sum).collect();
    (Weights::Bytes(quads), steps, sums)
}

/// The step with which the largest weight of a row becomes ±127; 1 for a row of zeros, where any step would do.
fn step_of(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
    if largest > 0.0 { largest / 127.0 } else { 1.0 }
}

struct Product<'a, T> {
    linear: &'a Linear,
    input: Input<'a>,
    rows: usize,
    take: T,
}

impl<T: Take> Job for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { linear, input, rows, mut take } = self;
        let mut block: Block = [0.0; _];
        for Panel { first, across } in Panel::cut(linear.outputs, V::LANES) {
            match across {
                1 => linear.panel::<V, 1>(input, rows, first, &mut block, &mut take),
                2 => linear.panel::<V, 2>(input, rows, first, &mut block, &mut take),
                _ => linear.panel::<V, 3>(input, rows, first, &mut block, &mut take),
            }
        }
    }
}

/// Writes the outputs, row by row.
struct Written<'a> {
    finish: Finish,
    outputs: usize,
    out: &'a mut [f32],
}

impl Take for Written<'_> {
    #[inline(always)]
    fn take<V: Lanes, const N: usize>(&mut self, row: usize, first: usize, values: [V; N]) {
        let out = &mut self.out[row * self.outputs + first..];
        if first + N * V::LANES <= self.outputs {
            self.finish.write(values, &mut out[..N * V::LANES]);
        } else {
            self.finish.write(values, &mut out[..self.outputs - first]);
        }
    }
}

impl Finish {
    #[inline(always)]
    fn write<V: Lanes, const N: usize>(self, values: [V; N], out: &mut [f32]) {
        for n in 0..N {
            let out = &mut out[n * V::LANES..];
            match self {
                Self::Write(function) => function.apply(values[n]).store(out),
                Self::Add => (values[n] + V::load(out)).store(out),
                Self::Multiply => (values[n] * V::load(out)).store(out),
            }
        }
    }
}

/// Keeps the largest value of each output over the rows of each owner.
struct Largest<'a> {
    owners: &'a [usize],
    outputs: usize,
    out: &'a mut [f32],
}

impl Take for Largest<'_> {
    #[inline(always)]
    fn take<V: Lanes, const N: usize>(&mut self, row: usize, first: usize, values: [V; N]) {
        let out = &mut self.out[self.owners[row] * self.outputs..][first..self.outputs];
        for (n, out) in out.chunks_mut(V::LANES).take(N).enumerate() {
            values[n].max(V::load(out)).store(out);
        }
    }
}
