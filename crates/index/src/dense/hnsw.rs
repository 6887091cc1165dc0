//! Hierarchical navigable small worlds.
//! Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical navigable small
//! world graphs", TPAMI 42(4), 2020.
//!
//! Link every document to some near ones, and a walk that always goes on to the nearest one known arrives near any
//! query. Two ideas make it arrive soon. A node is also in layer 1 with probability `1/m`, in layer 2 with `1/m²` and
//! so on: the walk covers the distance in the upper, thin layers, and looks closely only in the lowest. And of the
//! near documents a node is linked to those that are nearer to it than to each other, so that its links point in
//! different directions instead of all into the same crowd.
//!
//! ```text
//! level(d)     = ⌊ -ln(uniform) / ln(m) ⌋                                            (Algorithm 1, line 4)
//! link c to q  if   sim(q, c) > sim(c, s)   for every s linked so far, nearest c first      (Algorithm 4)
//! ```
//!
//! Where we depart from the paper:
//!
//! - Levels are drawn first and nodes inserted from the top layer down. Every walk of the build then starts at the
//!   same entry, and layer `l` is the nodes below `n_l`.
//! - Nodes are inserted a batch at a time, each batch a 64th of what is there: all of a batch search the graph as it
//!   was, on all threads, and are then linked in their order. So the graph is the same at any number of threads.
//! - Nearness is the inner product of vectors of bytes (`space.rs`), an integer.
//! - An inner product is no distance unless all vectors have one length: normalise them.

use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::graph::{Built, Graph, freeze};
use super::matrix::Matrix;
use super::space::{self, Space};
use super::walk::{Hit, search_layer};
use crate::IndexError;

/// The parameters of building a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HnswParams {
    /// `M`: links that a new node gets in each layer; twice as many places in the lowest.
    pub m: usize,
    /// `efConstruction`: candidates that they are chosen from.
    pub ef_construction: usize,
    /// The seed of the random levels of rows.
    pub seed: u64,
}

impl HnswParams {
    /// `M_max0 = 2 M` and `M_max = M`, as the paper recommends (section 4.1).
    fn degree(self, level: usize) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }
}

/// No batch is larger: links between its nodes are missed.
const LARGEST_BATCH: usize = 1024;
/// The largest number of layers; a row in more layers would need about 2^64 others.
const MOST_LEVELS: usize = 32;

/// Builds a graph over a matrix and writes it to a file; the matrix stays where it is.
///
/// # Panics
/// If `m` is less than 2.
pub fn build_hnsw(path: &Path, matrix: Matrix, params: HnswParams) -> Result<Graph, IndexError> {
    assert!(params.m > 1, "with m = {} there is no graph", params.m);
    let mut builder = Builder::new(&matrix, params);
    let count = matrix.len();
    let mut inserted = count.min(1);
    while inserted < count {
        let batch = (inserted / 64).clamp(1, LARGEST_BATCH).min(count - inserted);
        builder.insert(inserted as u32..(inserted + batch) as u32);
        inserted += batch;
    }
    freeze(path, matrix, builder.built)
}

struct Builder {
    params: HnswParams,
    built: Built,
}

/// A row in one layer, and the links that it gets there.
struct Plan {
    level: usize,
    node: u32,
    links: Vec<u32>,
}

impl Builder {
    fn new(matrix: &Matrix, params: HnswParams) -> Self {
        let levels = levels(matrix.len(), params);
        let mut built = Built::empty(&levels, |level| params.degree(level));
        built.vectors = vectors(matrix, &built.rows);
        Self { params, built }
    }

