//! The graph that crate `hnsw_rs` builds, searched by our own walk.
//! Malkov and Yashunin, TPAMI 42(4), 2020, as implemented by J.-P. Both's `hnsw_rs` 0.3.5.
//!
//! A second, independent implementation of the same paper is a check on the first: what both find at a given recall
//! should cost about the same. It differs from `hnsw.rs` in two points that decide the graph. A new node gets up to
//! `2m` links in the lowest layer instead of `m`; and where places run out, the farthest neighbour goes, without the
//! heuristic. So nodes at the edge of a crowd lose their last link: some have no path to them, which `graph.rs`
//! counts and repairs.
//!
//! Points go in one after the other, with levels from the crate's constant seed, so that a build repeats; its parallel
//! insertion does not. Distances are `1 - a · b` with our kernels, and must not be negative: no vector may be longer
//! than one.

use std::path::Path;

use hnsw_rs::prelude::{Distance, Hnsw, Point};
use nir_kernels::Simd;

use super::graph::{Built, Graph, freeze};
use super::hnsw::vectors;
use super::matrix::Matrix;
use crate::IndexError;

/// The parameters with which the crate builds a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HnswRsParams {
    /// `M`, at most 255: links of a node in an upper layer; twice as many in the lowest.
    pub m: usize,
    /// `efConstruction`: candidates that they are chosen from.
    pub ef_construction: usize,
}

/// The largest number of layers that the crate allows.
const MOST_LEVELS: usize = 16;
/// How much longer than one a vector may be by rounding, in square.
const TOLERANCE: f32 = 1e-3;

/// Builds a graph over a matrix of vectors no longer than one, and writes it to a file.
///
/// # Panics
/// If `m` is not within 2 and 255.
pub fn build_hnsw_rs(
    path: &Path,
    matrix: Matrix,
    params: HnswRsParams,
) -> Result<Graph, IndexError> {
    // The crate ends the process where `m` is too large.
    assert!((2..256).contains(&params.m), "m is {}: expected 2 to 255", params.m);
    let (m, count) = (params.m, matrix.len());
    let distance = OneMinusDot(Simd::get());
    let hnsw = Hnsw::new(m, count, MOST_LEVELS, params.ef_construction, distance);
    for row in 0..count {
        let vector = matrix.row(row);
        let square: f32 = vector.iter().map(|x| x * x).sum();
        if square > 1.0 + TOLERANCE {
            let what = format!("row {row} is longer than one ({}); normalise", square.sqrt());
            return Err(IndexError::Mismatch { path: matrix.path().to_owned(), what });
        }
        hnsw.insert((&vector, row));
    }
    let built = links_of(&hnsw, &matrix, m);
    freeze(path, matrix, built)
}

/// The distance `1 - q · d` between vectors of length at most 1.
struct OneMinusDot(Simd);

impl Distance<f32> for OneMinusDot {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - self.0.dot(a, b)).max(0.0)
    }
}

/// Copies the links of the crate's structure into ours.
fn links_of(hnsw: &Hnsw<f32, OneMinusDot>, matrix: &Matrix, m: usize) -> Built {
    let mut levels = vec![0; matrix.len()];
    let points = || (!matrix.is_empty()).then(|| hnsw.get_point_indexation().into_iter());
    for point in points().into_iter().flatten() {
        levels[point.get_origin_id()] = usize::from(point.get_point_id().0);
    }
    let mut built = Built::empty(&levels, |level| if level == 0 { 2 * m } else { m });
    built.vectors = vectors(matrix, &built.rows);
    let mut node_of = vec![0; matrix.len()];
    (0..).zip(&built.rows).for_each(|(node, &row): (u32, _)| node_of[row as usize] = node);
    for point in points().into_iter().flatten() {
        copy_links(&point, &node_of, &mut built);
    }
    built
}

/// Copies the links of one node, layer by layer. The crate also keeps links of nodes that are not in a layer: those
/// are no part of it.
fn copy_links(point: &Point<f32>, node_of: &[u32], built: &mut Built) {
    let node = node_of[point.get_origin_id()];
    for (level, links) in point.get_neighborhood_id().iter().enumerate().take(built.layers.len()) {
        let members = built.layer(level).len() as u32;
        if node < members {
            let links = links.iter().map(|link| node_of[link.d_id]);
            let links: Vec<u32> = links.filter(|&link| link < members && link != node).collect();
            built.set(level, node, &links);
        }
    }
}
