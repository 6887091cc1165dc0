//! The products of a transformer in training, forward and backward, over sequences that follow one another without
//! padding.
//!
//! ```text
//! linear      y = x Wᵀ + b                      x' = y' W,  W' = y'ᵀ x,  b' = Σ_rows y'
//! attention   y = P v,  P = softmax(q kᵀ / √w)  v' = Pᵀ y',  P' = y' vᵀ,  S' = softmax'(P, P') / √w,
//!                                               q' = S' k,  k' = S'ᵀ q                   (head by head)
//! largest     y = max_rows(x Wᵀ + b)            the row that is largest alone has a gradient
//! ```
//!
//! Attention's weights are computed again on the way back: they are cheaper to make than to keep.

use gemm::Parallelism;
use rayon::prelude::*;

use super::gradients::{column_sums, softmax_backward, softmax_forward};

/// A matrix whose numbers lie in a slice at regular distances.
#[derive(Clone, Copy)]
struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// The distance from a row to the next, in numbers.
    row: usize,
    /// The distance from a column to the next, in numbers.
    column: usize,
}

impl<'a> View<'a> {
    /// The first `columns` numbers of each row, where rows begin `row` numbers apart.
    fn new(values: &'a [f32], rows: usize, columns: usize, row: usize) -> Self {
        Self { values, rows, columns, row, column: 1 }
    }

    fn t(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row: self.column, column: self.row, ..self }
    }

    /// The index after the last number of the matrix.
    fn end(&self) -> usize {
        last(self.rows, self.row) + last(self.columns, self.column) + 1
    }
}

fn last(count: usize, stride: usize) -> usize {
    count.saturating_sub(1) * stride
}

/// Computes `out = keep · out + scale · a b`; the rows of `out` begin `row` numbers apart.
fn product(
    a: View<'_>,
    b: View<'_>,
    (out, row): (&mut [f32], usize),
    (keep, scale): (f32, f32),
    parallelism: Parallelism,
) {
    let (rows, columns) = (a.rows, b.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    assert_eq!(a.columns, b.rows, "matrices of a product fit");
    assert!(a.end() <= a.values.len() && b.end() <= b.values.len(), "matrices lie in their slices");
    assert!(columns <= row && last(rows, row) + columns <= out.len(), "the product fits");
    // SAFETY: every place that is read or written lies in its slice, as was just checked; `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            row.cast_signed(),
            keep != 0.0,
            a.values.as_ptr(),
            a.column.cast_signed(),
            a.row.cast_signed(),
            b.values.as_ptr(),
            b.column.cast_signed(),
            b.row.cast_signed(),
            keep,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn everywhere() -> Parallelism {
    Parallelism::Rayon(rayon::current_num_threads())
}

/// A dense layer over `[rows, inputs]`, which gives `[rows, outputs]`.
#[derive(Clone, Copy)]
pub(crate) struct Dense<'a> {
    /// The input, `[rows, inputs]`.
    pub(crate) x: &'a [f32],
    /// The weights, `[outputs, inputs]`.
    pub(crate) weight: &'a [f32],
    /// The number of values in a row of `x`.
    pub(crate) inputs: usize,
}

impl<'a> Dense<'a> {
    fn x(&self) -> View<'a> {
        View::new(self.x, self.x.len() / self.inputs, self.inputs, self.inputs)
    }

    fn weight(&self) -> View<'a> {
        View::new(self.weight, self.outputs(), self.inputs, self.inputs)
    }

    /// The number of values in a row of the result.
    pub(crate) fn outputs(&self) -> usize {
        self.weight.len() / self.inputs
    }

    /// Writes `y = x Wᵀ + b`, `[rows, outputs]`.
    pub(crate) fn forward(self, bias: &[f32], y: &mut [f32]) {
        y.par_chunks_mut(bias.len()).with_min_len(64).for_each(|y| y.copy_from_slice(bias));
        product(self.x(), self.weight().t(), (y, self.outputs()), (1.0, 1.0), everywhere());
    }

    /// The gradients `x'`, `W'` and `b'`, where `slope` is `y'`.
    pub(crate) fn backward(self, slope: &[f32]) -> [Vec<f32>; 3] {
        let (inputs, outputs) = (self.inputs, self.outputs());
        let (mut of_x, mut of_weight) = (vec![0.0; self.x.len()], vec![0.0; self.weight.len()]);
        let slopes = View::new(slope, slope.len() / outputs, outputs, outputs);
        product(slopes, self.weight(), (&mut of_x, inputs), (0.0, 1.0), everywhere());
        product(slopes.t(), self.x(), (&mut of_weight, inputs), (0.0, 1.0), everywhere());
        [of_x, of_weight, column_sums(slope, outputs)]
    }
}

