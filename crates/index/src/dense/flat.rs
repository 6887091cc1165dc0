//! Exact search: every query with every document.
//!
//! ```text
//! score(q, d) = q · d                 a cosine, if the caller normalises both
//! ```
//!
//! One query reads the matrix once, and memory is what it waits for: half the bytes are twice the speed. Many queries
//! share each read. Rows are taken a tile at a time, small enough for the second-level cache, and all queries of a
//! group are multiplied with it before the next.
//!
//! A score is the same bits on either way and at any number of threads, since `simd` fixes the order of its sum. The
//! best documents of several ranges of rows are the best of their best.

use std::ops::Range;

use nir_core::{Corpus, DocNo, Ranking};
use nir_kernels::{Element, Simd, Top};
use rayon::prelude::*;

use super::matrix::{Matrix, Rows, Strided, widen};
use crate::IndexError;
use crate::ranking::ranking;

/// The number of queries that share a read of the matrix.
const QUERIES: usize = 256;
/// The number of rows in a tile.
const ROWS: usize = 64;
/// The smallest number of rows that a thread takes.
const LEAST_ROWS: usize = 4096;

/// Exact search by inner product, over one matrix or over several one after the other.
pub struct Flat {
    shards: Vec<Shard>,
    dim: usize,
    len: usize,
    simd: Simd,
}

struct Shard {
    matrix: Matrix,
    /// The row of the shard's first vector in the whole collection.
    first: usize,
}

impl Flat {
    /// Takes the shards of a collection in the order of their rows. Fails if their vectors differ in length or
    /// precision.
    pub fn new(matrices: Vec<Matrix>) -> Result<Self, IndexError> {
        let mut flat = Self { shards: Vec::new(), dim: 0, len: 0, simd: Simd::get() };
        for matrix in matrices {
            flat.check(&matrix)?;
            let first = flat.len;
            flat.dim = matrix.dim();
            flat.len += matrix.len();
            flat.shards.push(Shard { matrix, first });
        }
        if flat.len > u32::MAX as usize {
            return Err(IndexError::TooLarge { documents: flat.len, most: u32::MAX as usize });
        }
        Ok(flat)
    }

    /// Shards are alike, or their scores could not be compared.
    fn check(&self, matrix: &Matrix) -> Result<(), IndexError> {
        let Some(Shard { matrix: first, .. }) = self.shards.first() else { return Ok(()) };
        let shape = |of: &Matrix| (of.dim(), of.storage());
        if shape(matrix) == shape(first) {
            return Ok(());
        }
        let (path, other) = (matrix.path().to_owned(), first.path().display());
        let what = format!("{:?} differs from {:?} of {other}", shape(matrix), shape(first));
        Err(IndexError::Mismatch { path, what })
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of components of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.matrix.bytes()).sum()
    }

    /// The inner product of a query of `dim` components with one row, as searching has it but for rounding.
    ///
    /// # Panics
    /// If there is no such row, or the query is of another width.
    pub fn product(&self, query: &[f32], doc: DocNo) -> f32 {
        assert_eq!(query.len(), self.dim, "a query has as many components as a row");
        self.simd.dot(query, &self.vector(doc))
    }

    /// The stored vector of a document, `[dim]`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn vector(&self, doc: DocNo) -> Vec<f32> {
        let behind = |shard: &Shard| shard.first <= doc.row();
        let Shard { matrix, first } = &self.shards[self.shards.partition_point(behind) - 1];
        matrix.row(doc.row() - first)
    }

    /// The best `depth` documents of a query of `dim` components.
    ///
    /// # Panics
    /// If the query is of another width, or the corpus of another size.
    pub fn search(&self, query: &[f32], depth: usize, corpus: &dyn Corpus) -> Ranking {
        let mut rankings = self.search_many(query, depth, corpus);
        rankings.pop().expect("there is a ranking for each query")
    }

    /// Searches for many queries, faster than one after the other.
    ///
    /// - `queries`: `[n, dim]`
    ///
    /// # Panics
    /// If the queries are of another width, or the corpus of another size.
    pub fn search_many(&self, queries: &[f32], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        assert_eq!(corpus.len(), self.len, "a matrix and its corpus have the same rows");
        assert!(
            self.is_empty() || queries.len().is_multiple_of(self.dim),
            "{} numbers are no queries of {} components",
            queries.len(),
            self.dim
        );
        let groups = queries.chunks(QUERIES * self.dim.max(1));
        groups.flat_map(|group| self.search_group(group, depth, corpus)).collect()
    }

    fn search_group(&self, queries: &[f32], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        let scan = |rows| self.scan(queries, rows, depth);
        let merge = |a: Vec<Top>, b: Vec<Top>| {
            a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect::<Vec<_>>()
        };
        let spans: Vec<Range<usize>> = self.spans().collect();
        let best = spans.into_par_iter().map(scan).reduce_with(merge).expect("there is a span");
        best.into_par_iter().map(|best| ranking(best, corpus)).collect()
    }

    /// All rows, cut into one range for each thread.
    fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        let step = self.len.div_ceil(rayon::current_num_threads()).max(LEAST_ROWS);
        (0..self.len.max(1)).step_by(step).map(move |start| start..(start + step).min(self.len))
    }

    fn scan(&self, queries: &[f32], rows: Range<usize>, depth: usize) -> Vec<Top> {
        let count = queries.len() / self.dim.max(1);
        let mut best: Vec<Top> = (0..count).map(|_| Top::new(depth)).collect();
        let mut tile = Tile { simd: self.simd, rows: Vec::new(), scores: Vec::new() };
        for (first, rows) in self.tiles(rows) {
            tile.score(queries, &rows);
            for (best, scores) in best.iter_mut().zip(tile.scores.chunks(rows.len())) {
                best.offer_all(first as u32, scores);
            }
        }
        best
    }

    /// Tiles of a range of rows, each with the row it begins at; none crosses a shard.
    fn tiles(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Rows<'_>)> {
        self.shards.iter().flat_map(move |Shard { matrix, first }| {
            let within = |row: usize| row.clamp(*first, first + matrix.len()) - first;
            let (start, end) = (within(range.start), within(range.end));
            (start..end)
                .step_by(ROWS)
                .map(move |row| (first + row, matrix.rows(row..(row + ROWS).min(end))))
        })
    }
}

