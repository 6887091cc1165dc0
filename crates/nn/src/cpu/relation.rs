//! How attention knows where tokens stand to one another, in the form in which a score is made.
//!
//! ```text
//! by distance     s_ij += b[head][j - i]              buckets (Raffel et al., 2020, §2.1), ALiBi (Press et al., 2022, §3)
//! rotary          q_i, k_j turned by i, by j          (Su et al., 2021, eq. 34)
//! disentangled    s_ij += q_i · K[r] + k_j · Q[r],    r the row of j - i (He et al., 2021, eq. 4)
//! ```
//!
//! Whatever depends on the distance alone is a row of numbers for each head, from the farthest before to the farthest
//! behind: for query `i` it is read from `-i` on, one number for each key, as scores are.

use std::sync::Arc;

use nir_kernels::{Job, Lanes, Simd};

use super::arithmetic::Arithmetic;
use super::head::{Head, query_scale};
use super::linear::Linear;
use super::math::Activation;
use super::{Dense, ShapeError};

/// How the score of two tokens depends on their positions, prepared for computing.
#[derive(Clone)]
pub enum Relation {
    /// It does not.
    None,
    /// A number for each head and distance is added.
    Distances(Arc<Distances>),
    /// Queries and keys are rotated by their positions.
    Rotary(Arc<Rotary>),
    /// Products with embeddings of distances are added.
    Disentangled(Arc<Disentangled>),
}

impl Relation {
    /// The number of products that a score adds up.
    pub(super) fn terms(&self) -> usize {
        match self {
            Self::Disentangled(_) => 3,
            Self::None | Self::Distances(_) | Self::Rotary(_) => 1,
        }
    }
}

/// A value for each distance from `1 - positions` to `positions - 1`.
pub(super) struct ByDistance<T> {
    positions: usize,
    values: Vec<T>,
}

impl<T> ByDistance<T> {
    /// Makes the table from `of`, which gets the key's position minus the query's.
    fn new(positions: usize, of: impl Fn(i64) -> T) -> Self {
        let last = positions as i64 - 1;
        Self { positions, values: (-last..=last).map(of).collect() }
    }

    /// The values for one query and the keys `0..count`.
    #[inline(always)]
    fn of_query(&self, query: usize, count: usize) -> &[T] {
        &self.values[self.positions - 1 - query..][..count]
    }
}

/// The numbers that are added to scores: for each head, one for each distance.
pub struct Distances(Vec<ByDistance<f32>>);

impl Distances {
    /// Makes the numbers from `of(head, distance)`; the distance is the key's position minus the query's.
    pub fn new(heads: usize, positions: usize, of: impl Fn(usize, i64) -> f32) -> Self {
        // Scores are powers of two.
        let head = |head| {
            ByDistance::new(positions, |distance| of(head, distance) * std::f32::consts::LOG2_E)
        };
        Self((0..heads).map(head).collect())
    }

    /// Adds the numbers of a query to the scores of the keys from `first` on.
    #[inline(always)]
    pub(super) fn add<V: Lanes>(
        &self,
        head: usize,
        query: usize,
        first: usize,
        scores: &mut [f32],
    ) {
        let added = &self.0[head].of_query(query, first + scores.len())[first..];
        for (scores, added) in scores.chunks_mut(V::LANES).zip(added.chunks(V::LANES)) {
            (V::load(scores) + V::load(added)).store(scores);
        }
    }
}

/// The cosines and sines of the rotary angles of each position.
pub struct Rotary {
    /// `[positions, width / 2]`.
    cosines: Vec<f32>,
    /// `[positions, width / 2]`.
    sines: Vec<f32>,
    half: usize,
}

impl Rotary {
    /// Takes the cosines and sines, `[positions, half]` each, for the pairs of a head of `2 half` values.
    pub fn new([cosines, sines]: [Vec<f32>; 2], half: usize) -> Self {
        Self { cosines, sines, half }
    }

    /// Rotates the heads of each token of a sequence: the first `width` of every `stride` values.
    pub(super) fn turn(&self, simd: Simd, rows: &mut [f32], width: usize, stride: usize) {
        let positions = self.cosines.len() / self.half;
        assert!(rows.len() <= positions * stride, "a text has at most {positions} tokens");
        simd.run(Turn { rotary: self, rows, width, stride });
    }
}

struct Turn<'a> {
    rotary: &'a Rotary,
    rows: &'a mut [f32],
    width: usize,
    stride: usize,
}

impl Job for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { rotary: Rotary { cosines, sines, half }, rows, width, stride } = self;
        let turns = cosines.chunks_exact(*half).zip(sines.chunks_exact(*half));
        for (row, (cosines, sines)) in rows.chunks_mut(stride).zip(turns) {
            for head in row[..width].chunks_exact_mut(2 * half) {
                let (first, second) = head.split_at_mut(*half);
                let pairs = first.chunks_mut(V::LANES).zip(second.chunks_mut(V::LANES));
                let turns = cosines.chunks(V::LANES).zip(sines.chunks(V::LANES));
                for ((a, b), (cosine, sine)) in pairs.zip(turns) {
                    let (x, y) = (V::load(a), V::load(b));
                    let (cosine, sine) = (V::load(cosine), V::load(sine));
                    (x * cosine - y * sine).store(a);
                    (y * cosine + x * sine).store(b);
                }
            }
        }
    }
}

