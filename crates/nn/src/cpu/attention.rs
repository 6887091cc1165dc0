//! Self-attention of one sequence, head by head.
//! Vaswani et al., NeurIPS 2017 (`vaswani2017attention`), eq. 1.
//!
//! ```text
//! softmax(Q Kᵀ / √d) V
//! ```
//!
//! Keys and values of a head are laid out as panels, so that both products run through the tile of linear layers.
//! A few rows of queries are taken at a time: their scores stay in the first-level cache from one product to the next.
//!
//! The factor `1 / √d` is in the weights of the queries already, and `log2 e` too: `exp(x) = 2^(x log2 e)`, and powers
//! of two are cheaper. The sum of the softmax divides the result, which is shorter than the weights.

use super::kernels::{Job, Lanes, Simd, total};
use super::linear::{Block, Panel, Strided, float_tile};
use super::math::exp2;

/// What is multiplied into queries before [`Attention`] sees them.
pub(super) fn query_scale(head_width: usize) -> f32 {
    std::f32::consts::LOG2_E / (head_width as f32).sqrt()
}

/// The sequence that attention works on.
pub(super) struct Attention<'a> {
    pub(super) heads: usize,
    /// `[queries, hidden]`, scaled by [`query_scale`]
    pub(super) queries: &'a [f32],
    /// `[length, 2 hidden]`: the key and the value of each token
    pub(super) keys_values: &'a [f32],
    pub(super) hidden: usize,
    pub(super) scratch: &'a mut Scratch,
    /// `[queries, hidden]`
    pub(super) out: &'a mut [f32],
}

/// Buffers of a head.
#[derive(Default)]
pub(super) struct Scratch {
    /// Panels of `[head width, tokens]`.
    keys: Vec<f32>,
    /// Panels of `[tokens, head width]`.
    values: Vec<f32>,
    /// `[rows of a tile, tokens]`
    scores: Vec<f32>,
}

impl Attention<'_> {
    pub(super) fn apply(self, simd: Simd) {
        if self.keys_values.is_empty() {
            self.out.fill(0.0); // nothing to attend to
        } else {
            simd.run(self);
        }
    }
}

impl Job for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { heads, queries, keys_values, hidden, scratch, out } = self;
        let width = hidden / heads;
        let length = keys_values.len() / (2 * hidden);
        let stride = length.next_multiple_of(V::LANES);
        scratch.keys.resize(width * stride, 0.0);
        scratch.values.resize(length * width.next_multiple_of(V::LANES), 0.0);
        scratch.scores.resize(V::ROWS * stride, 0.0);
        for at in (0..hidden).step_by(width) {
            let head = Head { at, width, hidden, length, stride };
            head.pack_keys::<V>(keys_values, &mut scratch.keys);
            head.pack_values::<V>(keys_values, &mut scratch.values);
            for first in (0..queries.len() / hidden).step_by(V::ROWS) {
                let rows = (queries.len() / hidden - first).min(V::ROWS);
                let queries = &queries[first * hidden..][..rows * hidden];
                head.score::<V>(queries, rows, scratch);
                head.mix::<V>(rows, scratch, &mut out[first * hidden..][..rows * hidden]);
            }
        }
    }
}

/// One head: the columns `at..at + width` of queries, keys, values and the result.
#[derive(Clone, Copy)]
struct Head {
    at: usize,
    width: usize,
    hidden: usize,
    /// Tokens of the sequence.
    length: usize,
    /// Tokens in whole registers.
    stride: usize,
}

impl Head {
    /// The keys as panels of `[head width, tokens]`.
    #[inline(always)]
    fn pack_keys<V: Lanes>(self, keys_values: &[f32], to: &mut [f32]) {
        let stride = 2 * self.hidden;
        for panel in Panel::cut(self.length, V::LANES) {
            let width = panel.across * V::LANES;
            let to = &mut to[panel.first * self.width..][..width * self.width];
            for at in (0..width).step_by(V::LANES) {
                let token = panel.first + at;
                let size = ((self.length - token).min(V::LANES), self.width);
                let keys = &keys_values[token * stride + self.at..];
                V::transpose(keys, stride, size, &mut to[at..], width);
            }
        }
    }

    /// The values as panels of `[tokens, head width]`.
    #[inline(always)]
    fn pack_values<V: Lanes>(self, keys_values: &[f32], to: &mut [f32]) {
        for panel in Panel::cut(self.width, V::LANES) {
            let width = panel.across * V::LANES;
            let used = width.min(self.width - panel.first);
            let to = to[panel.first * self.length..].chunks_exact_mut(width);
            let tokens = keys_values.chunks_exact(2 * self.hidden);
            for (token, to) in tokens.zip(to) {
                let value = &token[self.hidden + self.at + panel.first..][..used];
                for (from, to) in value.chunks(V::LANES).zip(to.chunks_exact_mut(V::LANES)) {
                    V::load(from).store(to);
                }
            }
        }
    }

    /// The scores of all tokens for a few `rows` of queries.
    #[inline(always)]
    fn score<V: Lanes>(self, queries: &[f32], rows: usize, scratch: &mut Scratch) {
        let values = &queries[self.at..];
        let queries = Strided { values, first: 0, stride: self.hidden, width: self.width };
        for panel in Panel::cut(self.length, V::LANES) {
            let keys = &scratch.keys[panel.first * self.width..];
            let scores = &mut scratch.scores[panel.first..];
            float_tile::<V>(queries, rows, keys, panel.across, scores, self.stride);
        }
    }

    /// Turns scores into weights, and writes the weighted means of the values.
    #[inline(always)]
    fn mix<V: Lanes>(self, rows: usize, scratch: &mut Scratch, out: &mut [f32]) {
        let mut shares = [0.0; 8];
        let scores = scratch.scores.chunks_exact_mut(self.stride);
        for (row, share) in scores.zip(&mut shares).take(rows) {
            *share = 1.0 / power::<V>(&mut row[..self.length]);
        }
        let values = &scratch.scores;
        let weights = Strided { values, first: 0, stride: self.stride, width: self.length };
        let mut block: Block = [0.0; _];
        for panel in Panel::cut(self.width, V::LANES) {
            let width = panel.across * V::LANES;
            let used = width.min(self.width - panel.first);
            let values = &scratch.values[panel.first * self.length..];
            float_tile::<V>(weights, rows, values, panel.across, &mut block, width);
            let out = out.chunks_exact_mut(self.hidden).zip(&shares);
            for ((out, &share), sums) in out.zip(block.chunks_exact(width)) {
                let to = &mut out[self.at + panel.first..][..used];
                for (from, to) in sums.chunks_exact(V::LANES).zip(to.chunks_mut(V::LANES)) {
                    (V::load(from) * V::splat(share)).store(to);
                }
            }
        }
    }
}

/// `2^(x - max)` for every score in place; returns the sum.
#[inline(always)]
fn power<V: Lanes>(scores: &mut [f32]) -> f32 {
    let nothing = V::splat(f32::NEG_INFINITY);
    let mut most = nothing;
    for part in scores.chunks(V::LANES) {
        most = most.max(V::load(part).first_or(part.len(), nothing));
    }
    let most = V::splat(most.largest());
    total(scores.chunks_mut(V::LANES), |sum: V, part| {
        let power = exp2(V::load(part) - most);
        power.store(part);
        sum + power.first_or(part.len(), V::splat(0.0))
    })
}
