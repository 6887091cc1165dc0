//! PLAID: late interaction that looks at centroids first.
//! Santhanam, Khattab, Potts and Zaharia, PLAID: An Efficient Engine for Late Interaction Retrieval, CIKM 2022.
//!
//! Tokens are stored as a centroid and a residual of `residual.rs`, and there are far fewer centroids than tokens. With
//! the products of all centroids and query tokens known, a document can be scored roughly without reading a residual.
//!
//! ```text
//! S = C Qᵀ                                     [centroids, q_seq]
//! 1  candidates: documents with a token at one of the nprobe best centroids of a query token   (section 4.2)
//! 2  rough score Σ_i max_j S[c_j, i], over centroids with max_i S[c, i] >= threshold           (section 4.3)
//! 3  rough score with all centroids, for the best `documents` of stage 2                       (section 4.4)
//! 4  MaxSim with decompressed tokens, for the best quarter of stage 3                          (section 4.5)
//! ```
//!
//! The file has, for each centroid, the documents that have a token there. The paper leaves open what stage 2 gives to
//! a query token that meets no centroid above the threshold; as in the authors' code, it counts nothing.
//! With all centroids probed and every document kept, the result is the exhaustive one.

use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Scored};
use nir_kernels::{Frame, FrameWriter, Panels, Top};
use rayon::prelude::*;

use super::residual::ResidualCode;
use super::tokens::{TokenMatrix, TokenStorage};
use crate::IndexError;
use crate::codes::{Reader, largest};

const KIND: &str = "nir-plaid 1";

/// Which documents have tokens at a centroid, beside the tokens themselves.
pub struct Plaid {
    file: Frame,
    tokens: TokenMatrix,
    /// The position, in numbers from `start`, at which the documents of each centroid begin, and the end of the last
    /// ones.
    starts: Vec<usize>,
    /// The position in the file at which document numbers begin.
    start: usize,
}

/// How much of the index a search reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaidProbe {
    /// The number of centroids for each query token.
    pub nprobe: usize,
    /// Centroids below this for all query tokens are ignored in stage 2; minus infinity ignores none.
    pub threshold: f32,
    /// Documents that stage 2 keeps; stage 3 keeps a quarter of them.
    pub documents: usize,
}

impl Plaid {
    /// Writes the lists of centroids for tokens that are stored as residual codes, and opens them.
    pub fn build(path: &Path, tokens: TokenMatrix) -> Result<Self, IndexError> {
        let centroids = residual_code(&tokens, path)?.centroids().len();
        let mut starts = vec![0_u32; centroids + 1];
        for_each_pair(&tokens, |centroid, _| starts[centroid + 1] += 1);
        (0..centroids).for_each(|centroid| starts[centroid + 1] += starts[centroid]);
        let mut next = starts.clone();
        let mut documents = vec![0_u32; starts[centroids] as usize];
        for_each_pair(&tokens, |centroid, doc| {
            documents[next[centroid] as usize] = doc;
            next[centroid] += 1;
        });
        let mut file = FrameWriter::create(path, KIND)?;
        for numbers in starts.chunks(1 << 16).chain(documents.chunks(1 << 16)) {
            file.write(
                &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>(),
            )?;
        }
        let digest = tokens.digest_number();
        file.finish([tokens.len() as u64, centroids as u64, digest, 0, 0])?;
        Self::open(path, tokens)
    }

    /// Maps a file that [`Plaid::build`] wrote for these tokens. The header is verified, the content is not: see
    /// [`Plaid::verify`].
    pub fn open(path: &Path, tokens: TokenMatrix) -> Result<Self, IndexError> {
        let centroids = residual_code(&tokens, path)?.centroids().len();
        let file = Frame::open(path, KIND)?;
        let [documents, of, digest, ..] = file.fields();
        if (documents as usize, of as usize, digest)
            != (tokens.len(), centroids, tokens.digest_number())
        {
            let what = "it was built for other token vectors".to_owned();
            return Err(IndexError::Mismatch { path: path.to_owned(), what });
        }
        let mut reader = Reader::new(&file);
        let starts = reader.bytes(4 * (centroids + 1)).map(|bytes| bytes.as_chunks::<4>().0);
        let starts = starts.ok_or_else(|| file.damaged("it ends within its lists"))?;
        let starts: Vec<usize> =
            starts.iter().map(|&four| u32::from_le_bytes(four) as usize).collect();
        if !starts.is_sorted() || 4 * starts[centroids] != reader.left() {
            return Err(file.damaged("its lists do not fit its length").into());
        }
        let start = file.len() - reader.left();
        Ok(Self { file, tokens, starts, start })
    }

