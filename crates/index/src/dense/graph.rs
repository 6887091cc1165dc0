//! A graph of near neighbours, as it is searched: flat arrays in a file.
//! K-NN-SEARCH (Algorithm 5) of Malkov and Yashunin, TPAMI 42(4), 2020.
//!
//! Who built it does not matter here. A build gives layers of nodes, and this file lays them out so that a walk waits
//! for memory as seldom as it can:
//!
//! - Nodes are numbered anew. Those of the upper layers come first, so that layer `l` is simply the nodes below `n_l`;
//!   the others follow in the order in which a breadth-first walk meets them, so that neighbours lie close.
//! - All nodes of a layer have as many places for neighbours, so that a list is found without a table.
//! - The walk reads vectors of bytes (`space.rs`); the `ef` nodes that it ends with are scored with the matrix itself.
//!   A score is therefore the one that [`Flat`](super::Flat) gives, bit for bit.
//!
//! A greedy build can leave nodes that no path leads to. They are counted, and each is linked from the nearest node
//! that has a place left.
//!
//! ```text
//! payload   digest of the matrix (64 digits) · repaired · nodes of each layer       u32 each
//!           row of each node                                                      u32
//!           neighbours, layer after layer, [n_l, degree_l]                        u32, NONE behind the last
//!           vectors, [n_0, stride]                                                i8
//! ```

use std::cmp::Reverse;
use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Scored};
use nir_kernels::{Frame, FrameWriter, Simd};
use rayon::prelude::*;

use super::matrix::{Matrix, numbers};
use super::space::{self, Space};
use super::walk::{Layer, NONE, search_layer};
use crate::IndexError;

const KIND: &str = "nir-graph 1";
/// The number of hexadecimal digits of a digest.
const DIGITS: usize = 64;
/// How far a node without a path looks for one that may link it.
const REPAIR_EF: usize = 64;

/// A graph that is searched: built once, mapped into memory, the same at any number of threads.
pub struct Graph {
    file: Frame,
    matrix: Matrix,
    parts: Parts,
    simd: Simd,
}

/// The ranges of the parts of a file, in bytes of its payload.
struct Parts {
    rows: std::ops::Range<usize>,
    /// The range of each layer in the file, and its degree.
    layers: Vec<(std::ops::Range<usize>, usize)>,
    vectors: std::ops::Range<usize>,
    repaired: usize,
}

/// A graph as it is after building.
pub(super) struct Built {
    /// The row of each node; those of the upper layers come first.
    pub(super) rows: Vec<u32>,
    /// Neighbours and degree of each layer, the lowest first; layer `l` is the nodes below its length.
    pub(super) layers: Vec<(Vec<u32>, usize)>,
    /// The vectors as bytes, `[nodes, stride]`.
    pub(super) vectors: Vec<i8>,
}

impl Built {
    /// Nodes of these levels (of each row), without links and vectors; the top layers and lower rows come first.
    pub(super) fn empty(levels: &[usize], degree: impl Fn(usize) -> usize) -> Self {
        let mut rows: Vec<u32> = (0..levels.len() as u32).collect();
        rows.sort_by_key(|&row| Reverse(levels[row as usize])); // stable
        let top = rows.first().map_or(0, |&row| levels[row as usize]);
        let layer = |level: usize| {
            let nodes = levels.iter().filter(|&&of| of >= level).count();
            (vec![NONE; nodes * degree(level)], degree(level))
        };
        Self { rows, layers: (0..=top).map(layer).collect(), vectors: Vec::new() }
    }

    /// Replaces the neighbours of a node in a layer.
    pub(super) fn set(&mut self, level: usize, node: u32, links: &[u32]) {
        let (all, degree) = &mut self.layers[level];
        let places = &mut all[node as usize * *degree..][..*degree];
        places[..links.len()].copy_from_slice(links);
        places[links.len()..].fill(NONE);
    }

