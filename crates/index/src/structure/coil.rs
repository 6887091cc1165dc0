//! COIL's inverted lists: each token of the vocabulary with the vectors that it has in documents.
//! Gao, Dai and Callan, COIL, NAACL 2021, section 3.3.
//!
//! ```text
//! s(q, d) = v_cls(q) · v_cls(d) + Σ_{i in q} max(0, max_{j in d, d_j = q_i} v_i · v_j)
//! ```
//!
//! Each shard is an index of its own, and search is exact: every document is scored. Vectors are mapped from the shard's
//! files; 4 bytes for each token stay in memory, which say of which document it is, and 24 for each list.
//!
//! ```text
//! tokens.matrix  vectors, by token and then by document
//! tokens.places  documents | token, document for each vector                        32-bit little-endian words
//! cls.matrix     the vector of each document, where there is one
//! ```

use std::fs;
use std::ops::Range;
use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Result, Scored, Version};
use rayon::prelude::*;

use super::{Index, Part, Stored, Structure};
use crate::{Matrix, MatrixWriter, Simd, Storage, versions};

/// The vectors that COIL makes of a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoilVectors {
    /// The tokens that may match, in order.
    pub ids: Vec<u32>,
    /// The vector of each of these tokens, `[ids, width]`.
    pub tokens: Vec<f32>,
    /// The vector of the whole text, `[cls_width]`; empty where there is none.
    pub cls: Vec<f32>,
}

/// The form in which the vectors of a collection are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoilForm {
    /// The number of values of a token's vector.
    pub width: usize,
    /// The number of values of a text's vector; 0 if there is none.
    pub cls_width: usize,
    /// The number format of all vectors.
    pub storage: Storage,
}

const TOKENS: &str = "tokens.matrix";
const CLS: &str = "cls.matrix";
const PLACES: &str = "tokens.places";

impl Stored for CoilVectors {
    type Form = CoilForm;
    type Shard = CoilLists;
    const FORMAT: Version = versions::COIL;

    fn write(folder: &Path, documents: &[Self], form: &CoilForm) -> Result<()> {
        let CoilForm { width, cls_width, storage } = *form;
        let places = places(documents);
        let mut matrix = MatrixWriter::create(&folder.join(TOKENS), width, storage)?;
        let vector = |&(_, doc, i): &Place| &documents[doc].tokens[i * width..][..width];
        places.iter().try_for_each(|place| matrix.push(vector(place)))?;
        matrix.finish()?;
        let pairs = places.iter().flat_map(|&(id, doc, _)| [id, doc as u32]);
        let words = std::iter::once(documents.len() as u32).chain(pairs);
        fs::write(folder.join(PLACES), words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
        if cls_width > 0 {
            let mut matrix = MatrixWriter::create(&folder.join(CLS), cls_width, storage)?;
            documents.iter().try_for_each(|document| matrix.push(&document.cls))?;
            matrix.finish()?;
        }
        Ok(())
    }

    fn open(folder: &Path) -> Result<CoilLists> {
        let (documents, pairs) = read(&folder.join(PLACES))?;
        let cls = folder.join(CLS);
        Ok(CoilLists {
            tokens: lists(&pairs),
            docs: pairs.iter().map(|&[_, doc]| doc).collect(),
            vectors: Matrix::open(&folder.join(TOKENS))?,
            documents,
            cls: cls.is_file().then(|| Matrix::open(&cls)).transpose()?,
        })
    }
}

/// A token, its document, and its position there.
type Place = (u32, usize, usize);

/// The tokens of some documents, sorted by token.
fn places(documents: &[CoilVectors]) -> Vec<Place> {
    let mut places = Vec::new();
    for (doc, document) in documents.iter().enumerate() {
        places.extend((0..).zip(&document.ids).map(|(i, &id)| (id, doc, i)));
    }
    places.sort_unstable();
    places
}

/// How many documents a shard has, and the token and the document of each vector.
fn read(path: &Path) -> Result<(usize, Vec<[u32; 2]>)> {
    let bytes = fs::read(path)?;
    let mut words = bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word));
    let documents = words.next().ok_or_else(|| format!("{}: is empty", path.display()))?;
    let words: Vec<u32> = words.collect();
    Ok((documents as usize, words.as_chunks::<2>().0.to_vec()))
}

