//! Product quantisation.
//! Jégou, Douze and Schmid, Product Quantization for Nearest Neighbor Search, IEEE Transactions on Pattern Analysis and
//! Machine Intelligence 33(1), 2011.
//!
//! A vector is cut into `m` pieces, and each piece is replaced by the number of the nearest of `k` centroids: a row of
//! `4 · dim` bytes becomes `m` bytes, and yet stands for one of `k^m` points. A query is not quantised. Its products with
//! all centroids are computed once, and then a document costs `m` look-ups.
//!
//! ```text
//! table[j][c] = q_j · centroid[j][c]          q · x ≈ Σ_j table[j][code_j(x)]       (asymmetric, section III-B)
//! ```
//!
//! Where a piece begins matters: a learned [`Rotation`] turns vectors before they are cut, in `rotation.rs`. Centroids
//! and codes may also come from elsewhere, as JPQ (`zhan2021jpq`) and RepCONC (`zhan2022repconc`) publish them: a
//! [`ProductQuantiser`] is a value, however it was found.

use rayon::prelude::*;

use super::code::{Code, Reader};
use super::kmeans::{Centroids, KMeans};
use super::rotation::Rotation;

/// `k` centroids for each piece of a vector, and how vectors are turned before they are cut.
#[derive(Debug, Clone)]
pub struct ProductQuantiser {
    pieces: Vec<Centroids>,
    rotation: Option<Rotation>,
}

/// The parameters for learning a product quantiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PqTraining {
    /// The number of pieces that a vector is cut into: `m`.
    pub pieces: usize,
    /// Centroids for each piece: 256 for codes of eight bits, 16 for codes of four.
    pub centroids: usize,
    /// The number of iterations of Lloyd's algorithm after the last rotation.
    pub iterations: usize,
    /// The parameters of a learned rotation; `None` to leave vectors as they are.
    pub rotation: Option<OpqTraining>,
    /// The seed of all random choices.
    pub seed: u64,
}

/// The parameters for learning a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpqTraining {
    /// Components after the rotation; fewer than before drop those that vary least.
    pub dim: usize,
    /// How often rotation and centroids are fitted to one another.
    pub iterations: usize,
}

/// The inner products of a query's pieces with all centroids.
#[derive(Debug, Clone)]
pub struct Tables {
    /// `[m, k]`.
    pub(super) products: Vec<f32>,
    k: usize,
}

impl PqTraining {
    /// Fits to `rows`, `[n, dim]`, a sample of what is to be encoded.
    ///
    /// # Panics
    /// If the components cannot be shared equally by the pieces, or there are fewer rows than centroids.
    pub fn train(&self, rows: &[f32], dim: usize) -> ProductQuantiser {
        let Some(opq) = self.rotation else {
            return ProductQuantiser::new(self.fit(rows, dim, self.iterations), None);
        };
        let mut rotation = Rotation::principal(rows, dim, opq.dim, self.seed);
        let mut turned = rotation.apply(rows);
        let mut quantiser = ProductQuantiser::new(self.fit(&turned, opq.dim, 4), None);
        for _ in 0..opq.iterations {
            let targets = quantiser.decode(&quantiser.encode(&turned));
            rotation = Rotation::procrustes(rows, dim, &targets, opq.dim);
            turned = rotation.apply(rows);
            quantiser = self.refine(&quantiser, &turned, 1);
        }
        let quantiser = self.refine(&quantiser, &turned, self.iterations);
        ProductQuantiser::new(quantiser.pieces, Some(rotation))
    }

    fn fit(&self, rows: &[f32], dim: usize, iterations: usize) -> Vec<Centroids> {
        assert_eq!(dim % self.pieces, 0, "{dim} components in {} equal pieces", self.pieces);
        let width = dim / self.pieces;
        let train = |piece| self.kmeans(iterations).train(&column(rows, dim, piece, width), width);
        (0..self.pieces).into_par_iter().map(train).collect()
    }

    fn refine(&self, from: &ProductQuantiser, rows: &[f32], iterations: usize) -> ProductQuantiser {
        let (kmeans, dim, width) = (self.kmeans(iterations), from.turned(), from.width());
        let refine = |(piece, centroids): (usize, &Centroids)| {
            kmeans.refine(centroids.clone(), &column(rows, dim, piece, width))
        };
        ProductQuantiser::new(from.pieces.par_iter().enumerate().map(refine).collect(), None)
    }