    /// Reads all of both files and compares them with their checksums.
    pub fn verify(&self) -> Result<(), IndexError> {
        self.file.verify()?;
        self.tokens.verify()
    }

    /// The token vectors that it searches.
    pub fn tokens(&self) -> &TokenMatrix {
        &self.tokens
    }

    /// The size of both files in bytes.
    pub fn bytes(&self) -> u64 {
        self.tokens.bytes() + self.file.bytes()
    }

    /// The best `depth` documents of a query of tokens, `[q_seq, dim]`, among those that PLAID decompresses.
    ///
    /// # Panics
    /// If the query is no whole tokens, or the corpus is of another size.
    pub fn search(
        &self,
        query: &[f32],
        depth: usize,
        probe: PlaidProbe,
        corpus: &dyn Corpus,
    ) -> Ranking {
        assert_eq!(
            corpus.len(),
            self.tokens.len(),
            "token vectors and their corpus have the same rows"
        );
        if query.is_empty() || self.tokens.is_empty() {
            return Ranking::default();
        }
        let products = Products::new(self.code().centroids().values(), query, self.tokens.dim());
        let candidates = self.candidates(&products, probe.nprobe);
        let above = best(&candidates, probe.documents, |doc| {
            self.rough(&products, doc, |centroid| products.reaches(centroid, probe.threshold))
        });
        let survivors =
            best(&above, probe.documents.div_ceil(4), |doc| self.rough(&products, doc, |_| true));
        let scores = self.tokens.score(query, &survivors);
        let scored = survivors.into_iter().zip(scores).map(|(doc, score)| Scored { doc, score });
        Ranking::top(depth, scored.collect(), corpus)
    }

    /// Searches for several queries.
    pub fn search_many(
        &self,
        queries: &[&[f32]],
        depth: usize,
        probe: PlaidProbe,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        queries.par_iter().map(|query| self.search(query, depth, probe, corpus)).collect()
    }

    fn code(&self) -> &ResidualCode {
        match self.tokens.storage() {
            TokenStorage::Residual(code) => code,
            _ => unreachable!("opening refuses other storages"),
        }
    }

    /// Stage 1: documents with a token at one of the best centroids of a query token, in their order.
    fn candidates(&self, products: &Products, nprobe: usize) -> Vec<DocNo> {
        let mut docs: Vec<u32> = products
            .best_centroids(nprobe)
            .into_iter()
            .flat_map(|centroid| self.list(centroid))
            .collect();
        docs.sort_unstable();
        docs.dedup();
        docs.into_iter().map(DocNo).collect()
    }

    fn list(&self, centroid: usize) -> impl Iterator<Item = u32> {
        let numbers = self.starts[centroid]..self.starts[centroid + 1];
        let bytes = &self.file[self.start + 4 * numbers.start..self.start + 4 * numbers.end];
        bytes.as_chunks::<4>().0.iter().map(|&four| u32::from_le_bytes(four))
    }

    /// `Σ_i max_j S[c_j, i]` over the tokens whose centroids are wanted.
    fn rough(&self, products: &Products, doc: DocNo, wanted: impl Fn(usize) -> bool) -> f32 {
        let mut best = vec![f32::NEG_INFINITY; products.q_seq];
        for token in self.tokens.stored(doc) {
            let centroid = ResidualCode::centroid(token) as usize;
            if wanted(centroid) {
                let products = products.of(centroid);
                best.iter_mut()
                    .zip(products)
                    .for_each(|(best, &x)| *best = if x > *best { x } else { *best });
            }
        }
        best.into_iter().filter(|&best| best > f32::NEG_INFINITY).sum()
    }
}

/// The best `count` of `docs`, in their original order.
fn best(docs: &[DocNo], count: usize, score: impl Fn(DocNo) -> f32 + Sync) -> Vec<DocNo> {
    if docs.len() <= count {
        return docs.to_vec();
    }
    let scores: Vec<f32> = docs.par_iter().with_min_len(64).map(|&doc| score(doc)).collect();
    let mut best = Top::new(count);
    best.offer_all(0, &scores);
    best.rows().into_iter().map(|slot| docs[slot]).collect()
}