/// Each token with the rows that have it, which stand together.
fn lists(pairs: &[[u32; 2]]) -> Vec<(u32, Range<usize>)> {
    let mut start = 0;
    let list = |same: &[[u32; 2]]| {
        start += same.len();
        (same[0][0], start - same.len()..start)
    };
    pairs.chunk_by(|[a, _], [b, _]| a == b).map(list).collect()
}

/// Inverted lists of vectors over consecutive documents.
pub struct CoilLists {
    /// Each token with the rows of its list, by rising token.
    tokens: Vec<(u32, Range<usize>)>,
    /// The document of each row, counted from the shard's first; it rises within a list.
    docs: Vec<u32>,
    /// The vector of each row.
    vectors: Matrix,
    /// The number of documents.
    documents: usize,
    /// The vector of each document; `None` if texts have no vector.
    cls: Option<Matrix>,
}

impl CoilLists {
    /// The scores of all documents of these lists.
    fn scores(&self, query: &CoilVectors) -> Vec<f32> {
        let mut scores = self.cls_scores(&query.cls);
        let mut vector = vec![0.0; self.vectors.dim()];
        for (id, query) in query.ids.iter().zip(query.tokens.chunks_exact(self.vectors.dim())) {
            let rows = self.list(*id);
            let product = |row: usize| {
                self.vectors.read(row, &mut vector);
                Simd::get().dot(query, &vector)
            };
            add_best(&self.docs[rows.clone()], rows.map(product), &mut scores);
        }
        scores
    }

    /// The rows of a token.
    fn list(&self, id: u32) -> Range<usize> {
        let place = self.tokens.binary_search_by_key(&id, |&(id, _)| id);
        place.map_or(0..0, |place| self.tokens[place].1.clone())
    }

    /// The tokens of a query that match in a document, with what each adds.
    fn matches(&self, query: &CoilVectors, doc: usize) -> Vec<(u32, f32)> {
        let rows = query.tokens.chunks_exact(self.vectors.dim());
        let one = |(&id, query): (&u32, &[f32])| {
            let rows = self.list(id).filter(|&row| self.docs[row] as usize == doc);
            let products = rows.map(|row| Simd::get().dot(query, &self.vectors.row(row)));
            let best = products.fold(0.0, f32::max);
            (best > 0.0).then_some((id, best))
        };
        query.ids.iter().zip(rows).filter_map(one).collect()
    }

    fn cls_scores(&self, query: &[f32]) -> Vec<f32> {
        let Some(cls) = &self.cls else { return vec![0.0; self.documents] };
        let mut vector = vec![0.0; cls.dim()];
        let product = |doc: usize| {
            cls.read(doc, &mut vector);
            Simd::get().dot(query, &vector)
        };
        (0..self.documents).map(product).collect()
    }

    fn bytes(&self) -> u64 {
        self.vectors.bytes() + self.cls.as_ref().map_or(0, Matrix::bytes)
    }
}

/// Adds, for each document of a list, the largest of its products to its score, if that is above zero.
fn add_best(docs: &[u32], mut products: impl Iterator<Item = f32>, scores: &mut [f32]) {
    for same in docs.chunk_by(|a, b| a == b) {
        let best = products.by_ref().take(same.len()).fold(0.0, f32::max);
        scores[same[0] as usize] += best;
    }
}

/// COIL's lists have no parameters: shards are searched as they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoilStructure;

impl Structure for CoilStructure {
    type Vector = CoilVectors;
    type Index = CoilIndex;
    const NAME: &'static str = "lists";

    fn versions(&self) -> Vec<Version> {
        vec![versions::COIL]
    }

    fn built(&self) -> Option<String> {
        None
    }

    fn build(&self, _folder: &Path, _documents: &[CoilLists]) -> Result<()> {
        Ok(())
    }

    fn open(&self, _folder: Option<&Path>, documents: Vec<CoilLists>) -> Result<CoilIndex> {
        Ok(CoilIndex(documents))
    }
}

/// The open inverted lists of a collection.
pub struct CoilIndex(Vec<CoilLists>);

