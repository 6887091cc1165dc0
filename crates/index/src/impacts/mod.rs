//! Impacts: documents and queries as sparse vectors, and the best documents by their product, exactly.
//!
//! BM25, DeepImpact, uniCOIL and SPLADE differ in where a weight comes from; what is searched is the same:
//!
//! ```text
//! score(q, d) = Σ_t  q_t · d_t          over the dimensions t of the query, in f32, by falling q_t · max_d d_t
//! ```
//!
//! The order of the sum is part of the definition (ties by rising dimension): every algorithm adds in it, so all of
//! them give the same score to the last bit. A result scores above zero.
//!
//! An index is one file. Documents are cut into windows of 65,536, and a window holds the postings of its documents
//! dimension after dimension (a *chunk* each): documents as 16-bit offsets, weights as `f32` or as 8-bit codes, both
//! uncompressed, so that a chunk can be searched in the middle. [`Sections`] are its frame.
//!
//! | section  | holds                                                                        |
//! |----------|------------------------------------------------------------------------------|
//! | postings | for each window all offsets, then all weights                                |
//! | card     | counts, and how weights are stored                                           |
//! | windows  | where each window's offsets and weights begin                                |
//! | terms    | for each dimension, its document frequency, largest weight and chunks        |
//! | chunks   | for each list, which window, where in it, how many, largest weight           |

mod bm25;
mod builder;
mod clustered;
mod format;
mod index;
mod maxscore;
mod sharded;

