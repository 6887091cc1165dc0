//! Opening and searching.

use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Scored};
use nir_kernels::{Element, Frame, Simd, Top};
use rayon::prelude::*;

use crate::IndexError;
use crate::codes::code::{Code, Reader};
use crate::codes::kmeans::Centroids;
use crate::dense::{Matrix, Rows, Strided};
use crate::ranking::scored;

/// The parts that an inverted file is made with.
#[derive(Debug, Clone)]
pub struct Layout<C> {
    /// The centroids of the lists.
    pub coarse: Centroids,
    /// The code of the rows in the lists.
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
    /// The position in the file at which document numbers begin.
    documents: usize,
}

/// The place of a list. A slot is a position in the order of lists.
#[derive(Clone, Copy)]
struct List {
    /// The slot of the list's first row.
    first: usize,
    rows: usize,
    /// The position in the file at which the list's codes begin.
    codes: usize,
}

/// How much of an inverted file a search reads.
#[derive(Clone, Copy)]
pub struct Probe<'m> {
    /// The number of lists that are read.
    pub nprobe: usize,
    /// How the candidates of the scan are scored in the end.
    pub rescore: Rescore<'m>,
}

/// How the best candidates are scored in the end.
#[derive(Clone, Copy)]
pub enum Rescore<'m> {
    /// They are not scored again: the scores of the scan are final.
    None,
    /// The best candidates, this many, are scored by their codes and the unrounded query.
    Codes(usize),
    /// The best candidates, this many, are scored by their rows of this matrix.
    Rows(usize, &'m Matrix),
}

/// The number of queries that share a read of the coarse centroids.
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

    /// Reads the whole file and compares it with its checksum. Fails if it is damaged.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.file.verify()?)
    }

    /// The number of documents.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The number of lists.
    pub fn lists(&self) -> usize {
        self.lists.len()
    }

    /// The size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// The code of the rows.
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

    /// Searches for many queries, `[n, dim]`, faster than one after the other.
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

    /// The slots of the best `count` codes of the lists that the query reads.
    fn candidates(&self, query: &Query<C>, count: usize, scratch: &mut Vec<f32>) -> Vec<usize> {
        let mut candidates = Top::new(count);
        for &list in &query.lists {
            candidates.offer_all(self.lists[list].first as u32, self.scan(query, list, scratch));
        }
        candidates.rows()
    }

    /// Scores all rows of a list.
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

/// The state of one query during a search.
struct Query<'q, C: Code> {
    vector: &'q [f32],
    /// The products with the centroids of all lists.
    products: &'q [f32],
    code: &'q C::Query,
    /// The numbers of the lists that the query reads.
    lists: Vec<usize>,
}

/// The inner products of a query with some rows, four at a time.
fn dots<E: Element>(query: &[f32], docs: &[u32], rows: Strided<E>) -> Vec<f32> {
    let (simd, row) = (Simd::get(), |doc: u32| rows.row(doc as usize));
    let (fours, rest) = docs.as_chunks::<4>();
    let fours = fours.iter().flat_map(|four| simd.dots(query, four.map(row)));
    fours.chain(rest.iter().map(|&doc| simd.dot(query, row(doc)))).collect()
}