fn residual_code<'t>(tokens: &'t TokenMatrix, path: &Path) -> Result<&'t ResidualCode, IndexError> {
    if let TokenStorage::Residual(code) = tokens.storage() {
        return Ok(code);
    }
    let what = "PLAID needs tokens that are stored as residual codes".to_owned();
    Err(IndexError::Mismatch { path: path.to_owned(), what })
}

/// Calls `f` with each centroid and each document that has a token there, once, documents in their order.
fn for_each_pair(tokens: &TokenMatrix, mut f: impl FnMut(usize, u32)) {
    for doc in 0..tokens.len() as u32 {
        let mut centroids: Vec<u32> =
            tokens.stored(DocNo(doc)).map(ResidualCode::centroid).collect();
        centroids.sort_unstable();
        centroids.dedup();
        centroids.into_iter().for_each(|centroid| f(centroid as usize, doc));
    }
}

/// The products of all centroids with a query's tokens, `S = C Qᵀ`.
struct Products {
    /// `[centroids, q_seq]`.
    values: Vec<f32>,
    q_seq: usize,
}

impl Products {
    fn new(centroids: &[f32], query: &[f32], dim: usize) -> Self {
        let (panels, q_seq) = (Panels::new(query, dim), query.len() / dim);
        let mut values = vec![0.0; centroids.len() / dim * q_seq];
        let blocks = values.par_chunks_mut(1024 * q_seq).zip(centroids.par_chunks(1024 * dim));
        blocks.for_each(|(values, centroids)| panels.products(centroids, values));
        Self { values, q_seq }
    }

    fn of(&self, centroid: usize) -> &[f32] {
        &self.values[centroid * self.q_seq..][..self.q_seq]
    }

    fn reaches(&self, centroid: usize, threshold: f32) -> bool {
        self.of(centroid).iter().any(|&product| product >= threshold)
    }

    /// The `nprobe` best centroids of every query token, each once.
    fn best_centroids(&self, nprobe: usize) -> Vec<usize> {
        let of_token = |token| {
            let products: Vec<f32> =
                self.values.iter().skip(token).step_by(self.q_seq).copied().collect();
            largest(&products, nprobe)
        };
        let mut centroids: Vec<usize> = (0..self.q_seq).flat_map(of_token).collect();
        centroids.sort_unstable();
        centroids.dedup();
        centroids
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::TokenWriter;
    use super::*;
    use crate::codes::Centroids;

    const DIM: usize = 8;
    const ALL: PlaidProbe =
        PlaidProbe { nprobe: 1000, threshold: f32::NEG_INFINITY, documents: 1000 };

    fn corpus(len: usize) -> Documents {
        let name = |row: usize| (row * 7919 % 10_007).to_string();
        let doc = |row| Document { doc_id: name(row), ..Document::default() };
        Documents::new((0..len).map(doc)).unwrap()
    }

    fn storages(sample: &[f32]) -> Vec<TokenStorage> {
        let centroids = Centroids::new(sample[..DIM * 8].to_vec(), DIM);
        let residual = |bits| ResidualCode::train(centroids.clone(), bits, sample);
        let residuals = [1, 2, 4].map(|bits| TokenStorage::Residual(Box::new(residual(bits))));
        [TokenStorage::F16, TokenStorage::Int8].into_iter().chain(residuals).collect()
    }

    fn write(path: &Path, docs: &[Vec<f32>], storage: TokenStorage) -> TokenMatrix {
        let mut writer = TokenWriter::create(path, DIM, storage).unwrap();
        docs.iter().for_each(|doc| writer.push(doc).unwrap());
        writer.finish().unwrap()
    }

    /// Eq. 3 in three loops, over the tokens as they are stored.
    fn max_sim(query: &[f32], tokens: &TokenMatrix, doc: DocNo) -> f32 {
        let doc = tokens.document(doc);
        let product = |q: &[f32], d: &[f32]| q.iter().zip(d).map(|(q, d)| q * d).sum::<f32>();
        let best =
            |q: &[f32]| doc.chunks(DIM).map(|d| product(q, d)).fold(f32::NEG_INFINITY, f32::max);
        query.chunks(DIM).map(best).sum()
    }

    fn tokens(
        count: impl Into<proptest::collection::SizeRange>,
    ) -> impl Strategy<Value = Vec<f32>> {
        vec(vec(-1.0..1.0_f32, DIM), count).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn scores_are_three_loops_over_the_stored_tokens(
            docs in vec(tokens(0..40), 1..20), query in tokens(1..40), sample in tokens(20),
        ) {
            let dir = tempfile::tempdir().unwrap();
            for storage in storages(&sample) {
                let tokens = write(&dir.path().join("tokens"), &docs, storage);
                tokens.verify().unwrap();
                let all: Vec<DocNo> = (0..docs.len() as u32).map(DocNo).collect();
                for (&doc, score) in all.iter().zip(tokens.score(&query, &all)) {
                    let expected = max_sim(&query, &tokens, doc);
                    prop_assert!(score == expected || (score - expected).abs() < 1e-4, "{score} {expected}");
                    prop_assert_eq!(score == f32::NEG_INFINITY, docs[doc.row()].is_empty());
                }
            }
        }

        #[test]
        fn everything_probed_is_exhaustive_search(
            docs in vec(tokens(0..9), 1..40), query in tokens(1..9), sample in tokens(20), depth in 0..50_usize,
        ) {
            let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(docs.len()));
            for storage in storages(&sample).split_off(2) {
                let tokens = write(&dir.path().join("tokens"), &docs, storage);
                let exhaustive = tokens.search(&query, depth, &corpus);
                prop_assert!(exhaustive.len() == depth.min(docs.iter().filter(|doc| !doc.is_empty()).count()));
                let plaid = Plaid::build(&dir.path().join("plaid"), tokens).unwrap();
                prop_assert_eq!(plaid.search(&query, depth, ALL, &corpus), exhaustive);
            }
        }
    }

