//! Product quantisation with four bits, scored in registers.
//! André, Kermarrec and Le Scouarnec, Cache locality is not enough: High-Performance Nearest Neighbor Search with
//! Product Quantization Fast Scan, PVLDB 9(4), 2015.
//!
//! With sixteen centroids to a piece, a table rounded to bytes is one register, and one instruction, `pshufb`, looks up
//! sixteen or more rows at once. Tables are rounded with one step for all pieces, so that sums of bytes are sums:
//!
//! ```text
//! byte[j][c] = round( (table[j][c] - min_j) / step )       step = max_j (max_j - min_j) / 255
//! q · x ≈ Σ_j min_j + step · Σ_j byte[j][code_j(x)]
//! ```
//!
//! A list is kept in blocks of 32 rows. For two pieces a block has 32 bytes, one for each row, the even piece in the low
//! half: 64 bytes, the register of AVX-512, are four pieces of 32 rows. Sums are 16-bit integers and no sum rounds, so every processor
//! finds the same.

use nir_kernels::Simd;
use nir_kernels::codes::ROWS;

use super::code::{Code, Reader};
use super::pq::{ProductQuantiser, Tables};

/// A product quantiser of sixteen centroids to a piece, packed for fast scan.
#[derive(Debug, Clone)]
pub struct FastScan(ProductQuantiser);

/// The tables of products of a query, as floats and as bytes.
pub struct FastTables {
    exact: Tables,
    /// `[pieces / 2]` pairs of tables: sixteen bytes for the even piece, sixteen for the odd one.
    bytes: Vec<[u8; 32]>,
    /// The product that a byte of zero stands for.
    least: f32,
    step: f32,
}

/// More pieces could overflow 16 bits: 257 · 255 = 65,535.
const MOST_PIECES: usize = 256;

impl FastScan {
    /// Takes a quantiser with sixteen centroids for each piece.
    ///
    /// # Panics
    /// If there are not sixteen, or more than 256 pieces.
    pub fn new(quantiser: ProductQuantiser) -> Self {
        assert_eq!(quantiser.centroids(), 16, "codes of four bits name sixteen centroids");
        assert!(quantiser.code_bytes() <= MOST_PIECES, "at most {MOST_PIECES} pieces");
        Self(quantiser)
    }

    /// The quantiser that makes the codes.
    pub fn quantiser(&self) -> &ProductQuantiser {
        &self.0
    }

    /// Pairs of pieces in a block: an even number, so that 64 bytes are always there.
    fn pairs(&self) -> usize {
        self.0.code_bytes().div_ceil(4) * 2
    }
}

impl FastTables {
    fn new(exact: Tables, pairs: usize) -> Self {
        let least = |table: &[f32]| table.iter().copied().fold(f32::INFINITY, f32::min);
        let most = |table: &[f32]| table.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let pieces = exact.products.chunks_exact(16);
        let span = pieces.clone().map(|table| most(table) - least(table)).fold(0.0, f32::max);
        let step = (span / 255.0).max(f32::MIN_POSITIVE);
        let mut bytes = vec![[0; 32]; pairs];
        for (piece, table) in pieces.clone().enumerate() {
            let least = least(table);
            let into = &mut bytes[piece / 2][piece % 2 * 16..][..16];
            // A float becomes the nearest byte, and no product is beyond the span.
            into.iter_mut()
                .zip(table)
                .for_each(|(byte, x)| *byte = ((x - least) / step + 0.5) as u8);
        }
        let least = pieces.map(least).sum();
        Self { exact, bytes, least, step }
    }
}

impl Code for FastScan {
    const KIND: &'static str = "nir-ivf-pq4 1";
    type Query = FastTables;

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn code_bytes(&self) -> usize {
        self.0.code_bytes()
    }

    fn encode(&self, rows: &[f32]) -> Vec<u8> {
        self.0.encode(rows)
    }

    fn list_bytes(&self, rows: usize) -> usize {
        rows.div_ceil(ROWS) * self.pairs() * ROWS
    }

    fn pack(&self, codes: &[u8]) -> Vec<u8> {
        let m = self.code_bytes();
        let mut list = vec![0; self.list_bytes(codes.len() / m)];
        for (row, codes) in codes.chunks_exact(m).enumerate() {
            for (piece, code) in codes.iter().enumerate() {
                list[self.place(row, piece)] |= code << (piece % 2 * 4);
            }
        }
        list
    }

    fn queries(&self, queries: &[f32]) -> Vec<FastTables> {
        let tables = self.0.tables(queries).into_iter();
        tables.map(|exact| FastTables::new(exact, self.pairs())).collect()
    }

    fn scan(&self, query: &FastTables, list: &[u8], scores: &mut [f32]) {
        let blocks = list.chunks_exact(self.pairs() * ROWS);
        for (block, scores) in blocks.zip(scores.chunks_mut(ROWS)) {
            let sums = Simd::get().sums_by_table(block.as_chunks::<ROWS>().0, &query.bytes);
            for (score, sum) in scores.iter_mut().zip(sums) {
                *score = query.least + query.step * f32::from(sum);
            }
        }
    }

    fn score(&self, query: &FastTables, list: &[u8], row: usize) -> f32 {
        let code = |piece| list[self.place(row, piece)] >> (piece % 2 * 4) & 15;
        query.exact.score(&(0..self.code_bytes()).map(code).collect::<Vec<u8>>())
    }

    fn write(&self) -> Vec<u8> {
        self.0.write()
    }

    fn read(from: &mut Reader) -> Option<Self> {
        let quantiser = ProductQuantiser::read(from)?;
        (quantiser.centroids() == 16 && quantiser.code_bytes() <= MOST_PIECES)
            .then_some(Self(quantiser))
    }
}

impl FastScan {
    /// The index of the byte of a list that holds a piece of a row.
    fn place(&self, row: usize, piece: usize) -> usize {
        (row / ROWS * self.pairs() + piece / 2) * ROWS + row % ROWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_tables_within_half_a_step_for_each_piece() {
        let rows: Vec<f32> = (0..70 * 12).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
        let training = super::super::pq::PqTraining {
            pieces: 6,
            centroids: 16,
            iterations: 5,
            rotation: None,
            seed: 1,
        };
        let fast = FastScan::new(training.train(&rows, 12));
        let codes = fast.encode(&rows);
        let (list, query) = (fast.pack(&codes), &fast.queries(&rows[12..24])[0]);
        let mut scores = vec![0.0; 70];
        fast.scan(query, &list, &mut scores);
        for (row, (codes, score)) in codes.chunks(6).zip(scores).enumerate() {
            let exact = query.exact.score(codes);
            assert_eq!(fast.score(query, &list, row), exact);
            assert!((score - exact).abs() <= 3.01 * query.step, "row {row}: {score} {exact}");
        }
    }
}
