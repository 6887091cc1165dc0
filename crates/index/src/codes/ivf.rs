//! The inverted file: codes in lists, one for each region of the space.
//! Jégou, Douze and Schmid, Product Quantization for Nearest Neighbor Search, IEEE Transactions on Pattern Analysis and
//! Machine Intelligence 33(1), 2011, section IV.
//!
//! A coarse quantiser puts each document into the list of its nearest centroid. A query reads the `nprobe` lists whose
//! centroids have the largest products with it, scores their codes, and gives the best of them a better score: from the
//! code with unrounded tables, or from the vector itself.
//!
//! ```text
//! coded whole:       q · x ≈ q · code(x)
//! coded residual:    q · x ≈ q · c + q · code(x - c)          c = the centroid of the list         (section IV-B)
//! ```
//!
//! With one list it is a flat index of codes. A file holds everything but the vectors:
//!
//! ```text
//! centroids [lists, dim] | code | rows of each list | document numbers, list by list | codes, list by list
//! ```

use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Scored};
use nir_kernels::{Element, Frame, FrameWriter, Simd, Top};
use rayon::prelude::*;

use super::code::{Code, Reader};
use super::kmeans::{Centroids, Members};
use crate::IndexError;
use crate::dense::{Matrix, Rows, Strided};
use crate::ranking::scored;

/// What an inverted file is made with.
#[derive(Debug, Clone)]
pub struct Layout<C> {
    /// The centroids of the lists.
    pub coarse: Centroids,
    /// How rows are coded.
    pub code: C,
    /// Whether codes stand for what is left of a row without its centroid.
    pub residual: bool,
}

/// An inverted file over codes, mapped into memory. Many threads may search it at once.
pub struct Ivf<C> {
    file: Frame,
    layout: Layout<C>,
    lists: Vec<List>,
    rows: usize,
    /// Where document numbers begin in the file.
    documents: usize,
}

/// Where a list lies. A slot is a place in the order of lists.
#[derive(Clone, Copy)]
struct List {
    /// The slot of its first row.
    first: usize,
    rows: usize,
    /// Where its codes begin in the file.
    codes: usize,
}

/// How much of an inverted file is read.
#[derive(Clone, Copy)]
pub struct Probe<'m> {
    /// How many lists.
    pub nprobe: usize,
    /// What the candidates are scored with in the end.
    pub rescore: Rescore<'m>,
}

/// What the best candidates are scored with in the end.
#[derive(Clone, Copy)]
pub enum Rescore<'m> {
    /// Nothing: the scores of the scan are final.
    None,
    /// So many candidates: the code and the unrounded query.
    Codes(usize),
    /// So many candidates: their rows of this matrix.
    Rows(usize, &'m Matrix),
}

/// Queries that share a read of the coarse centroids.
const BATCH: usize = 48;

/// The positions of the `count` largest products, in their order; of equal ones the first.
pub(crate) fn largest(products: &[f32], count: usize) -> Vec<usize> {
    let mut best = Top::new(count);
    best.offer_all(0, products);
    best.rows()
}