    pub(super) fn layer(&self, level: usize) -> Layer<'_> {
        let (links, degree) = &self.layers[level];
        Layer { links, degree: *degree }
    }

    pub(super) fn space(&self) -> Space<'_> {
        let stride = self.vectors.len() / self.rows.len().max(1);
        Space { bytes: &self.vectors, stride, simd: Simd::get() }
    }
}

impl Graph {
    /// Opens a graph over the matrix it was built from; takes microseconds at any size.
    pub fn open(path: &Path, matrix: Matrix) -> Result<Self, IndexError> {
        let file = Frame::open(path, KIND)?;
        let parts = Parts::of(&file, &matrix)?;
        Ok(Self { file, matrix, parts, simd: Simd::get() })
    }

    /// Reads graph and matrix and compares them with their checksums.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.file.verify()?;
        self.matrix.verify()
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.matrix.len()
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of the graph's file; the matrix comes on top.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// How many nodes no path led to before they were linked.
    pub fn repaired(&self) -> usize {
        self.parts.repaired
    }

    /// The vectors that the graph was built from.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// How many layers there are.
    pub fn layer_count(&self) -> usize {
        self.parts.layers.len()
    }

    /// The rows of a layer and the pairs of rows that are linked in it, for pictures and tests.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn layer_rows(&self, level: usize) -> (Vec<u32>, Vec<(u32, u32)>) {
        let (layer, rows) = (self.layer(level), self.rows());
        let nodes = layer.links.len() / layer.degree.max(1);
        let links = |node: usize| {
            let places = &layer.links[node * layer.degree..][..layer.degree];
            let linked = places.iter().take_while(|&&other| other != NONE);
            linked.map(move |&other| (rows[node], rows[other as usize]))
        };
        (rows[..nodes].to_vec(), (0..nodes).flat_map(links).collect())
    }

    /// The best `depth` documents among the `ef` that a walk ends with; `ef` is at least `depth`.
    ///
    /// # Panics
    /// If the query is of another width, or the corpus of another size.
    pub fn search(&self, query: &[f32], depth: usize, ef: usize, corpus: &dyn Corpus) -> Ranking {
        assert_eq!(corpus.len(), self.len(), "a graph and its corpus have the same rows");
        assert_eq!(query.len(), self.matrix.dim(), "a query is as wide as the matrix");
        if depth == 0 || self.is_empty() {
            return Ranking::default();
        }
        let rows = self.walk(query, ef.max(depth));
        Ranking::top(depth, self.score(query, &rows), corpus)
    }

    /// Searches for many queries, on all threads.
    ///
    /// - `queries`: `[n, dim]`
    ///
    /// # Panics
    /// If the queries are of another width, or the corpus of another size.
    pub fn search_many(
        &self,
        queries: &[f32],
        depth: usize,
        ef: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        let queries = queries.par_chunks(self.matrix.dim());
        queries.map(|query| self.search(query, depth, ef, corpus)).collect()
    }

    /// K-NN-SEARCH (Algorithm 5): down to the lowest layer along the nearest node of each, there the nearest `ef`.
    fn walk(&self, query: &[f32], ef: usize) -> Vec<u32> {
        let query = query_bytes(query);
        let space = self.space();
        let mut nearest = 0;
        for level in (1..self.parts.layers.len()).rev() {
            nearest = search_layer(space, self.layer(level), &query, &[nearest], 1)[0].node;
        }
        // Every node has a path from the entry: starting there too, a walk with `ef` of all finds all.
        let found = search_layer(space, self.layer(0), &query, &[nearest, 0], ef);
        let rows = self.rows();
        found.into_iter().map(|hit| rows[hit.node as usize]).collect()
    }

    /// The exact scores of some rows.
    fn score(&self, query: &[f32], rows: &[u32]) -> Vec<Scored> {
        const AHEAD: usize = 4;
        let ahead = rows.iter().skip(AHEAD).map(Some).chain(std::iter::repeat(None));
        let scored = |(&row, ahead): (&u32, Option<&u32>)| {
            if let Some(&ahead) = ahead {
                self.matrix.prefetch(self.simd, ahead as usize);
            }
            Scored { doc: DocNo(row), score: self.matrix.dot(self.simd, query, row as usize) }
        };
        rows.iter().take(AHEAD).for_each(|&row| self.matrix.prefetch(self.simd, row as usize));
        rows.iter().zip(ahead).map(scored).collect()
    }

    fn rows(&self) -> &[u32] {
        numbers(&self.file[self.parts.rows.clone()])
    }

    fn layer(&self, level: usize) -> Layer<'_> {
        let (range, degree) = &self.parts.layers[level];
        Layer { links: numbers(&self.file[range.clone()]), degree: *degree }
    }

    fn space(&self) -> Space<'_> {
        let bytes = numbers(&self.file[self.parts.vectors.clone()]);
        Space { bytes, stride: space::stride(self.matrix.dim()), simd: self.simd }
    }
}

