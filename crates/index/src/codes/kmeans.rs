//! k-means: Lloyd's iterations from random rows.
//! Lloyd, Least squares quantization in PCM, IEEE Transactions on Information Theory 28(2), 1982.
//!
//! Two steps in turn: each row goes to its nearest centroid, each centroid to the mean of its rows.
//!
//! ```text
//! nearest(x) = argmin_c |x - c|² = argmax_c ( x·c - |c|²/2 )
//! ```
//!
//! A centroid that lost all its rows takes the row that is farthest from its own centroid, so every centroid is used
//! as long as there are enough different rows. Rows are split into blocks of a fixed size and every mean is taken in the
//! order of rows, so the centroids are the same at any number of threads.

use nir_kernels::Panels;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// The parameters of k-means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KMeans {
    /// The number of centroids.
    pub centroids: usize,
    /// The number of iterations of Lloyd's algorithm.
    pub iterations: usize,
    /// The seed of the choice of the rows to start from.
    pub seed: u64,
    /// Whether centroids are scaled to length one after each iteration (spherical k-means), as suits inner products:
    /// then the nearest centroid is the one with the largest product.
    pub unit: bool,
}

/// Points, each of which stands for the rows that are nearest to it.
#[derive(Debug, Clone)]
pub struct Centroids {
    values: Vec<f32>,
    dim: usize,
    half_squares: Vec<f32>,
    panels: Panels,
}

/// The nearest centroid of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// The number of the centroid.
    pub centroid: u32,
    /// How near it is: `x·c - |c|²/2`, which is larger for nearer centroids.
    pub closeness: f32,
}

/// Floats of a block of products: they stay in the second-level cache.
const BLOCK: usize = 1 << 17;

impl KMeans {
    /// Centroids of `rows`, `[n, dim]`, of which there are at least as many as centroids.
    ///
    /// # Panics
    /// If there are fewer rows than centroids.
    pub fn train(&self, rows: &[f32], dim: usize) -> Centroids {
        let n = rows.len() / dim;
        assert!(n >= self.centroids, "{} centroids need as many rows, not {n}", self.centroids);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut chosen = index::sample(&mut random, n, self.centroids).into_vec();
        chosen.sort_unstable();
        let start = chosen.iter().flat_map(|&row| &rows[row * dim..][..dim]).copied().collect();
        self.refine(self.scaled(start, dim), rows)
    }

    /// Lloyd's iterations from centroids that are there already.
    pub fn refine(&self, mut centroids: Centroids, rows: &[f32]) -> Centroids {
        let dim = centroids.dim;
        for _ in 0..self.iterations {
            let nearest = centroids.assign(rows);
            let assigned: Vec<u32> = nearest.iter().map(|found| found.centroid).collect();
            let members = Members::new(&assigned, centroids.len());
            let mut means = members.means(rows, dim);
            repair(&mut means, &members, &nearest, rows, dim);
            centroids = self.scaled(means, dim);
        }
        centroids
    }

    fn scaled(&self, mut values: Vec<f32>, dim: usize) -> Centroids {
        if self.unit {
            values.chunks_exact_mut(dim).for_each(scale_to_unit);
        }
        Centroids::new(values, dim)
    }
}

fn scale_to_unit(row: &mut [f32]) {
    let length = square(row).sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x /= length);
    }
}

fn square(row: &[f32]) -> f32 {
    row.iter().map(|x| x * x).sum()
}

impl Centroids {
    /// Takes the centroids as `values`, `[len, dim]`.
    ///
    /// # Panics
    /// If `values` is not whole rows.
    pub fn new(values: Vec<f32>, dim: usize) -> Self {
        let panels = Panels::new(&values, dim);
        let half_squares = values.chunks_exact(dim).map(|row| square(row) / 2.0).collect();
        Self { values, dim, half_squares, panels }
    }

    /// The number of centroids.
    pub fn len(&self) -> usize {
        self.half_squares.len()
    }

    /// Whether there are no centroids.
    pub fn is_empty(&self) -> bool {
        self.half_squares.is_empty()
    }

    /// The number of components of a centroid.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All centroids, `[len, dim]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One centroid, `[dim]`.
    pub fn row(&self, centroid: usize) -> &[f32] {
        &self.values[centroid * self.dim..][..self.dim]
    }

    /// Their inner products with `rows`, `[n, dim]`: `[n, len]`.
    pub fn products(&self, rows: &[f32]) -> Vec<f32> {
        let mut products = vec![0.0; rows.len() / self.dim * self.len()];
        self.panels.products(rows, &mut products);
        products
    }

    /// The nearest centroid of each of `rows`, `[n, dim]`; of two equally near ones the first.
    pub fn assign(&self, rows: &[f32]) -> Vec<Nearest> {
        let block = (BLOCK / self.len()).clamp(32, 4096) * self.dim;
        rows.par_chunks(block).flat_map_iter(|rows| self.assign_block(rows)).collect()
    }

