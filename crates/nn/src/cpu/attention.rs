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
//! A layer that sees so far and no farther takes the keys of a few queries from the first that one of them sees to the
//! last; what a query does not see weighs 0.
//!
//! The factor `1 / √d` is in the weights of the queries already, and `log2 e` too: `exp(x) = 2^(x log2 e)`, and powers
//! of two are cheaper. The sum of the softmax divides the result, which is shorter than the weights.

use std::ops::Range;

use nir_kernels::tiles::{Block, Panel, Strided, float_tile};
use nir_kernels::{Job, Lanes, Simd, total};

use super::head::Head;
use super::math::exp2;
use super::relation::{Products, Relation};

/// The attention of one sequence.
pub(super) struct Attention<'a> {
    pub(super) heads: usize,
    /// `[queries, hidden]`, multiplied by [`query_scale`](super::head::query_scale).
    pub(super) queries: &'a [f32],
    /// `[length, 2 hidden]`: the key and the value of each token, side by side.
    pub(super) keys_values: &'a [f32],
    /// The width of all heads together.
    pub(super) hidden: usize,
    pub(super) relation: &'a Relation,
    /// The largest distance at which a query sees a key.
    pub(super) window: usize,
    pub(super) scratch: &'a mut Scratch,
    /// The result, `[queries, hidden]`.
    pub(super) out: &'a mut [f32],
}

/// The buffers that one head needs.
#[derive(Default)]
pub(super) struct Scratch {
    /// The keys, as panels of `[head width, tokens]`.
    keys: Vec<f32>,
    /// The values, as panels of `[tokens, head width]`.
    values: Vec<f32>,
    /// The scores, `[rows of a tile, tokens]`.
    scores: Vec<f32>,
    products: Products,
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
        let Self { heads, queries, keys_values, hidden, relation, window, scratch, out } = self;
        let width = hidden / heads;
        let length = keys_values.len() / (2 * hidden);
        let stride = length.next_multiple_of(V::LANES);
        scratch.keys.resize(width * stride, 0.0);
        scratch.values.resize(length * width.next_multiple_of(V::LANES), 0.0);
        scratch.scores.resize(V::ROWS * stride, 0.0);
        let reach = length.max(queries.len() / hidden);
        for at in (0..hidden).step_by(width) {
            let head = Head { at, width, hidden, length, reach, stride };
            head.pack_keys::<V>(keys_values, 2 * hidden, &mut scratch.keys);
            head.pack_values::<V>(keys_values, &mut scratch.values);
            if let Relation::Disentangled(rows) = relation {
                rows.of_keys::<V>(head, keys_values, &mut scratch.products);
            }
            for first in (0..queries.len() / hidden).step_by(V::ROWS) {
                let rows = (queries.len() / hidden - first).min(V::ROWS);
                let queries = &queries[first * hidden..][..rows * hidden];
                let tile = Tile { first, rows, window };
                head.score::<V>(queries, tile, scratch);
                head.relate::<V>(relation, queries, tile, scratch);
                head.mix::<V>(tile, scratch, &mut out[first * hidden..][..rows * hidden]);
            }
        }
    }
}

/// A few consecutive queries that are computed together.
#[derive(Clone, Copy)]
struct Tile {
    /// The position of the first query in its sequence.
    first: usize,
    rows: usize,
    window: usize,
}

impl Tile {
    /// The positions that the query of row `row` sees in a sequence of `length` tokens.
    #[inline(always)]
    fn seen(self, row: usize, length: usize) -> Range<usize> {
        let query = self.first + row;
        let end = query.saturating_add(self.window).saturating_add(1).min(length);
        query.saturating_sub(self.window).min(end)..end
    }

    /// The positions that at least one query of the tile sees.
    #[inline(always)]
    fn all_seen(self, length: usize) -> Range<usize> {
        self.seen(0, length).start..self.seen(self.rows - 1, length).end
    }
}

impl Head {
    /// Computes the scores of all tokens that the queries of a tile see.
    #[inline(always)]
    fn score<V: Lanes>(self, queries: &[f32], tile: Tile, scratch: &mut Scratch) {
        let seen = tile.all_seen(self.length);
        let Scratch { keys, scores, .. } = scratch;
        let queries = (queries, self.hidden);
        let keys = (&keys[..], self.length);
        self.products::<V>(queries, tile.rows, keys, (seen.start, seen.end), scores);
    }

    /// Adds to the scores what the relation of positions contributes.
    #[inline(always)]
    fn relate<V: Lanes>(
        self,
        relation: &Relation,
        queries: &[f32],
        tile: Tile,
        scratch: &mut Scratch,
    ) {
        let Scratch { scores, products, .. } = scratch;
        match relation {
            Relation::None | Relation::Rotary(_) => {}
            Relation::Distances(distances) => {
                let scores = scores.chunks_exact_mut(self.stride).take(tile.rows);
                for (row, scores) in scores.enumerate() {
                    let seen = tile.seen(row, self.length);
                    let (head, query, first) = (self.at / self.width, tile.first + row, seen.start);
                    distances.add::<V>(head, query, first, &mut scores[seen]);
                }
            }
            Relation::Disentangled(rows) => {
                rows.add::<V>(self, (queries, tile.first, tile.rows), products, scores);
            }
        }
    }

    /// Turns scores into weights by a softmax, and writes the weighted means of the values.
    #[inline(always)]
    fn mix<V: Lanes>(self, tile: Tile, scratch: &mut Scratch, out: &mut [f32]) {
        let mut shares = [0.0; 8];
        let all = tile.all_seen(self.length);
        let scores = scratch.scores.chunks_exact_mut(self.stride);
        for (row, (scores, share)) in scores.zip(&mut shares).take(tile.rows).enumerate() {
            let seen = tile.seen(row, self.length);
            scores[all.start..seen.start].fill(0.0);
            scores[seen.end..all.end].fill(0.0);
            *share = 1.0 / power::<V>(&mut scores[seen]);
        }
        let values = &scratch.scores[all.start..];
        let weights = Strided { values, first: 0, stride: self.stride, width: all.len() };
        let mut block: Block = [0.0; _];
        for panel in Panel::cut(self.width, V::LANES) {
            let width = panel.across * V::LANES;
            let used = width.min(self.width - panel.first);
            let values = &scratch.values[panel.first * self.length + all.start * width..];
            float_tile::<V>(weights, tile.rows, values, panel.across, &mut block, width);
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

/// Replaces every score by `2^(x - max)` in place; returns the sum of the results.
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