    fn kmeans(&self, iterations: usize) -> KMeans {
        KMeans { centroids: self.centroids, iterations, seed: self.seed, unit: false }
    }
}

/// One piece of all rows, `[n, width]`.
fn column(rows: &[f32], dim: usize, piece: usize, width: usize) -> Vec<f32> {
    rows.chunks_exact(dim).flat_map(|row| &row[piece * width..][..width]).copied().collect()
}

impl ProductQuantiser {
    /// Takes the centroids of each piece, and the rotation that comes before.
    ///
    /// # Panics
    /// If the pieces differ in shape, have more than 256 centroids, or do not fit the rotation.
    pub fn new(pieces: Vec<Centroids>, rotation: Option<Rotation>) -> Self {
        let shape = |piece: &Centroids| (piece.len(), piece.dim());
        assert!(!pieces.is_empty() && pieces[0].len() <= 256, "a code is one byte");
        assert!(pieces.iter().all(|piece| shape(piece) == shape(&pieces[0])), "pieces are alike");
        let quantiser = Self { pieces, rotation };
        let out = quantiser.rotation.as_ref().map_or(quantiser.turned(), Rotation::out);
        assert_eq!(out, quantiser.turned(), "the rotation and the pieces have as many components");
        quantiser
    }

    /// The centroids of each piece.
    pub fn pieces(&self) -> &[Centroids] {
        &self.pieces
    }

    /// The rotation of vectors before they are cut; `None` if there is none.
    pub fn rotation(&self) -> Option<&Rotation> {
        self.rotation.as_ref()
    }

    /// The number of centroids of each piece: `k`.
    pub fn centroids(&self) -> usize {
        self.pieces[0].len()
    }

    fn width(&self) -> usize {
        self.pieces[0].dim()
    }

    /// The number of components after the rotation.
    fn turned(&self) -> usize {
        self.pieces.len() * self.width()
    }

    fn turn<'r>(&self, rows: &'r [f32]) -> std::borrow::Cow<'r, [f32]> {
        self.rotation.as_ref().map_or(rows.into(), |rotation| rotation.apply(rows).into())
    }

    /// The vectors that codes, `[n, m]`, stand for, after the rotation: `[n, turned]`.
    pub fn decode(&self, codes: &[u8]) -> Vec<f32> {
        let point = |codes: &[u8]| {
            let pieces = self.pieces.iter().zip(codes.to_vec());
            pieces
                .flat_map(|(piece, code)| piece.row(usize::from(code)).to_vec())
                .collect::<Vec<_>>()
        };
        codes.par_chunks_exact(self.pieces.len()).flat_map_iter(point).collect()
    }

    /// The tables of `queries`, `[n, dim]`.
    pub fn tables(&self, queries: &[f32]) -> Vec<Tables> {
        let (k, m, turned) = (self.centroids(), self.pieces.len(), self.turn(queries));
        let n = turned.len() / self.turned();
        let mut tables = vec![Tables { products: vec![0.0; m * k], k }; n];
        for (number, piece) in self.pieces.iter().enumerate() {
            let products = piece.products(&column(&turned, self.turned(), number, self.width()));
            for (table, products) in tables.iter_mut().zip(products.chunks_exact(k)) {
                table.products[number * k..][..k].copy_from_slice(products);
            }
        }
        tables
    }
}

impl Tables {
    /// `Σ_j table[j][code_j]`: the product of the query with what the codes stand for.
    pub fn score(&self, codes: &[u8]) -> f32 {
        // Four sums, so that a look-up does not wait for the addition before it.
        let mut sums = [0.0; 4];
        for (j, (table, &code)) in self.products.chunks_exact(self.k).zip(codes).enumerate() {
            sums[j % 4] += table[usize::from(code)];
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }
}

impl Code for ProductQuantiser {
    const KIND: &'static str = "nir-ivf-pq8 1";
    type Query = Tables;

    fn dim(&self) -> usize {
        self.rotation.as_ref().map_or(self.turned(), Rotation::width)
    }

    fn code_bytes(&self) -> usize {
        self.pieces.len()
    }