    pub(crate) fn assign_block(&self, rows: &[f32]) -> Vec<Nearest> {
        self.products(rows)
            .chunks_exact(self.len())
            .map(|products| self.nearest(products))
            .collect()
    }

    fn nearest(&self, products: &[f32]) -> Nearest {
        let mut nearest = Nearest { centroid: 0, closeness: f32::NEG_INFINITY };
        for (centroid, (product, half)) in (0..).zip(products.iter().zip(&self.half_squares)) {
            let closeness = product - half;
            if closeness > nearest.closeness {
                nearest = Nearest { centroid, closeness };
            }
        }
        nearest
    }
}

/// The rows of each centroid, in ascending order.
pub(super) struct Members {
    /// All rows, centroid by centroid.
    pub(super) rows: Vec<u32>,
    /// The position at which the rows of each centroid begin, and the end of the last ones.
    starts: Vec<usize>,
}

impl Members {
    /// Groups rows by the centroid that each is assigned to.
    pub(super) fn new(assigned: &[u32], centroids: usize) -> Self {
        let mut starts = vec![0; centroids + 1];
        assigned.iter().for_each(|&centroid| starts[centroid as usize + 1] += 1);
        (0..centroids).for_each(|centroid| starts[centroid + 1] += starts[centroid]);
        let (mut next, mut rows) = (starts.clone(), vec![0; assigned.len()]);
        for (row, &centroid) in (0..).zip(assigned) {
            let next = &mut next[centroid as usize];
            rows[*next] = row;
            *next += 1;
        }
        Self { rows, starts }
    }

    pub(super) fn of(&self, centroid: usize) -> &[u32] {
        &self.rows[self.starts[centroid]..self.starts[centroid + 1]]
    }

    /// The mean of each centroid's rows; zero where it has none.
    fn means(&self, rows: &[f32], dim: usize) -> Vec<f32> {
        let mut means = vec![0.0; (self.starts.len() - 1) * dim];
        means.par_chunks_exact_mut(dim).enumerate().for_each(|(centroid, mean)| {
            let members = self.of(centroid);
            for &row in members {
                let row = &rows[row as usize * dim..][..dim];
                mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            mean.iter_mut().for_each(|sum| *sum /= members.len().max(1) as f32);
        });
        means
    }
}

/// Gives each centroid without rows one of the rows that are farthest from their centroids.
fn repair(means: &mut [f32], members: &Members, nearest: &[Nearest], rows: &[f32], dim: usize) {
    let lost: Vec<usize> =
        (0..means.len() / dim).filter(|&centroid| members.of(centroid).is_empty()).collect();
    if lost.is_empty() {
        return;
    }
    let distance = |row: usize| square(&rows[row * dim..][..dim]) - 2.0 * nearest[row].closeness;
    let mut farthest: Vec<(f32, usize)> =
        (0..nearest.len()).map(|row| (distance(row), row)).collect();
    farthest.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (centroid, (_, row)) in lost.into_iter().zip(farthest) {
        means[centroid * dim..][..dim].copy_from_slice(&rows[row * dim..][..dim]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KMEANS: KMeans = KMeans { centroids: 2, iterations: 10, seed: 1, unit: false };

    #[test]
    fn two_groups_have_two_means() {
        let rows = [0.0, 1.0, 10.0, 11.0, 12.0];
        let mut found = KMEANS.train(&rows, 1).values().to_vec();
        found.sort_by(f32::total_cmp);
        assert_eq!(found, [0.5, 11.0]);
    }

    #[test]
    fn nearest_is_by_distance_and_not_by_product() {
        let centroids = Centroids::new(vec![1.0, 100.0], 1);
        let nearest = centroids.assign(&[2.0])[0];
        assert_eq!(nearest, Nearest { centroid: 0, closeness: 2.0 - 0.5 });
    }

    #[test]
    fn a_centroid_without_rows_takes_the_farthest_row() {
        // Both rows near 0 and the one at 9 are nearest to the centroid at 0; nothing is near 1000.
        let start = Centroids::new(vec![0.0, 1000.0], 1);
        let once = KMeans { iterations: 1, ..KMEANS }.refine(start, &[0.0, 1.0, 9.0]);
        assert_eq!(once.values()[1], 9.0);
    }

    #[test]
    fn threads_do_not_matter() {
        let rows: Vec<f32> = (0..40_000_u64).map(|i| ((i * 2_654_435_761) % 1009) as f32).collect();
        let kmeans = KMeans { centroids: 50, iterations: 5, seed: 3, unit: true };
        let train = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| kmeans.train(&rows, 8).values().to_vec())
        };
        assert_eq!(train(1), train(3));
    }
}