pub use bm25::Precision;
pub use builder::Builder;
pub use clustered::{Clustered, ClusteredBuilder, Clustering, Effort};
pub use format::Weights;
pub use index::ImpactIndex;
pub use sharded::Sharded;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use nir_core::{DocNo, Document, Documents, Ranking, Scored};
    use proptest::prelude::*;

    use super::format::WINDOW;
    use super::*;
    use crate::IndexError;

    type Vector = Vec<(u32, f32)>;

    /// Three windows, most of it empty documents; names do not rise with rows.
    const ROWS: usize = 140_000;
    const STORAGES: [Weights; 2] = [Weights::F32, Weights::U8 { step: 3.5 / 64.0 }];

    static CORPUS: LazyLock<Documents> = LazyLock::new(|| {
        let name = |row: usize| (row * 7919 % ROWS).to_string();
        let document = |row| Document { doc_id: name(row), ..Document::default() };
        Documents::new((0..ROWS).map(document)).unwrap()
    });

    /// All documents, where only some rows have weights.
    fn spread(documents: &BTreeMap<usize, Vector>) -> impl Iterator<Item = &[(u32, f32)]> {
        (0..ROWS).map(|row| documents.get(&row).map_or(&[][..], Vec::as_slice))
    }

    fn built(weights: Weights, documents: &BTreeMap<usize, Vector>) -> ImpactIndex {
        let dir = tempfile::tempdir().unwrap();
        ImpactIndex::build(&dir.path().join("index"), weights, spread(documents)).unwrap()
    }

    /// The definition, in plain lines.
    fn oracle(
        weights: Weights,
        documents: &BTreeMap<usize, Vector>,
        query: &[(u32, f32)],
        depth: usize,
    ) -> Ranking {
        let mut terms: BTreeMap<u32, f32> = BTreeMap::new();
        query
            .iter()
            .for_each(|&(dimension, weight)| *terms.entry(dimension).or_default() += weight);
        let stored = |document: &Vector, wanted: u32| {
            let found = document.iter().find(|&&(dimension, _)| dimension == wanted);
            found.map_or(0.0, |&(_, weight)| weights.stored(weight))
        };
        let max = |wanted| documents.values().map(|d| stored(d, wanted)).fold(0.0, f32::max);
        let terms = terms.into_iter().map(|(t, weight)| (t, weight * weights.step(), max(t)));
        let mut terms: Vec<(u32, f32, f32)> = terms.collect();
        terms.sort_by(|a, b| (b.1.max(0.0) * b.2).total_cmp(&(a.1.max(0.0) * a.2))); // stable: ties by dimension
        let score = |document: &Vector| {
            terms.iter().fold(0.0_f32, |sum, &(t, weight, _)| sum + weight * stored(document, t))
        };
        let scored = documents.iter().map(|(&row, document)| (DocNo(row as u32), score(document)));
        let scored = scored.filter(|&(_, score)| score > 0.0);
        Ranking::top(depth, scored.map(|(doc, score)| Scored { doc, score }).collect(), &*CORPUS)
    }

    /// Few dimensions and coarse weights, so that ties abound; now and then a fine one.
    fn weight() -> impl Strategy<Value = f32> {
        prop_oneof![(1_u8..6).prop_map(|n| f32::from(n) / 2.0), 0.01_f32..3.5]
    }

    fn vector(dimensions: u32, most: usize) -> impl Strategy<Value = Vector> {
        prop::collection::btree_map(0..dimensions, weight(), 0..most)
            .prop_map(|vector| vector.into_iter().collect())
    }

    fn collection() -> impl Strategy<Value = BTreeMap<usize, Vector>> {
        // Rows crowd around the borders of windows.
        let row = prop_oneof![0_usize..400, WINDOW - 200..WINDOW + 200, 2 * WINDOW - 9..ROWS];
        prop::collection::btree_map(row, vector(12, 9), 1..400)
    }

    fn query() -> impl Strategy<Value = Vector> {
        let weight = prop_oneof![9 => 0.1_f32..3.5, 1 => -1.0_f32..0.1];
        prop::collection::vec((0_u32..14, weight), 0..9)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn pruning_changes_no_bit(documents in collection(), query in query(), depth in 0_usize..40) {
            for weights in STORAGES {
                let found = built(weights, &documents).search(&query, depth, &*CORPUS);
                prop_assert_eq!(found, oracle(weights, &documents, &query, depth));
            }
        }

        #[test]
        fn shards_answer_as_one_index(
            documents in collection(), query in query(), cut in 1_usize..ROWS,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let all: Vec<&[(u32, f32)]> = spread(&documents).collect();
            for weights in STORAGES {
                let part = |name: &str, rows: &[&[(u32, f32)]]| {
                    ImpactIndex::build(&dir.path().join(name), weights, rows).unwrap()
                };
                let shards = Sharded::new(vec![part("a", &all[..cut]), part("b", &all[cut..])]);
                let one = built(weights, &documents).search(&query, 10, &*CORPUS);
                prop_assert_eq!(shards.search(&query, 10, &*CORPUS), one);
            }
        }
    }

    fn small() -> BTreeMap<usize, Vector> {
        BTreeMap::from([
            (0, vec![(7, 1.0), (9, 0.5)]),
            (1, vec![(9, 2.0)]),
            (70_000, vec![(7, 1.0), (9, 0.5)]),
        ])
    }

    #[test]
    fn matches_the_hand_computed_example() {
        // Row 0: 2 · 1 + 1 · 0.5 = 2.5, as row 70,000; row 1: 1 · 2 = 2. Dimension 8 is in no document.
        let index = built(Weights::F32, &small());
        let found = index.search(&[(9, 1.0), (7, 2.0), (8, 5.0)], 10, &*CORPUS);
        let scores: Vec<f32> = found.iter().map(|hit| hit.score).collect();
        assert_eq!(scores, [2.5, 2.5, 2.0]);
        // Names: row 0 is `0`, row 70,000 is `70000` (7919 is odd): the larger name wins the tie, also at the cut-off.
        assert_eq!(found[0].doc, DocNo(70_000));
        assert_eq!(index.search(&[(9, 1.0), (7, 2.0)], 1, &*CORPUS)[0].doc, DocNo(70_000));
        assert_eq!((index.postings(), index.dimensions(), index.doc_freq(9)), (5, 2, 3));
    }

    #[test]
    fn codes_follow_anserinis_rule() {
        let weights = Weights::U8 { step: 5.0 / 256.0 };
        // round(w / 5 * 256): 51.2 -> 51, 25.6 -> 26, 0.256 -> 0, 512 -> 255
        let stored: Vec<f32> = [1.0, 0.5, 0.005, 10.0].map(|weight| weights.stored(weight)).into();
        assert_eq!(stored, [51.0, 26.0, 0.0, 255.0]);
    }

    #[test]
    fn a_documents_weight_is_found_in_any_window() {
        let (rows, step) = ([0, 65_535, 65_536, 139_999], 0.5);
        let documents: BTreeMap<usize, Vector> =
            rows.iter().map(|&row| (row, vec![(7, 1.5), (9, 2.0)])).collect();
        for weights in [Weights::F32, Weights::U8 { step }] {
            let index = built(weights, &documents);
            let weight = |row: usize, dimension| index.weight(dimension, DocNo(row as u32));
            assert!(
                rows.iter().all(|&row| weight(row, 7) == Some(1.5) && weight(row, 9) == Some(2.0))
            );
            assert_eq!((weight(1, 7), weight(0, 8), weight(70_000, 9)), (None, None, None));
        }
    }

    #[test]
    fn integer_impacts_give_integer_scores() {
        let documents = BTreeMap::from([(3, vec![(1, 200.0), (2, 255.0)]), (4, vec![(2, 1.0)])]);
        let index = built(Weights::U8 { step: 1.0 }, &documents);
        let found = index.search(&[(1, 250.0), (2, 31.0)], 10, &*CORPUS);
        let scores: Vec<f32> = found.iter().map(|hit| hit.score).collect();
        assert_eq!(scores, [200.0 * 250.0 + 255.0 * 31.0, 31.0]);
    }

    #[test]
    fn any_number_of_threads_gives_the_same() {
        let index = built(Weights::F32, &small());
        let queries: Vec<Vector> = (0..50).map(|n| vec![(7, 1.0), (9, n as f32)]).collect();
        let one_by_one: Vec<Ranking> =
            queries.iter().map(|query| index.search(query, 2, &*CORPUS)).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let many = pool.install(|| index.search_many(&queries, 2, &*CORPUS));
        assert_eq!(many, one_by_one);
    }

    #[test]
    fn a_document_that_cannot_be_stored_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |document: Vector| {
            let path = dir.path().join("index");
            let documents = [vec![(5, 1.0)], document];
            ImpactIndex::build(&path, Weights::F32, documents).err().unwrap().to_string()
        };
        let twice = refused(vec![(5, 1.0), (6, 1.0), (5, 2.0)]);
        assert!(twice.starts_with("document 1, dimension 5: it is there twice"), "{twice}");
        for weight in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let error = refused(vec![(5, weight)]);
            assert!(error.contains(&format!("its weight is {weight}")), "{error}");
        }
    }

    #[test]
    fn an_index_opens_again_and_a_damaged_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let documents = small();
        let built = ImpactIndex::build(&path, Weights::F32, spread(&documents)).unwrap();
        let opened = ImpactIndex::open(&path).unwrap();
        opened.verify().unwrap();
        assert_eq!(opened.bytes(), built.bytes());
        let query = [(7, 1.0), (9, 1.0)];
        assert_eq!(opened.search(&query, 9, &*CORPUS), built.search(&query, 9, &*CORPUS));
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 8]).unwrap();
        let error = ImpactIndex::open(&path).err().unwrap().to_string();
        assert!(error.contains("index: it has") && error.contains("should have"), "{error}");
        std::fs::write(&path, b"not an index, but long enough to have a header ".repeat(3))
            .unwrap();
        assert!(matches!(ImpactIndex::open(&path), Err(IndexError::Format { .. })));
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let index = built(Weights::F32, &BTreeMap::new());
        assert!(index.search(&[(1, 1.0)], 10, &*CORPUS).is_empty());
    }
}