/// The attention within each sequence of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Attention<'a> {
    /// `[rows, hidden]`.
    pub(crate) query: &'a [f32],
    /// `[rows, hidden]`.
    pub(crate) key: &'a [f32],
    /// `[rows, hidden]`.
    pub(crate) value: &'a [f32],
    /// The number of rows of each sequence.
    pub(crate) lengths: &'a [usize],
    /// The number of heads, each `hidden / heads` wide.
    pub(crate) heads: usize,
}

/// One head of one sequence.
struct One<'a> {
    query: View<'a>,
    key: View<'a>,
    value: View<'a>,
    scale: f32,
}

impl Attention<'_> {
    fn hidden(&self) -> usize {
        self.query.len() / self.lengths.iter().sum::<usize>().max(1)
    }

    fn width(&self) -> usize {
        self.hidden() / self.heads
    }

    /// The head `head` of the sequence whose rows begin at `first`.
    fn one(&self, first: usize, length: usize, head: usize) -> One<'_> {
        let view = |values| self.view(values, first, length, head);
        One {
            query: view(self.query),
            key: view(self.key),
            value: view(self.value),
            scale: 1.0 / (self.width() as f32).sqrt(),
        }
    }

    fn view<'a>(&self, values: &'a [f32], first: usize, length: usize, head: usize) -> View<'a> {
        let hidden = self.hidden();
        let begin = first * hidden + head * self.width();
        View::new(&values[begin..(first + length) * hidden], length, self.width(), hidden)
    }

    /// Writes the result `y`, `[rows, hidden]`.
    pub(crate) fn forward(self, y: &mut [f32]) {
        self.sequences(y).into_par_iter().for_each(|(first, length, y)| {
            for head in 0..self.heads {
                let one = self.one(first, length, head);
                let y = &mut y[head * self.width()..];
                let weights = one.weights();
                product(
                    square(&weights, length),
                    one.value,
                    (y, self.hidden()),
                    (0.0, 1.0),
                    Parallelism::None,
                );
            }
        });
    }

    /// The gradients of query, key and value, each `[rows, hidden]`, where `slope` is `y'`.
    pub(crate) fn backward(self, slope: &[f32]) -> [Vec<f32>; 3] {
        let mut out = [(); 3].map(|()| vec![0.0; self.query.len()]);
        let [of_query, of_key, of_value] = &mut out;
        let parts = self.sequences(of_query).into_par_iter();
        let others = self.sequences(of_key).into_par_iter().zip(self.sequences(of_value));
        parts.zip(others).for_each(|((first, length, query), ((_, _, key), (_, _, value)))| {
            for head in 0..self.heads {
                let slope = self.view(slope, first, length, head);
                let begin = head * self.width();
                let out = [&mut query[begin..], &mut key[begin..], &mut value[begin..]];
                self.one(first, length, head).backward(slope, out, self.hidden());
            }
        });
        out
    }

    /// For each sequence: its first row, its length, and its part of `out`.
    fn sequences<'a>(&self, mut out: &'a mut [f32]) -> Vec<(usize, usize, &'a mut [f32])> {
        let (hidden, mut first) = (self.hidden(), 0);
        let mut parts = Vec::with_capacity(self.lengths.len());
        for &length in self.lengths {
            let (part, rest) = out.split_at_mut(length * hidden);
            parts.push((first, length, part));
            (first, out) = (first + length, rest);
        }
        parts
    }
}

fn square(values: &[f32], length: usize) -> View<'_> {
    View::new(values, length, length, length)
}

