//! The best documents so far, ties included.

use std::cmp::Ordering;

use nir_core::{Corpus, DocNo, Ranking, Scored};

/// Keeps what reaches the `depth`-th best score, and forgets the rest now and then.
///
/// A heap would order what is only to be cut: here hits are gathered, and when there are twice as many as wanted, a
/// selection finds the `depth`-th and raises the threshold. That is constant work for each hit.
pub(super) struct Top {
    depth: usize,
    threshold: f32,
    hits: Vec<Scored>,
    /// How many hits call for a selection.
    full: usize,
}

/// The least score above zero.
const LEAST: f32 = f32::from_bits(1);

impl Top {
    /// `reached` is a score that `depth` documents reach for sure, or zero.
    pub(super) fn new(depth: usize, reached: f32) -> Self {
        Self { depth, threshold: reached.max(LEAST), hits: Vec::new(), full: 2 * depth + 16 }
    }

    /// What a document must reach.
    pub(super) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Whether there are `depth` hits: the threshold is then one of their scores.
    pub(super) fn is_full(&self) -> bool {
        self.hits.len() >= self.depth
    }

    /// What was kept so far, in no order.
    pub(super) fn hits(&self) -> impl Iterator<Item = Scored> + '_ {
        self.hits.iter().copied()
    }

    /// Takes a document whose score is complete.
    #[inline]
    pub(super) fn offer(&mut self, doc: u32, score: f32) {
        if score >= self.threshold {
            self.hits.push(Scored { doc: DocNo(doc), score });
            if self.hits.len() >= self.full {
                self.select();
                self.full = self.full.max(2 * self.hits.len()); // where many are tied
            }
        }
    }

    /// Raises the threshold to the `depth`-th best score.
    pub(super) fn select(&mut self) {
        if self.hits.len() >= self.depth {
            let by_score = |a: &Scored, b: &Scored| b.score.total_cmp(&a.score);
            let least = self.hits.select_nth_unstable_by(self.depth - 1, by_score).1.score;
            self.threshold = self.threshold.max(least);
            self.hits.retain(|hit| hit.score >= least);
        }
    }

    pub(super) fn ranking(mut self, corpus: &dyn Corpus) -> Ranking {
        self.select();
        self.hits.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
        // Names are fetched once for each tied document here, so that `Ranking::top` finds all in order.
        for tied in self.hits.chunk_by_mut(|a, b| a.score.total_cmp(&b.score) == Ordering::Equal) {
            if tied.len() > 1 {
                tied.sort_by_cached_key(|hit| std::cmp::Reverse(corpus.doc_id(hit.doc).as_bytes()));
            }
        }
        self.hits.truncate(self.depth);
        Ranking::top(self.depth, self.hits, corpus)
    }
}