    fn encode(&self, rows: &[f32]) -> Vec<u8> {
        let (turned, m) = (self.turn(rows), self.pieces.len());
        let mut codes = vec![0; turned.len() / self.turned() * m];
        for (number, piece) in self.pieces.iter().enumerate() {
            let nearest = piece.assign(&column(&turned, self.turned(), number, self.width()));
            for (row, nearest) in codes.chunks_exact_mut(m).zip(nearest) {
                row[number] = nearest.centroid as u8;
            }
        }
        codes
    }

    fn queries(&self, queries: &[f32]) -> Vec<Tables> {
        self.tables(queries)
    }

    fn scan(&self, query: &Tables, list: &[u8], scores: &mut [f32]) {
        for (score, codes) in scores.iter_mut().zip(list.chunks_exact(self.pieces.len())) {
            *score = query.score(codes);
        }
    }

    fn score(&self, query: &Tables, list: &[u8], row: usize) -> f32 {
        query.score(&list[row * self.pieces.len()..][..self.pieces.len()])
    }

    fn write(&self) -> Vec<u8> {
        let width = self.rotation.as_ref().map_or(0, Rotation::width);
        let shape = [self.pieces.len(), self.centroids(), self.width(), width];
        let floats = self.pieces.iter().flat_map(Centroids::values);
        let rotation = self.rotation.iter().flat_map(Rotation::values);
        let floats = floats.chain(rotation).flat_map(|x| x.to_le_bytes());
        shape.iter().flat_map(|&n| (n as u32).to_le_bytes()).chain(floats).collect()
    }

    fn read(from: &mut Reader) -> Option<Self> {
        let [m, k, dim, width] = from.numbers()?;
        let sound = (1..=1 << 16).contains(&m) && (1..=256).contains(&k) && dim > 0;
        let centroids = |from: &mut Reader| Some(Centroids::new(from.floats(k * dim)?, dim));
        let pieces =
            (0..if sound { m } else { 0 }).map(|_| centroids(from)).collect::<Option<Vec<_>>>()?;
        let rotation = match width {
            0 => None,
            width => Some(Rotation::new(from.floats(m * dim * width)?, width)),
        };
        sound.then(|| Self::new(pieces, rotation))
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const TRAINING: PqTraining =
        PqTraining { pieces: 4, centroids: 8, iterations: 8, rotation: None, seed: 1 };

    /// Rows of eight components, each of which varies half as much as the one before.
    fn rows(n: usize) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        (0..n * 8).map(|i| random.random_range(-1.0..1.0) / (1 << (i % 8)) as f32).collect()
    }

    fn error(quantiser: &ProductQuantiser, rows: &[f32]) -> f32 {
        let turned = quantiser.turn(rows);
        let decoded = quantiser.decode(&quantiser.encode(rows));
        turned.iter().zip(decoded).map(|(x, y)| (x - y).powi(2)).sum()
    }

    #[test]
    fn a_score_is_the_product_with_the_decoded_row() {
        let rows = rows(300);
        let quantiser = TRAINING.train(&rows, 8);
        let query = &rows[8..16];
        let codes = quantiser.encode(&rows);
        let tables = &quantiser.tables(query)[0];
        for (codes, row) in codes.chunks(4).zip(quantiser.decode(&codes).chunks(8)) {
            let product: f32 = row.iter().zip(query).map(|(x, q)| x * q).sum();
            assert!((tables.score(codes) - product).abs() < 1e-5);
        }
    }

    #[test]
    fn a_learned_rotation_loses_less_than_a_random_one() {
        let opq = |iterations| PqTraining {
            rotation: Some(OpqTraining { dim: 8, iterations }),
            ..TRAINING
        };
        let (random, learned) = (opq(0).train(&rows(300), 8), opq(20).train(&rows(300), 8));
        assert!(error(&learned, &rows(300)) < 0.95 * error(&random, &rows(300)));
    }

    #[test]
    fn what_was_written_reads_back() {
        let opq = PqTraining { rotation: Some(OpqTraining { dim: 4, iterations: 2 }), ..TRAINING };
        for training in [TRAINING, opq] {
            let quantiser = training.train(&rows(100), 8);
            let bytes = quantiser.write();
            let again = ProductQuantiser::read(&mut Reader::new(&bytes)).unwrap();
            assert_eq!(again.encode(&rows(50)), quantiser.encode(&rows(50)));
            assert!(ProductQuantiser::read(&mut Reader::new(&bytes[..bytes.len() - 1])).is_none());
        }
    }
}