impl One<'_> {
    /// The weights `P` of attention, `[length, length]`.
    fn weights(&self) -> Vec<f32> {
        let length = self.query.rows;
        let (mut scores, mut weights) = (vec![0.0; length * length], vec![0.0; length * length]);
        let key = self.key.t();
        product(self.query, key, (&mut scores, length), (0.0, self.scale), Parallelism::None);
        softmax_forward(&scores, length, &mut weights);
        weights
    }

    /// Writes the gradients of query, key and value, whose rows are `hidden` numbers apart.
    fn backward(&self, slope: View<'_>, out: [&mut [f32]; 3], hidden: usize) {
        let length = self.query.rows;
        let weights = self.weights();
        let [of_query, of_key, of_value] = out;
        let write = |a: View<'_>, b: View<'_>, out: (&mut [f32], usize), scale: f32| {
            product(a, b, out, (0.0, scale), Parallelism::None);
        };
        write(square(&weights, length).t(), slope, (of_value, hidden), 1.0);
        let (mut of_weights, mut of_scores) =
            (vec![0.0; length * length], vec![0.0; length * length]);
        write(slope, self.value.t(), (&mut of_weights, length), 1.0);
        softmax_backward(&weights, &of_weights, length, &mut of_scores);
        let of_scores = square(&of_scores, length);
        write(of_scores, self.key, (of_query, hidden), self.scale);
        write(of_scores.t(), self.query, (of_key, hidden), self.scale);
    }
}

/// A dense layer, of which the largest value of each output over the rows of a sequence is kept.
#[derive(Clone, Copy)]
pub(crate) struct Largest<'a> {
    pub(crate) dense: Dense<'a>,
    /// The number of rows of each sequence.
    pub(crate) lengths: &'a [usize],
}

impl Largest<'_> {
    /// The largest values, `[sequences, outputs]`, and the row that each of them came from.
    pub(crate) fn forward(self, bias: &[f32]) -> (Vec<f32>, Vec<u32>) {
        let outputs = self.dense.outputs();
        let count = self.lengths.len() * outputs;
        let (mut largest, mut places) = (vec![0.0; count], vec![0; count]);
        largest
            .par_chunks_mut(outputs)
            .zip(places.par_chunks_mut(outputs))
            .zip(self.firsts().into_par_iter().zip(self.lengths))
            .for_each(|((largest, places), (first, &length))| {
                self.one(first, length, largest, places);
                largest.iter_mut().zip(bias).for_each(|(largest, bias)| *largest += bias);
            });
        (largest, places)
    }

    fn firsts(&self) -> Vec<usize> {
        let mut next = 0;
        let begin = |&length: &usize| {
            next += length;
            next - length
        };
        self.lengths.iter().map(begin).collect()
    }

    fn one(&self, first: usize, length: usize, largest: &mut [f32], places: &mut [u32]) {
        let (inputs, outputs) = (self.dense.inputs, self.dense.outputs());
        let mut logits = vec![0.0; length * outputs];
        let rows = View::new(&self.dense.x[first * inputs..], length, inputs, inputs);
        let weight = self.dense.weight().t();
        product(rows, weight, (&mut logits, outputs), (0.0, 1.0), Parallelism::None);
        largest.fill(f32::NEG_INFINITY);
        for (row, logits) in logits.chunks_exact(outputs).enumerate() {
            let place = (first + row) as u32;
            for ((largest, from), &logit) in largest.iter_mut().zip(&mut *places).zip(logits) {
                if logit > *largest {
                    (*largest, *from) = (logit, place);
                }
            }
        }
    }

    /// The gradients `x'`, `W'` and `b'`, where `slope` is `y'`. Slopes of 0, which most are where a ReLU follows, cost
    /// nothing.
    pub(crate) fn backward(self, places: &[u32], slope: &[f32]) -> [Vec<f32>; 3] {
        let (inputs, outputs) = (self.dense.inputs, self.dense.outputs());
        let mut of_x = vec![0.0; self.dense.x.len()];
        for (slope, places) in slope.chunks_exact(outputs).zip(places.chunks_exact(outputs)) {
            for (word, &slope) in slope.iter().enumerate().filter(|(_, slope)| **slope != 0.0) {
                let out = &mut of_x[places[word] as usize * inputs..][..inputs];
                add_scaled(out, &self.dense.weight[word * inputs..][..inputs], slope);
            }
        }
        let mut of_weight = vec![0.0; self.dense.weight.len()];
        of_weight.par_chunks_mut(inputs).with_min_len(64).enumerate().for_each(|(word, out)| {
            for sequence in 0..self.lengths.len() {
                let place = sequence * outputs + word;
                if slope[place] != 0.0 {
                    let row = places[place] as usize;
                    add_scaled(out, &self.dense.x[row * inputs..][..inputs], slope[place]);
                }
            }
        });
        [of_x, of_weight, column_sums(slope, outputs)]
    }
}

fn add_scaled(out: &mut [f32], row: &[f32], scale: f32) {
    out.iter_mut().zip(row).for_each(|(out, row)| *out += scale * row);
}