/// The scores of a tile of rows, and room to compute them.
struct Tile {
    simd: Simd,
    /// The rows of the tile as floats, `[rows, dim]`, without gaps.
    rows: Vec<f32>,
    /// The scores, `[queries, rows]`.
    scores: Vec<f32>,
}

impl Tile {
    fn score(&mut self, queries: &[f32], rows: &Rows) {
        match rows {
            Rows::F32(rows) => self.multiply(queries, *rows),
            Rows::F16(rows) => self.multiply(queries, *rows),
            Rows::Bf16(rows) => self.multiply(queries, *rows),
            Rows::Int8(rows, scales) => {
                self.multiply(queries, *rows);
                for scores in self.scores.chunks_mut(scales.len()) {
                    scores.iter_mut().zip(*scales).for_each(|(score, scale)| *score *= scale);
                }
            }
        }
    }

    fn multiply<E: Element>(&mut self, queries: &[f32], rows: Strided<E>) {
        let count = queries.len() / rows.dim();
        self.scores.resize(count * rows.len(), 0.0);
        if count == 1 {
            self.multiply_one(queries, rows);
        } else {
            self.unpack(rows);
            self.simd.block(rows.dim(), queries, &self.rows, &mut self.scores);
        }
    }

    /// One query does not pay for unpacking. Rows go one by one: memory is read in order then, twice as fast as four rows side
    /// by side, and the processor works on the next rows while it waits for a sum.
    fn multiply_one<E: Element>(&mut self, query: &[f32], rows: Strided<E>) {
        for (row, score) in self.scores.iter_mut().enumerate() {
            *score = self.simd.dot(query, rows.row(row));
        }
    }