impl<C: Code> Ivf<C> {
    /// Maps a file that [`IvfWriter`] wrote. The header is verified, the content is not: see [`Ivf::verify`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let file = Frame::open(path, C::KIND)?;
        let [dim, rows, lists, residual, _] = file.fields().map(|field| field as usize);
        let parts = Self::parse(&file, dim, rows, lists);
        let (coarse, code, lists, documents) =
            parts.ok_or_else(|| file.damaged("its parts do not fit its length"))?;
        let layout = Layout { coarse, code, residual: residual == 1 };
        Ok(Self { file, layout, lists, rows, documents })
    }

    fn parse(
        file: &Frame,
        dim: usize,
        rows: usize,
        lists: usize,
    ) -> Option<(Centroids, C, Vec<List>, usize)> {
        let mut reader = Reader::new(file);
        let values = reader.floats(lists.checked_mul(dim)?)?;
        let coarse = (dim > 0).then(|| Centroids::new(values, dim))?;
        let code = C::read(&mut reader).filter(|code| code.dim() == dim)?;
        let sizes = reader.bytes(4 * lists)?.as_chunks::<4>().0;
        let documents = file.len() - reader.left();
        let mut next =
            List { first: 0, rows: 0, codes: documents.checked_add(rows.checked_mul(4)?)? };
        let mut all = Vec::with_capacity(lists);
        for &size in sizes {
            next.rows = u32::from_le_bytes(size) as usize;
            all.push(next);
            next.first += next.rows;
            next.codes += code.list_bytes(next.rows);
        }
        (next.first == rows && next.codes == file.len()).then_some((coarse, code, all, documents))
    }

    /// Reads all of it and compares it with its checksum.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.file.verify()?)
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many lists there are.
    pub fn lists(&self) -> usize {
        self.lists.len()
    }

    /// The size of its file.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// How rows are coded.
    pub fn code(&self) -> &C {
        &self.layout.code
    }

    /// The best `depth` documents of a query of `dim` components.
    ///
    /// # Panics
    /// If the query is of another width, or the corpus or the matrix of another size.
    pub fn search(
        &self,
        query: &[f32],
        depth: usize,
        probe: Probe,
        corpus: &dyn Corpus,
    ) -> Ranking {
        let mut rankings = self.search_many(query, depth, probe, corpus);
        rankings.pop().expect("there is a ranking for each query")
    }

    /// The same for many queries, `[n, dim]`, faster than one after the other.
    ///
    /// # Panics
    /// As [`Ivf::search`].
    pub fn search_many(
        &self,
        queries: &[f32],
        depth: usize,
        probe: Probe,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        let dim = self.layout.coarse.dim();
        assert_eq!(queries.len() % dim, 0, "queries have {dim} components");
        assert_eq!(corpus.len(), self.rows, "an index and its corpus have the same rows");
        if let Rescore::Rows(_, matrix) = probe.rescore {
            assert_eq!((matrix.len(), matrix.dim()), (self.rows, dim), "an index and its matrix");
        }
        let search = |batch| self.search_batch(batch, depth, probe, corpus);
        queries.par_chunks(BATCH * dim).flat_map_iter(search).collect()
    }

    fn search_batch(
        &self,
        queries: &[f32],
        depth: usize,
        probe: Probe,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        let Layout { coarse, code, .. } = &self.layout;
        let products = coarse.products(queries);
        let each = queries.chunks_exact(coarse.dim()).zip(products.chunks_exact(coarse.len()));
        let mut scratch = Vec::new();
        let search = |((vector, products), code)| {
            let query = Query { vector, products, code, lists: largest(products, probe.nprobe) };
            let best = match probe.rescore {
                Rescore::None => self.scan_for_documents(&query, depth, &mut scratch),
                Rescore::Codes(count) => {
                    self.rescore_codes(&query, self.candidates(&query, count, &mut scratch))
                }
                Rescore::Rows(count, matrix) => {
                    self.rescore_rows(&query, self.candidates(&query, count, &mut scratch), matrix)
                }
            };
            Ranking::top(depth, best, corpus)
        };
        each.zip(&code.queries(queries)).map(search).collect()
    }

    /// The best `depth` documents by the scores of the scan.
    fn scan_for_documents(
        &self,
        query: &Query<C>,
        depth: usize,
        scratch: &mut Vec<f32>,
    ) -> Vec<Scored> {
        let mut best = Top::new(depth);
        for &list in &query.lists {
            for (row, &score) in self.scan(query, list, scratch).iter().enumerate() {
                if score >= best.threshold() {
                    best.offer(self.document(self.lists[list].first + row), score);
                }
            }
        }
        best.hits().into_iter().map(scored).collect()
    }

    /// The slots of the best `count` codes.
    fn candidates(&self, query: &Query<C>, count: usize, scratch: &mut Vec<f32>) -> Vec<usize> {
        let mut candidates = Top::new(count);
        for &list in &query.lists {
            candidates.offer_all(self.lists[list].first as u32, self.scan(query, list, scratch));
        }
        candidates.rows()
    }

    /// The scores of all rows of a list.
    fn scan<'s>(&self, query: &Query<C>, list: usize, scores: &'s mut Vec<f32>) -> &'s [f32] {
        scores.resize(self.lists[list].rows, 0.0);
        self.layout.code.scan(query.code, self.codes(list), scores);
        if self.layout.residual {
            scores.iter_mut().for_each(|score| *score += query.products[list]);
        }
        scores
    }

    fn rescore_codes(&self, query: &Query<C>, slots: Vec<usize>) -> Vec<Scored> {
        let score = |slot: usize| {
            let list = self.lists.partition_point(|list| list.first <= slot) - 1;
            let coarse = if self.layout.residual { query.products[list] } else { 0.0 };
            let row = slot - self.lists[list].first;
            coarse + self.layout.code.score(query.code, self.codes(list), row)
        };
        let scored = |slot| Scored { doc: DocNo(self.document(slot)), score: score(slot) };
        slots.into_iter().map(scored).collect()
    }

    fn rescore_rows(&self, query: &Query<C>, slots: Vec<usize>, matrix: &Matrix) -> Vec<Scored> {
        let docs: Vec<u32> = slots.into_iter().map(|slot| self.document(slot)).collect();
        let scores = match matrix.rows(0..matrix.len()) {
            Rows::F32(rows) => dots(query.vector, &docs, rows),
            Rows::F16(rows) => dots(query.vector, &docs, rows),
            Rows::Bf16(rows) => dots(query.vector, &docs, rows),
            Rows::Int8(rows, scales) => {
                let scaled = |(product, &doc): (f32, &u32)| product * scales[doc as usize];
                dots(query.vector, &docs, rows).into_iter().zip(&docs).map(scaled).collect()
            }
        };
        docs.into_iter().zip(scores).map(|(doc, score)| Scored { doc: DocNo(doc), score }).collect()
    }

    fn codes(&self, list: usize) -> &[u8] {
        let List { codes, rows, .. } = self.lists[list];
        &self.file[codes..codes + self.layout.code.list_bytes(rows)]
    }

    fn document(&self, slot: usize) -> u32 {
        let four = self.file[self.documents + 4 * slot..].first_chunk::<4>();
        u32::from_le_bytes(*four.expect("opening saw that all documents are there"))
    }
}