/// A query as bytes. Its scale is its own: it changes all scores alike.
fn query_bytes(query: &[f32]) -> Vec<i8> {
    let mut bytes = Vec::new();
    space::to_bytes(query, super::matrix::scale(query), &mut bytes);
    bytes
}

impl Parts {
    /// Takes a file apart, and refuses one whose numbers do not fit together or the matrix.
    fn of(file: &Frame, matrix: &Matrix) -> Result<Self, IndexError> {
        let [count, layers, lowest, upper, stride] = file.fields().map(|field| field as usize);
        let head = DIGITS + 4 * (1 + layers);
        let Some(start) = file.get(..head) else {
            return Err(file.damaged("it is too short").into());
        };
        if start[..DIGITS] != *matrix.digest().hex().as_bytes() {
            let what = format!("it was built from another matrix than {}", matrix.path().display());
            return Err(IndexError::Mismatch { path: file.path().to_owned(), what });
        }
        let sizes = numbers::<u32>(&start[DIGITS..]);
        let mut at = head;
        let mut next = |bytes: usize| {
            let start = at.next_multiple_of(64);
            at = start + bytes;
            start..at
        };
        let rows = next(4 * count);
        let degree = |level| if level == 0 { lowest } else { upper };
        let layer = |(level, &size): (usize, &u32)| {
            (next(4 * size as usize * degree(level)), degree(level))
        };
        let layers = sizes[1..].iter().enumerate().map(layer).collect();
        let vectors = next(count * stride);
        if at != file.len() || count != matrix.len() || stride != space::stride(matrix.dim()) {
            return Err(file.damaged("its parts do not fit its length").into());
        }
        Ok(Self { rows, layers, vectors, repaired: sizes[0] as usize })
    }
}

/// Repairs, orders and writes what a build has left, and opens it.
pub(super) fn freeze(path: &Path, matrix: Matrix, mut built: Built) -> Result<Graph, IndexError> {
    let repaired = if built.rows.is_empty() { 0 } else { repair(&mut built) };
    let order = order(&built);
    write(path, &matrix, &built.renumbered(&order), repaired)?;
    Graph::open(path, matrix)
}

fn write(path: &Path, matrix: &Matrix, built: &Built, repaired: usize) -> Result<(), IndexError> {
    let mut file = FrameWriter::create(path, KIND)?;
    let sizes = (0..built.layers.len()).map(|level| built.layer(level).len() as u32);
    let head: Vec<u32> = [repaired as u32].into_iter().chain(sizes).collect();
    file.write(matrix.digest().hex().as_bytes())?;
    file.write(&little_endian(&head))?;
    let links = built.layers.iter().map(|(links, _)| links);
    for part in [&built.rows].into_iter().chain(links) {
        file.align()?;
        file.write(&little_endian(part))?;
    }
    file.align()?;
    let vectors: Vec<u8> = built.vectors.iter().map(|&byte| byte.cast_unsigned()).collect();
    file.write(&vectors)?;
    let degree = |level: usize| built.layers.get(level).map_or(1, |&(_, degree)| degree as u64);
    let stride = space::stride(matrix.dim()) as u64;
    let (count, layers) = (built.rows.len() as u64, built.layers.len() as u64);
    file.finish([count, layers, degree(0), degree(1), stride])?;
    Ok(())
}