    fn unpack<E: Element>(&mut self, rows: Strided<E>) {
        self.rows.resize(rows.len() * rows.dim(), 0.0);
        for (row, into) in self.rows.chunks_mut(rows.dim()).enumerate() {
            widen(rows.row(row), 1.0, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{DocNo, Document, Documents, Scored};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::matrix::{MatrixWriter, Storage};
    use super::*;

    const STORAGES: [Storage; 4] = [Storage::F32, Storage::F16, Storage::Bf16, Storage::Int8];

    fn corpus(len: usize) -> Documents {
        let name = |row: usize| (row * 7919 % 10_007).to_string();
        Documents::new((0..len).map(|row| Document { doc_id: name(row), ..Document::default() }))
            .unwrap()
    }

    /// Shards of these sizes, in one folder.
    fn shards(
        dir: &std::path::Path,
        rows: &[Vec<f32>],
        cuts: &[usize],
        storage: Storage,
    ) -> Vec<Matrix> {
        let ends = cuts.iter().copied().chain([rows.len()]);
        let starts = [0].into_iter().chain(cuts.iter().copied());
        let shard = |(start, end): (usize, usize)| {
            let path = dir.join(format!("{start}-{end}-{storage:?}"));
            let mut writer = MatrixWriter::create(&path, rows[0].len(), storage).unwrap();
            rows[start..end].iter().for_each(|row| writer.push(row).unwrap());
            writer.finish().unwrap()
        };
        starts.zip(ends).map(shard).collect()
    }

    /// Every pair in turn, and a full sort.
    fn exhaustive(matrix: &Matrix, query: &[f32], depth: usize, corpus: &Documents) -> Ranking {
        let scored = |row: usize| {
            let score = match matrix.rows(row..row + 1) {
                Rows::Int8(rows, scales) => Simd::get().dot(query, rows.row(0)) * scales[0],
                _ => Simd::get().dot(query, &matrix.row(row)),
            };
            Scored { doc: DocNo(row as u32), score }
        };
        Ranking::top(depth, (0..matrix.len()).map(scored).collect(), corpus)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_is_exhaustive_search(
            // Few values, so that many scores are tied.
            rows in vec(vec(-2..3_i8, 1..40), 1..150), queries in 1..9_usize, depth in 0..60_usize, cut in 0..150_usize
        ) {
            let dim = rows[0].len();
            let component = |row: &[i8], i: usize| f32::from(row[i % row.len()]);
            let rows: Vec<Vec<f32>> =
                rows.iter().map(|row| (0..dim).map(|i| component(row, i)).collect()).collect();
            let (corpus, dir) = (corpus(rows.len()), tempfile::tempdir().unwrap());
            let queries: Vec<f32> = (0..queries * dim).map(|i| ((i * i) as f32).sin().round()).collect();
            for storage in STORAGES {
                let whole = shards(dir.path(), &rows, &[], storage).remove(0);
                let cut = cut.min(rows.len());
                let flat = Flat::new(shards(dir.path(), &rows, &[cut / 2, cut], storage)).unwrap();
                let many = flat.search_many(&queries, depth, &corpus);
                for (query, found) in queries.chunks(dim).zip(&many) {
                    prop_assert_eq!(found, &exhaustive(&whole, query, depth, &corpus));
                    prop_assert_eq!(found, &flat.search(query, depth, &corpus));
                }
            }
        }
    }

    #[test]
    fn any_number_of_threads_finds_the_same() {
        let value = |i: usize| ((i as f32) * 0.37).sin();
        let rows: Vec<Vec<f32>> =
            (0..3 * LEAST_ROWS).map(|row| (0..8).map(|i| value(row * 8 + i)).collect()).collect();
        let (corpus, dir) = (corpus_of_numbers(rows.len()), tempfile::tempdir().unwrap());
        let flat = Flat::new(shards(dir.path(), &rows, &[5000], Storage::F16)).unwrap();
        let queries: Vec<f32> = (0..300 * 8).map(|i| value(i + 3)).collect();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| flat.search_many(&queries, 20, &corpus))
        };
        let one = with(1);
        assert_eq!(one.len(), 300);
        assert_eq!(one, with(2));
        assert_eq!(one, with(3));
    }

    fn corpus_of_numbers(len: usize) -> Documents {
        let doc = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
        Documents::new((0..len).map(doc)).unwrap()
    }

    #[test]
    fn shards_of_another_kind_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let shard =
            |dim: usize, storage| shards(dir.path(), &[vec![1.0; dim]], &[], storage).remove(0);
        for other in [shard(3, Storage::F32), shard(2, Storage::F16)] {
            let error = Flat::new(vec![shard(2, Storage::F32), other]).err().unwrap().to_string();
            assert!(error.contains("differs from (2, F32)"), "{error}");
        }
    }

    #[test]
    fn nothing_is_found_among_nothing() {
        let flat = Flat::new(Vec::new()).unwrap();
        assert!(flat.search_many(&[], 10, &corpus(0)).is_empty());
    }
}