/// A query on its way through the lists.
struct Query<'q, C: Code> {
    vector: &'q [f32],
    /// With the centroid of each list.
    products: &'q [f32],
    code: &'q C::Query,
    /// The lists it reads.
    lists: Vec<usize>,
}

/// Products of a query with some rows, four at a time.
fn dots<E: Element>(query: &[f32], docs: &[u32], rows: Strided<E>) -> Vec<f32> {
    let (simd, row) = (Simd::get(), |doc: u32| rows.row(doc as usize));
    let (fours, rest) = docs.as_chunks::<4>();
    let fours = fours.iter().flat_map(|four| simd.dots(query, four.map(row)));
    fours.chain(rest.iter().map(|&doc| simd.dot(query, row(doc)))).collect()
}

/// Writes an [`Ivf`] from rows in the order of their documents, in bounded memory: codes wait in a file of their own
/// until all are known, and twelve bytes for each document are kept.
pub struct IvfWriter<C> {
    layout: Layout<C>,
    file: FrameWriter,
    codes: FrameWriter,
    /// The list of each row so far.
    assigned: Vec<u32>,
    /// Rows that are not coded yet.
    pending: Vec<f32>,
}

/// Rows that are coded at a time.
const PENDING: usize = 8192;
/// Kind of the file in which codes wait.
const WAITING: &str = "nir-codes 1";

impl<C: Code> IvfWriter<C> {
    /// Begins an inverted file; an older one of that name is replaced in the end.
    ///
    /// # Panics
    /// If centroids and code are of another width.
    pub fn create(path: &Path, layout: Layout<C>) -> Result<Self, IndexError> {
        assert_eq!(layout.coarse.dim(), layout.code.dim(), "centroids and code have one width");
        let mut waiting = path.as_os_str().to_owned();
        waiting.push(".codes");
        let (file, codes) =
            (FrameWriter::create(path, C::KIND)?, FrameWriter::create(waiting.as_ref(), WAITING)?);
        Ok(Self { layout, file, codes, assigned: Vec::new(), pending: Vec::new() })
    }

    /// Adds the vector of the next document.
    pub fn push(&mut self, row: &[f32]) -> Result<(), IndexError> {
        let (expected, found) = (self.layout.coarse.dim(), row.len());
        if found != expected {
            let path = self.file.path().to_owned();
            return Err(IndexError::Dimension { path, expected, found });
        }
        if let Some(&value) = row.iter().find(|x| !x.is_finite()) {
            let path = self.file.path().to_owned();
            let row = self.assigned.len() + self.pending.len() / expected;
            return Err(IndexError::Component { path, row, value, most: f32::MAX });
        }
        self.pending.extend_from_slice(row);
        if self.pending.len() == PENDING * expected { self.encode() } else { Ok(()) }
    }

    /// Adds the code of the next document, found elsewhere, to a list.
    ///
    /// # Panics
    /// If the code is of another length or the list is not there.
    pub fn push_code(&mut self, list: usize, code: &[u8]) -> Result<(), IndexError> {
        assert_eq!(code.len(), self.layout.code.code_bytes(), "bytes of a code");
        assert!(list < self.layout.coarse.len(), "list {list} of {}", self.layout.coarse.len());
        self.encode()?;
        self.assigned.push(list as u32);
        Ok(self.codes.write(code)?)
    }

