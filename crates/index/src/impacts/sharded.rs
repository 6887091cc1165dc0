//! Searching one index, or several over consecutive parts of a collection.

use nir_core::{Corpus, Ranking};
use rayon::prelude::*;

use super::index::ImpactIndex;
use super::maxscore;

impl ImpactIndex {
    /// The best `depth` documents for a query, by MaxScore; the weights of a repeated dimension are added first.
    ///
    /// # Panics
    /// If a weight is not finite, or the corpus has not as many documents as the index.
    pub fn search(&self, query: &[(u32, f32)], depth: usize, corpus: &dyn Corpus) -> Ranking {
        maxscore::search(std::slice::from_ref(self), query, depth, corpus)
    }

    /// Searches for many queries, on all threads of the current pool.
    ///
    /// # Panics
    /// As [`ImpactIndex::search`].
    pub fn search_many<Q: AsRef<[(u32, f32)]> + Sync>(
        &self,
        queries: &[Q],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        queries.par_iter().map(|query| self.search(query.as_ref(), depth, corpus)).collect()
    }
}

/// Indexes of consecutive slices of a corpus, searched as one: results are those of a single index.
pub struct Sharded(Vec<ImpactIndex>);

impl Sharded {
    /// Takes shards in order: the rows of a shard follow those of the shard before it.
    ///
    /// # Panics
    /// If weights are not stored alike in all.
    pub fn new(shards: Vec<ImpactIndex>) -> Self {
        let alike = shards.windows(2).all(|pair| pair[0].weights() == pair[1].weights());
        assert!(alike, "shards of one index store their weights alike");
        Self(shards)
    }

    /// The best `depth` documents of all shards, as [`ImpactIndex::search`].
    ///
    /// # Panics
    /// As [`ImpactIndex::search`].
    pub fn search(&self, query: &[(u32, f32)], depth: usize, corpus: &dyn Corpus) -> Ranking {
        maxscore::search(&self.0, query, depth, corpus)
    }
}
