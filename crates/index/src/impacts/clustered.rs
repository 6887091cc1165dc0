//! Clustered, summarised inverted lists: most of the best documents, much sooner.
//! Seismic: Bruch, Nardini, Rulli and Venturini, SIGIR 2024.
//!
//! In learned sparse vectors a few dimensions carry most of a product. So it is enough to look at the lists of the
//! heaviest dimensions of the query, and there at the documents with the heaviest weights. A list's documents are
//! grouped by likeness; each cluster has a summary, a vector that nearly bounds its members, and a cluster whose
//! summary promises too little is passed over whole. What is left is scored in full, from a forward index.
//!
//! ```text
//! list(t)      the `postings` documents with the largest d_t                            (static pruning)
//! clusters     `cluster_fraction` of them, drawn at random, are centroids; each document goes to the one it
//!              has the largest product with, over its 15 heaviest dimensions
//! summary(C)   max_{d in C} d_t for each t; the largest entries that have `summary_energy` of the sum, in 8 bits
//! search       for the `query_cut` heaviest dimensions of q, clusters by falling <q, summary>:
//!              score C's documents   if   fewer than `depth` are known   or   <q, summary(C)> ≥ θ / heap_factor
//! ```
//!
//! Summaries of a list are stored by dimension, so that their products with a query take one walk over the query's
//! dimensions. A document's row is sorted by falling weight: its heaviest dimensions are the first.
//!
//! Differs from the paper: a summary is cut where its 8-bit code falls below a threshold, whole codes at a time, and a
//! list has at most 256 clusters, so that a number of one fits a byte.

mod build;
mod format;
mod lists;
mod search;

pub use build::ClusteredBuilder;
pub use lists::Clustering;
pub use search::{Clustered, Effort};

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use nir_core::{DocNo, Document, Documents};
    use rustc_hash::FxHashMap;

    use super::lists::SplitMix64;
    use super::*;
    use crate::IndexError;
    use crate::impacts::{ImpactIndex, Weights};

    const CLUSTERING: Clustering =
        Clustering { postings: 300, cluster_fraction: 0.1, summary_energy: 0.5, seed: 7 };
    const ROWS: usize = 3000;

    static CORPUS: LazyLock<Documents> = LazyLock::new(|| {
        let document = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
        Documents::new((0..ROWS).map(document)).unwrap()
    });

    /// Documents of thirty topics: ten dimensions of the topic, ten of any.
    fn vectors(rows: usize, seed: u64) -> Vec<Vec<(u32, f32)>> {
        let mut random = SplitMix64(seed);
        let mut vector = |row: usize| {
            let mut vector = FxHashMap::default();
            for i in 0..20_u32 {
                let dimension =
                    if i < 10 { row % 30 * 20 + random.below(20) } else { random.below(900) };
                let weight = (random.below(100) + 1) as f32 / if i < 10 { 40.0 } else { 160.0 };
                vector.insert(dimension as u32 * 3, weight);
            }
            let mut vector: Vec<(u32, f32)> = vector.into_iter().collect();
            vector.sort_unstable_by_key(|&(dimension, _)| dimension);
            vector
        };
        (0..rows).map(&mut vector).collect()
    }

    fn built(clustering: Clustering) -> (tempfile::TempDir, Clustered) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let index = Clustered::build(&path, clustering, vectors(ROWS, 1)).unwrap();
        (dir, index)
    }

    fn exact() -> (tempfile::TempDir, ImpactIndex) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let index = ImpactIndex::build(&path, Weights::F32, vectors(ROWS, 1)).unwrap();
        (dir, index)
    }

    #[test]
    fn with_all_lists_and_no_trust_in_summaries_the_result_is_exact() {
        let all = Clustering { postings: ROWS, ..CLUSTERING };
        let ((_a, index), (_b, exact)) = (built(all), exact());
        let effort = Effort { query_cut: usize::MAX, heap_factor: f32::INFINITY };
        for query in vectors(30, 2) {
            let found = index.search(&query, effort, 10, &*CORPUS);
            assert_eq!(found, exact.search(&query, 10, &*CORPUS));
            assert_eq!(index.exhaust(&query, 10, &*CORPUS), found);
        }
        assert_eq!(index.postings(), exact.postings());
        for (doc, document) in vectors(ROWS, 1).iter().enumerate().step_by(37) {
            for &(dimension, weight) in document {
                assert_eq!(index.weight(dimension, DocNo(doc as u32)), Some(weight));
            }
        }
        assert_eq!(index.weight(u32::MAX, DocNo(0)), None);
    }

    #[test]
    fn less_effort_finds_most_and_scores_it_exactly() {
        let ((_a, index), (_b, exact)) = (built(CLUSTERING), exact());
        let effort = Effort { query_cut: 5, heap_factor: 0.9 };
        let mut common = 0;
        for query in vectors(30, 2) {
            let best = exact.search(&query, ROWS, &*CORPUS);
            for hit in index.search(&query, effort, 10, &*CORPUS).iter() {
                assert!(best.contains(hit), "the score of {:?} is another", hit.doc);
                common += usize::from(best[..10].contains(hit));
            }
        }
        assert!(common > 240, "{common} of the 300 best");
    }

    #[test]
    fn a_seed_and_any_number_of_threads_give_the_same_file() {
        let bytes = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (dir, _) = pool.install(|| built(Clustering { seed, ..CLUSTERING }));
            std::fs::read(dir.path().join("index")).unwrap()
        };
        assert!(bytes(1, 7) == bytes(3, 7), "threads change the file");
        assert!(bytes(1, 7) != bytes(1, 8), "the seed changes nothing");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let (dir, index) = built(CLUSTERING);
        index.verify().unwrap();
        let path = dir.path().join("index");
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(matches!(Clustered::open(&path), Err(IndexError::Damaged { .. })));
        std::fs::write(&path, [&b"nir-impacts 1   "[..], &good[16..]].concat()).unwrap();
        assert!(matches!(Clustered::open(&path), Err(IndexError::Format { .. })));
    }
}