fn little_endian(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Links every node that no path leads to, and says how many there were.
fn repair(built: &mut Built) -> usize {
    let mut reached = vec![false; built.rows.len()];
    reach(built, 0, &mut reached);
    let lost: Vec<u32> = (0..built.rows.len() as u32).filter(|&at| !reached[at as usize]).collect();
    for &node in &lost {
        // Another repair may have led here meanwhile; a walk needs no more than one path.
        if !reached[node as usize] {
            link_from_nearest(built, node, &reached);
            reach(built, node, &mut reached);
        }
    }
    lost.len()
}

/// Marks all nodes of the lowest layer that there is a path to.
fn reach(built: &Built, from: u32, reached: &mut [bool]) {
    let mut waiting = vec![from];
    reached[from as usize] = true;
    while let Some(node) = waiting.pop() {
        for &next in built.layer(0).neighbours(node) {
            if !std::mem::replace(&mut reached[next as usize], true) {
                waiting.push(next);
            }
        }
    }
}

/// Adds a link to `node` from the nearest node that is reached and has a place left.
fn link_from_nearest(built: &mut Built, node: u32, reached: &[bool]) {
    let (layer, space) = (built.layer(0), built.space());
    let has_place = |&from: &u32| layer.neighbours(from).len() < layer.degree;
    let near = search_layer(space, layer, space.row(node), &[0], REPAIR_EF);
    let near = near.into_iter().map(|hit| hit.node).find(has_place);
    let anywhere = || (0..reached.len() as u32).find(|at| reached[*at as usize] && has_place(at));
    if let Some(from) = near.or_else(anywhere) {
        let place = from as usize * layer.degree + layer.neighbours(from).len();
        built.layers[0].0[place] = node;
    } else {
        widen(built);
        link_from_nearest(built, node, reached);
    }
}

/// One more place for every node of the lowest layer, where all were taken.
fn widen(built: &mut Built) {
    let (links, degree) = &mut built.layers[0];
    *links =
        links.chunks(*degree).flat_map(|places| places.iter().copied().chain([NONE])).collect();
    *degree += 1;
}

/// The new order of the nodes: those of upper layers as they are, then breadth first from the entry.
fn order(built: &Built) -> Vec<u32> {
    let upper = if built.layers.len() > 1 { built.layer(1).len() } else { 0 };
    let mut order: Vec<u32> = (0..upper as u32).collect();
    let mut met = vec![false; built.rows.len()];
    let mut waiting = std::collections::VecDeque::from_iter((!met.is_empty()).then_some(0));
    while let Some(node) = waiting.pop_front() {
        if std::mem::replace(&mut met[node as usize], true) {
            continue;
        }
        if node as usize >= upper {
            order.push(node);
        }
        let fresh = built.layer(0).neighbours(node).iter();
        waiting.extend(fresh.filter(|&&next| !met[next as usize]));
    }
    // The entry is a node of the lowest layer only where there is no other layer; it comes first there as well.
    order
}

impl Built {
    /// The same graph with its nodes renumbered: node `i` is the former `order[i]`.
    fn renumbered(&self, order: &[u32]) -> Self {
        let mut number = vec![0; order.len()];
        (0..).zip(order).for_each(|(new, &old): (u32, _)| number[old as usize] = new);
        let moved = |(links, degree): &(Vec<u32>, usize)| {
            let places = |&old: &u32| &links[old as usize * degree..][..*degree];
            let link = |&link: &u32| if link == NONE { NONE } else { number[link as usize] };
            let nodes = order[..links.len() / degree].iter();
            (nodes.flat_map(places).map(link).collect(), *degree)
        };
        let space = self.space();
        Self {
            rows: order.iter().map(|&old| self.rows[old as usize]).collect(),
            layers: self.layers.iter().map(moved).collect(),
            vectors: order.iter().flat_map(|&old| space.row(old)).copied().collect(),
        }
    }
}