    fn wave(tokens: usize, seed: usize) -> Vec<f32> {
        (0..tokens * DIM).map(|i| ((i * i + seed) as f32 * 0.37).sin()).collect()
    }

    fn documents() -> Vec<Vec<f32>> {
        (0..300).map(|doc| wave(doc % 13, doc * 101)).collect()
    }

    #[test]
    fn a_document_without_tokens_is_never_found() {
        let dir = tempfile::tempdir().unwrap();
        let tokens =
            write(&dir.path().join("tokens"), &[vec![], vec![-1.0; DIM]], TokenStorage::F16);
        let found = tokens.search(&[1.0; DIM], 10, &corpus(2));
        assert_eq!(found[..], [Scored { doc: DocNo(1), score: -8.0 }]);
        assert_eq!(tokens.score(&[1.0; DIM], &[DocNo(0)]), [f32::NEG_INFINITY]);
        assert!(tokens.search(&[], 10, &corpus(2)).is_empty());
    }

    #[test]
    fn threads_do_not_matter() {
        let (dir, docs, corpus) = (tempfile::tempdir().unwrap(), documents(), corpus(300));
        let tokens = write(&dir.path().join("tokens"), &docs, storages(&wave(20, 1)).remove(3));
        let plaid = Plaid::build(&dir.path().join("plaid"), tokens).unwrap();
        let probe = PlaidProbe { nprobe: 2, threshold: 0.3, documents: 60 };
        let queries: Vec<Vec<f32>> = (0..20).map(|query| wave(5, query)).collect();
        let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let exhaustive = plaid.tokens().search_many(&queries, 10, &corpus);
                (exhaustive, plaid.search_many(&queries, 10, probe, &corpus))
            })
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let (dir, docs) = (tempfile::tempdir().unwrap(), documents());
        let (path, plaid) = (dir.path().join("tokens"), dir.path().join("plaid"));
        let storage = storages(&wave(20, 1)).remove(3);
        Plaid::build(&plaid, write(&path, &docs, storage.clone())).unwrap().verify().unwrap();
        let other = write(&dir.path().join("other"), &docs[1..], storage);
        let error = Plaid::open(&plaid, other).err().unwrap().to_string();
        assert!(error.contains("plaid") && error.contains("other token vectors"), "{error}");
        let floats = write(&dir.path().join("floats"), &docs, TokenStorage::F16);
        assert!(matches!(Plaid::open(&plaid, floats), Err(IndexError::Mismatch { .. })));
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(TokenMatrix::open(&path).is_err());
        let mut changed = good;
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert!(TokenMatrix::open(&path).unwrap().verify().is_err());
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer =
            TokenWriter::create(&dir.path().join("tokens"), DIM, TokenStorage::F16).unwrap();
        writer.push(&[]).unwrap();
        let error = writer.push(&[70_000.0; DIM]).unwrap_err().to_string();
        assert!(error.contains("row 1"), "{error}");
        assert!(writer.push(&[1.0; DIM + 3]).is_err());
    }
}