    fn encode(&mut self) -> Result<(), IndexError> {
        let Layout { coarse, code, residual } = &self.layout;
        let nearest = coarse.assign(&self.pending);
        if *residual {
            let rows = self.pending.par_chunks_exact_mut(coarse.dim());
            rows.zip(&nearest).for_each(|(row, found)| {
                let centroid = coarse.row(found.centroid as usize);
                row.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
            });
        }
        self.codes.write(&code.encode(&self.pending))?;
        self.assigned.extend(nearest.iter().map(|found| found.centroid));
        self.pending.clear();
        if self.assigned.len() > u32::MAX as usize {
            let documents = self.assigned.len();
            return Err(IndexError::TooLarge { documents, most: u32::MAX as usize });
        }
        Ok(())
    }

    /// Completes the file and opens it.
    pub fn finish(mut self) -> Result<Ivf<C>, IndexError> {
        self.encode()?;
        let Self { layout, mut file, codes, assigned, .. } = self;
        let Layout { coarse, code, residual } = &layout;
        let codes = codes.finish([0; 5])?;
        let lists = Members::new(&assigned, coarse.len());
        let floats: Vec<u8> = coarse.values().iter().flat_map(|x| x.to_le_bytes()).collect();
        file.write(&floats)?;
        file.write(&code.write())?;
        let sizes = (0..coarse.len()).map(|list| lists.of(list).len() as u32);
        file.write(&sizes.flat_map(u32::to_le_bytes).collect::<Vec<_>>())?;
        lists.rows.chunks(1 << 16).try_for_each(|rows| {
            file.write(&rows.iter().flat_map(|doc| doc.to_le_bytes()).collect::<Vec<_>>())
        })?;
        for list in 0..coarse.len() {
            let of = |&doc: &u32| &codes[doc as usize * code.code_bytes()..][..code.code_bytes()];
            let codes: Vec<u8> = lists.of(list).iter().flat_map(of).copied().collect();
            file.write(&code.pack(&codes))?;
        }
        let path = file.path().to_owned();
        let fields = [coarse.dim(), assigned.len(), coarse.len(), usize::from(*residual), 0];
        file.finish(fields.map(|field| field as u64))?;
        std::fs::remove_file(codes.path()).map_err(IndexError::io(codes.path()))?;
        Ivf::open(&path)
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{FastScan, KMeans, PqTraining, ProductQuantiser};
    use super::*;
    use crate::dense::{Flat, MatrixWriter, Storage};

    const DIM: usize = 8;
    const TRAINING: PqTraining =
        PqTraining { pieces: 4, centroids: 16, iterations: 4, rotation: None, seed: 1 };

    fn corpus(len: usize) -> Documents {
        let name = |row: usize| (row * 7919 % 10_007).to_string();
        let doc = |row| Document { doc_id: name(row), ..Document::default() };
        Documents::new((0..len).map(doc)).unwrap()
    }

    fn matrix(path: &Path, rows: &[f32]) -> Matrix {
        let mut writer = MatrixWriter::create(path, DIM, Storage::F32).unwrap();
        rows.chunks(DIM).for_each(|row| writer.push(row).unwrap());
        writer.finish().unwrap()
    }

    fn ivf<C: Code>(path: &Path, rows: &[f32], lists: usize, code: C, residual: bool) -> Ivf<C> {
        let kmeans = KMeans { centroids: lists, iterations: 3, seed: 1, unit: !residual };
        let coarse = kmeans.train(rows, DIM);
        let mut writer = IvfWriter::create(path, Layout { coarse, code, residual }).unwrap();
        rows.chunks(DIM).for_each(|row| writer.push(row).unwrap());
        writer.finish().unwrap()
    }

    fn small_values(rows: usize) -> impl Strategy<Value = Vec<f32>> {
        // Few values, so that many scores are tied.
        vec((-2..3_i8).prop_map(f32::from), rows * DIM)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn all_lists_and_all_rows_rescored_are_exact_search(
            rows in small_values(90), queries in small_values(3), depth in 0..100_usize,
            lists in 1..9_usize, residual: bool,
        ) {
            let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(90));
            let exact = Flat::new(vec![matrix(&dir.path().join("flat"), &rows)]).unwrap();
            let exact = exact.search_many(&queries, depth, &corpus);
            let rows_of = matrix(&dir.path().join("rows"), &rows);
            let probe = Probe { nprobe: lists, rescore: Rescore::Rows(90, &rows_of) };
            let quantiser = TRAINING.train(&rows, DIM);
            let eight = ivf(&dir.path().join("pq8"), &rows, lists, quantiser.clone(), residual);
            prop_assert_eq!(&eight.search_many(&queries, depth, probe, &corpus), &exact);
            let four = ivf(&dir.path().join("pq4"), &rows, lists, FastScan::new(quantiser), residual);
            prop_assert_eq!(&four.search_many(&queries, depth, probe, &corpus), &exact);
        }

        #[test]
        fn four_bits_rescored_are_the_same_codes_with_eight(
            rows in small_values(90), queries in small_values(3), depth in 0..100_usize, nprobe in 0..9_usize,
            residual: bool,
        ) {
            let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(90));
            let quantiser = TRAINING.train(&rows, DIM);
            let eight = ivf(&dir.path().join("pq8"), &rows, 5, quantiser.clone(), residual);
            let four = ivf(&dir.path().join("pq4"), &rows, 5, FastScan::new(quantiser), residual);
            let (none, codes) = (Rescore::None, Rescore::Codes(90));
            let expected = eight.search_many(&queries, depth, Probe { nprobe, rescore: none }, &corpus);
            for (index, rescore) in [(0, codes), (1, codes)] {
                let probe = Probe { nprobe, rescore };
                let found = match index {
                    0 => eight.search_many(&queries, depth, probe, &corpus),
                    _ => four.search_many(&queries, depth, probe, &corpus),
                };
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    fn wave(rows: usize) -> Vec<f32> {
        (0..rows * DIM).map(|i| ((i * i) as f32 * 0.37).sin()).collect()
    }

    #[test]
    fn one_query_or_many_and_any_threads_are_the_same() {
        let (dir, corpus, rows) = (tempfile::tempdir().unwrap(), corpus(500), wave(500));
        let fast = FastScan::new(TRAINING.train(&rows, DIM));
        let index = ivf(&dir.path().join("ivf"), &rows, 20, fast, true);
        let probe = Probe { nprobe: 4, rescore: Rescore::Codes(50) };
        let single = |query| index.search(query, 10, probe, &corpus);
        let expected: Vec<Ranking> = rows.chunks(DIM).map(single).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| index.search_many(&rows, 10, probe, &corpus));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn codes_from_elsewhere_are_the_same_index() {
        let (dir, corpus, rows) = (tempfile::tempdir().unwrap(), corpus(100), wave(100));
        let quantiser = TRAINING.train(&rows, DIM);
        let own = ivf(&dir.path().join("own"), &rows, 1, quantiser.clone(), false);
        let coarse = Centroids::new(vec![0.0; DIM], DIM);
        let layout = Layout { coarse, code: quantiser.clone(), residual: false };
        let mut writer = IvfWriter::create(&dir.path().join("given"), layout).unwrap();
        quantiser.encode(&rows).chunks(4).for_each(|code| writer.push_code(0, code).unwrap());
        let given = writer.finish().unwrap();
        let probe = Probe { nprobe: 1, rescore: Rescore::None };
        assert_eq!(
            given.search_many(&rows, 10, probe, &corpus),
            own.search_many(&rows, 10, probe, &corpus)
        );
    }

    #[test]
    fn damage_is_found() {
        let (dir, rows) = (tempfile::tempdir().unwrap(), wave(100));
        let path = dir.path().join("ivf");
        let quantiser = TRAINING.train(&rows, DIM);
        ivf(&path, &rows, 5, quantiser, false);
        assert!(Ivf::<ProductQuantiser>::open(&path).unwrap().verify().is_ok());
        let error = Ivf::<FastScan>::open(&path).err().unwrap().to_string();
        assert!(error.contains("expected `nir-ivf-pq4 1`, found `nir-ivf-pq8 1`"), "{error}");
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(Ivf::<ProductQuantiser>::open(&path).is_err());
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let error = Ivf::<ProductQuantiser>::open(&path).unwrap().verify().unwrap_err().to_string();
        assert!(error.contains("checksum") && error.contains("ivf"), "{error}");
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let (dir, rows) = (tempfile::tempdir().unwrap(), wave(50));
        let (coarse, code) = (Centroids::new(vec![0.0; DIM], DIM), TRAINING.train(&rows, DIM));
        let layout = Layout { coarse, code, residual: false };
        let mut writer = IvfWriter::create(&dir.path().join("ivf"), layout).unwrap();
        assert!(writer.push(&[1.0; 3]).unwrap_err().to_string().contains("expected 8 components"));
        assert!(writer.push(&[f32::NAN; DIM]).unwrap_err().to_string().contains("row 0"));
    }
}
