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

#![expect(unsafe_code, reason = "instructions of a level are unsafe where the level is not known")]

use super::code::{Code, Reader};
use super::pq::{ProductQuantiser, Tables};
use crate::level::Level;

/// A product quantiser of sixteen centroids to a piece, packed for fast scan.
#[derive(Debug, Clone)]
pub struct FastScan(ProductQuantiser);

/// Tables of a query, as floats and as bytes.
pub struct FastTables {
    exact: Tables,
    /// `[pieces / 2]` pairs of tables: sixteen bytes for the even piece, sixteen for the odd one.
    bytes: Vec<[u8; 32]>,
    /// What the bytes' zeros stand for.
    least: f32,
    step: f32,
}

/// Rows in a block.
const ROWS: usize = 32;
/// More pieces could overflow 16 bits: 257 · 255 = 65,535.
const MOST_PIECES: usize = 256;

impl FastScan {
    /// Takes a quantiser of sixteen centroids to a piece.
    ///
    /// # Panics
    /// If there are not sixteen, or more than 256 pieces.
    pub fn new(quantiser: ProductQuantiser) -> Self {
        assert_eq!(quantiser.centroids(), 16, "codes of four bits name sixteen centroids");
        assert!(quantiser.code_bytes() <= MOST_PIECES, "at most {MOST_PIECES} pieces");
        Self(quantiser)
    }

    /// The quantiser.
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
            let sums = sums(Level::get(), block.as_chunks::<ROWS>().0, &query.bytes);
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
    /// Which byte of a list holds a piece of a row.
    fn place(&self, row: usize, piece: usize) -> usize {
        (row / ROWS * self.pairs() + piece / 2) * ROWS + row % ROWS
    }
}

/// `Σ_j byte[j][code_j]` for each row of a block, of as many pairs as tables and an even number of them.
fn sums(level: Level, block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
    match level {
        Level::Plain => sums_plain(block, tables),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Level` exists only where the processor has its instructions.
        Level::Avx2 => unsafe { x86::sums_256(block, tables) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx512 => unsafe { x86::sums_512(block, tables) },
    }
}

fn sums_plain(block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
    let mut sums = [0; ROWS];
    for (codes, table) in block.iter().zip(tables) {
        for (sum, code) in sums.iter_mut().zip(codes) {
            let (even, odd) = (usize::from(code & 15), usize::from(code >> 4));
            *sum += u16::from(table[even]) + u16::from(table[16 + odd]);
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Bytes are added as if they were 16-bit numbers: one sum of whole pairs, one of the upper bytes alone, and the
    //! lower bytes are what remains.

    #[allow(clippy::wildcard_imports, reason = "intrinsics say where they come from")]
    use std::arch::x86_64::*;

    use super::ROWS;

    #[target_feature(enable = "avx2")]
    pub(super) fn sums_256(block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
        let (mut both, mut upper) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        let low = _mm256_set1_epi8(15);
        for (codes, table) in block.iter().zip(tables) {
            // SAFETY: both are 32 bytes.
            let (codes, even, odd) = unsafe {
                let half = |at: usize| _mm_loadu_si128(table.as_ptr().add(at).cast());
                let twice = |at: usize| _mm256_broadcastsi128_si256(half(at));
                (_mm256_loadu_si256(codes.as_ptr().cast()), twice(0), twice(16))
            };
            let even = _mm256_shuffle_epi8(even, _mm256_and_si256(codes, low));
            let odd = _mm256_shuffle_epi8(odd, _mm256_and_si256(_mm256_srli_epi16(codes, 4), low));
            both = _mm256_add_epi16(both, _mm256_add_epi16(even, odd));
            let carried = _mm256_add_epi16(_mm256_srli_epi16(even, 8), _mm256_srli_epi16(odd, 8));
            upper = _mm256_add_epi16(upper, carried);
        }
        in_order(both, upper)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    pub(super) fn sums_512(block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
        let (mut both, mut upper) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let low = _mm512_set1_epi8(15);
        let (codes, tables) = (block.as_chunks::<2>().0, tables.as_chunks::<2>().0);
        for (codes, table) in codes.iter().zip(tables) {
            // SAFETY: both are 64 bytes.
            let (codes, table) = unsafe {
                let load = |from: *const u8| _mm512_loadu_si512(from.cast());
                (load(codes.as_ptr().cast()), load(table.as_ptr().cast()))
            };
            // Two pairs: the tables of the first for rows 0..32 in the lower half, those of the second in the upper.
            let even = _mm512_shuffle_i64x2::<0b10_10_00_00>(table, table);
            let odd = _mm512_shuffle_i64x2::<0b11_11_01_01>(table, table);
            let even = _mm512_shuffle_epi8(even, _mm512_and_si512(codes, low));
            let odd =
                _mm512_shuffle_epi8(odd, _mm512_and_si512(_mm512_srli_epi16::<4>(codes), low));
            both = _mm512_add_epi16(both, _mm512_add_epi16(even, odd));
            let carried =
                _mm512_add_epi16(_mm512_srli_epi16::<8>(even), _mm512_srli_epi16::<8>(odd));
            upper = _mm512_add_epi16(upper, carried);
        }
        in_order(halves(both), halves(upper))
    }

    /// The sum of both halves.
    #[target_feature(enable = "avx512f,avx2")]
    fn halves(sums: __m512i) -> __m256i {
        _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums))
    }

    /// Upper bytes belong to odd rows, lower ones to even rows.
    #[target_feature(enable = "avx2")]
    fn in_order(both: __m256i, odd: __m256i) -> [u16; ROWS] {
        let even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
        let (front, back) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
        let mut sums = [0_u16; ROWS];
        let (first, second) = sums.split_at_mut(16);
        // SAFETY: both are 32 bytes.
        unsafe {
            _mm256_storeu_si256(
                first.as_mut_ptr().cast(),
                _mm256_permute2x128_si256(front, back, 0x20),
            );
            _mm256_storeu_si256(
                second.as_mut_ptr().cast(),
                _mm256_permute2x128_si256(front, back, 0x31),
            );
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_level_finds_the_sums_of_plain_lines(
            pairs in 1..64_usize, bytes in vec(any::<u8>(), 4096),
        ) {
            let arrays = bytes.as_chunks::<32>().0;
            let (block, tables) = (&arrays[..2 * pairs.min(32)], &arrays[arrays.len() - 2 * pairs.min(32)..]);
            let expected = sums_plain(block, tables);
            for level in Level::all() {
                prop_assert_eq!(sums(level, block, tables), expected, "{:?}", level);
            }
        }
    }

    #[test]
    fn the_largest_sum_fits() {
        let (block, tables) = ([[0; ROWS]; MOST_PIECES / 2], [[255; 32]; MOST_PIECES / 2]);
        for level in Level::all() {
            assert_eq!(sums(level, &block, &tables), [255 * MOST_PIECES as u16; ROWS]);
        }
    }

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