    fn space(&self) -> Space<'_> {
        self.built.space()
    }

    /// INSERT (Algorithm 1) for several rows at once.
    fn insert(&mut self, batch: std::ops::Range<u32>) {
        let plans: Vec<Plan> =
            batch.into_par_iter().flat_map_iter(|node| self.plan(node)).collect();
        for Plan { level, node, links } in &plans {
            self.built.set(*level, *node, links);
        }
        self.link_back(&plans);
    }

    /// Chooses the links of a node, from its top layer down.
    fn plan(&self, node: u32) -> Vec<Plan> {
        let query = self.space().row(node);
        let mut plans = Vec::new();
        let mut starts = vec![0];
        for level in (0..self.built.layers.len()).rev() {
            let layer = self.built.layer(level);
            let is_member = (node as usize) < layer.len();
            let ef = if is_member { self.params.ef_construction } else { 1 };
            let near = search_layer(self.space(), layer, query, &starts, ef);
            if is_member {
                let links = select_neighbours(self.space(), &near, self.params.m);
                plans.push(Plan { level, node, links });
            }
            starts = near.into_iter().map(|hit| hit.node).collect();
        }
        plans
    }

    /// Links the chosen back (Algorithm 1, line 13), and where places run out chooses among all (lines 14 to 16).
    fn link_back(&mut self, plans: &[Plan]) {
        let back = |plan: &Plan| {
            let (level, node) = (plan.level, plan.node);
            plan.links.iter().map(move |&to| (level, to, node)).collect::<Vec<_>>()
        };
        let mut links: Vec<(usize, u32, u32)> = plans.iter().flat_map(back).collect();
        links.sort_unstable();
        let targets: Vec<&[(usize, u32, u32)]> =
            links.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let chosen = targets.into_par_iter().map(|links| self.with_links(links));
        for Plan { level, node, links } in chosen.collect::<Vec<_>>() {
            self.built.set(level, node, &links);
        }
    }

    /// The neighbours of a node when these links are added.
    fn with_links(&self, added: &[(usize, u32, u32)]) -> Plan {
        let (level, node, _) = added[0];
        let layer = self.built.layer(level);
        let mut links = layer.neighbours(node).to_vec();
        links.extend(added.iter().map(|&(.., from)| from));
        if links.len() > layer.degree {
            links =
                select_neighbours(self.space(), &self.nearest_first(node, &links), layer.degree);
        }
        Plan { level, node, links }
    }

    fn nearest_first(&self, node: u32, others: &[u32]) -> Vec<Hit> {
        let mut hits = Vec::with_capacity(others.len());
        let space = self.space();
        space.scores(space.row(node), others, |node, score| hits.push(Hit { score, node }));
        hits.sort_unstable_by_key(|hit| (std::cmp::Reverse(hit.score), hit.node));
        hits
    }
}

/// SELECT-NEIGHBORS-HEURISTIC (Algorithm 4), without its two extensions: at most `most` of `near`, which come nearest
/// first, each nearer to the node than to any one chosen before.
fn select_neighbours(space: Space, near: &[Hit], most: usize) -> Vec<u32> {
    let mut chosen: Vec<u32> = Vec::with_capacity(most);
    for candidate in near {
        if chosen.len() == most {
            break;
        }
        let vector = space.row(candidate.node);
        let crowds = |&other: &u32| space.score(vector, other) >= candidate.score;
        if !chosen.iter().any(crowds) {
            chosen.push(candidate.node);
        }
    }
    chosen
}

/// The top layer of each row (Algorithm 1, line 4).
fn levels(count: usize, params: HnswParams) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(params.seed);
    let scale = 1.0 / (params.m as f64).ln(); // m_L, section 4.1
    let mut level = || {
        let uniform = 1.0 - random.random::<f64>(); // (0, 1]
        ((-uniform.ln() * scale) as usize).min(MOST_LEVELS - 1)
    };
    (0..count).map(|_| level()).collect()
}

/// The rows of a matrix as bytes, in this order.
pub(super) fn vectors(matrix: &Matrix, rows: &[u32]) -> Vec<i8> {
    let scale = space::scale(matrix);
    let mut vectors = Vec::with_capacity(rows.len() * space::stride(matrix.dim()));
    let mut components = vec![0.0; matrix.dim()];
    for &row in rows {
        matrix.read(row as usize, &mut components);
        space::to_bytes(&components, scale, &mut vectors);
    }
    vectors
}