impl CoilIndex {
    fn search_one(&self, query: &CoilVectors, depth: usize, corpus: &dyn Corpus) -> Ranking {
        let (mut first, mut best) = (0, Vec::new());
        for lists in &self.0 {
            let scores = lists.scores(query);
            let scored =
                (first..).zip(&scores).map(|(row, &score)| Scored { doc: DocNo(row), score });
            // What is not among the best of its shard is not among the best of all.
            best.extend_from_slice(&Ranking::top(depth, scored.collect(), corpus));
            first += scores.len() as u32;
        }
        Ranking::top(depth, best, corpus)
    }

    /// The lists that have a document, and its row in them.
    fn shard(&self, doc: DocNo) -> (&CoilLists, usize) {
        let mut row = doc.row();
        let has = |lists: &&CoilLists| {
            let here = row < lists.documents;
            row -= if here { 0 } else { lists.documents };
            here
        };
        (self.0.iter().find(has).expect("the shards have all documents"), row)
    }
}

impl Index for CoilIndex {
    type Vector = CoilVectors;
    const TOGETHER: usize = 256;

    fn search(&self, queries: &[CoilVectors], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        queries.par_iter().map(|query| self.search_one(query, depth, corpus)).collect()
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(CoilLists::bytes).sum()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let tokens: usize = self.0.iter().map(|lists| lists.docs.len()).sum();
        vec![("tokens", tokens.to_string())]
    }

    fn parts(&self, query: &CoilVectors, doc: DocNo) -> Vec<Part> {
        let (lists, row) = self.shard(doc);
        let cls = lists.cls.as_ref();
        let cls = cls.map(|cls| Part::Texts(Simd::get().dot(&query.cls, &cls.row(row))));
        let matched = lists.matches(query, row).into_iter();
        cls.into_iter()
            .chain(matched.map(|(number, score)| Part::Token { number, score }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_counts_once_by_its_best_match() {
        let mut scores = vec![0.5; 4];
        // Document 1 has the token twice, document 2 only in another sense.
        add_best(&[1, 1, 2, 3], [2.0, 3.0, -1.0, 0.25].into_iter(), &mut scores);
        assert_eq!(scores, [0.5, 3.5, 0.5, 0.75]);
    }

    fn text(ids: &[u32], tokens: &[[f32; 2]], cls: &[f32]) -> CoilVectors {
        CoilVectors { ids: ids.to_vec(), tokens: tokens.concat(), cls: cls.to_vec() }
    }

    fn written(documents: &[CoilVectors], cls_width: usize) -> CoilLists {
        let folder = tempfile::tempdir().unwrap();
        let form = CoilForm { width: 2, cls_width, storage: Storage::F32 };
        CoilVectors::write(folder.path(), documents, &form).unwrap();
        CoilVectors::open(folder.path()).unwrap()
    }

    #[test]
    fn tokens_meet_only_their_like() {
        let documents = [
            text(&[7, 5, 7], &[[1.0, 0.0], [0.0, 9.0], [0.0, 2.0]], &[1.0, 1.0, 0.0]),
            text(&[], &[], &[0.0, 0.0, 1.0]),
            text(&[5], &[[-1.0, -1.0]], &[0.0, 1.0, 0.0]),
        ];
        let lists = written(&documents, 3);
        assert_eq!(lists.tokens, [(5, 0..2), (7, 2..4)]);
        assert_eq!(lists.docs, [0, 2, 0, 0]);
        // 7 meets (1, 0) and (0, 2): 1 and 4; 5 meets (0, 9), and in the last document (-1, -1), which is no match;
        // 7 again: 3 and 0; nobody has 6.
        let query = text(
            &[7, 5, 7, 6],
            &[[1.0, 2.0], [1.0, 1.0], [3.0, 0.0], [8.0, 8.0]],
            &[2.0, 0.5, -1.0],
        );
        assert_eq!(lists.scores(&query), [4.0 + 9.0 + 3.0 + 2.5, -1.0, 0.5]);
    }

    #[test]
    fn coil_tok_has_no_vector_of_the_text() {
        let lists = written(&[text(&[5], &[[1.0, 1.0]], &[]), text(&[], &[], &[])], 0);
        assert_eq!(lists.scores(&text(&[5], &[[1.0, 2.0]], &[])), [3.0, 0.0]);
    }
}