/// Embeddings of distances, projected by a layer's queries and keys, and the row of each distance.
pub struct Disentangled {
    rows: RowsByDistance,
    /// For each head, panels of `[head width, rows]`.
    keys: Vec<Vec<f32>>,
    /// The same for queries, multiplied by the scale of queries.
    queries: Vec<Vec<f32>>,
}

/// The rows of a table of embeddings, by distance.
pub struct RowsByDistance {
    count: usize,
    of: ByDistance<u32>,
}

impl RowsByDistance {
    /// Makes the rows of a table with `count` rows. `of` gives the row for the key's position minus the query's, and
    /// must be monotonic.
    pub fn new(count: usize, positions: usize, of: impl Fn(i64) -> usize) -> Self {
        Self { count, of: ByDistance::new(positions, |distance| of(distance) as u32) }
    }

    /// The first row and the row after the last one that the tokens of a sequence of `length` need.
    fn used(&self, length: usize) -> (usize, usize) {
        let ends = [self.of.of_query(0, length)[length - 1], self.of.of_query(length - 1, 1)[0]];
        let ends = ends.map(|row| row as usize);
        (ends[0].min(ends[1]), ends[0].max(ends[1]) + 1)
    }
}

/// The buffers of one head.
#[derive(Default)]
pub(super) struct Products {
    /// The products of each query of a tile, `[rows of a tile, rows]`.
    of_queries: Vec<f32>,
    /// The products of each key, `[tokens, rows]`.
    of_keys: Vec<f32>,
}

impl Disentangled {
    /// Projects a table of embeddings, `[rows, hidden]`, by the layers of queries and keys. Fails if its shape does not
    /// fit.
    ///
    /// - `table`: `[rows, hidden]`
    pub fn new(
        rows: RowsByDistance,
        table: &[f32],
        query: &Dense<'_>,
        key: &Dense<'_>,
        (hidden, heads): (usize, usize),
        simd: Simd,
    ) -> Result<Self, ShapeError> {
        let scale = query_scale(hidden / heads, 3);
        let project = |dense: &Dense<'_>, scale: f32| {
            let linear = Linear::pack(dense, hidden, Arithmetic::F32, simd)?;
            let mut projected = vec![0.0; rows.count * hidden];
            linear.apply(table, Activation::Identity, &mut projected);
            projected.iter_mut().for_each(|value| *value *= scale);
            Ok(simd.run(Pack { rows: &projected, count: rows.count, hidden, heads }))
        };
        let (keys, queries) = (project(key, 1.0)?, project(query, scale)?);
        Ok(Self { rows, keys, queries })
    }

    /// Computes the products of all keys of a head with the embeddings of their distances.
    #[inline(always)]
    pub(super) fn of_keys<V: Lanes>(&self, head: Head, keys: &[f32], products: &mut Products) {
        let stride = self.rows.count.next_multiple_of(V::LANES);
        products.of_keys.resize(head.length * stride, 0.0);
        let (of_keys, queries) = (&mut products.of_keys, &self.queries[head.at / head.width]);
        let used = self.rows.used(head.reach);
        for first in (0..head.length).step_by(V::ROWS) {
            let rows = (head.length - first).min(V::ROWS);
            let out = &mut of_keys[first * stride..];
            let keys = (&keys[first * 2 * head.hidden..], 2 * head.hidden);
            head.products::<V>(keys, rows, (queries, self.rows.count), used, out);
        }
    }

    /// Adds the products to the scores of the queries of a tile, which begin at position `query`.
    #[inline(always)]
    pub(super) fn add<V: Lanes>(
        &self,
        head: Head,
        (queries, query, rows): (&[f32], usize, usize),
        products: &mut Products,
        scores: &mut [f32],
    ) {
        let stride = self.rows.count.next_multiple_of(V::LANES);
        products.of_queries.resize(V::ROWS * stride, 0.0);
        let keys = (&self.keys[head.at / head.width][..], self.rows.count);
        let used = self.rows.used(head.reach);
        let out = &mut products.of_queries;
        head.products::<V>((queries, head.hidden), rows, keys, used, out);
        for (row, scores) in scores.chunks_exact_mut(head.stride).take(rows).enumerate() {
            let of_query = &products.of_queries[row * stride..][..stride];
            let of_keys = products.of_keys.chunks_exact(stride);
            let places = self.rows.of.of_query(query + row, head.length);
            for ((score, &place), of_key) in scores.iter_mut().zip(places).zip(of_keys) {
                *score += of_query[place as usize] + of_key[place as usize];
            }
        }
    }
}

/// Packs the rows of a table into panels, one set for each head.
struct Pack<'a> {
    /// `[count, hidden]`.
    rows: &'a [f32],
    count: usize,
    hidden: usize,
    heads: usize,
}

impl Job for Pack<'_> {
    type Output = Vec<Vec<f32>>;

    #[inline(always)]
    fn run<V: Lanes>(self) -> Self::Output {
        let Self { rows, count, hidden, heads } = self;
        let (width, stride) = (hidden / heads, count.next_multiple_of(V::LANES));
        let mut packed = vec![vec![0.0; width * stride]; heads];
        for (at, packed) in (0..hidden).step_by(width.max(1)).zip(&mut packed) {
            let head = Head { at, width, hidden, length: count, reach: count, stride };
            head.pack_keys::<V>(rows, hidden, packed);
        }
        packed
    }
}
