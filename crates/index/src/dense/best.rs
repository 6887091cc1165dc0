//! The best documents of a stream of scores.

use nir_core::{Corpus, DocNo, Ranking, Scored};

/// Keeps the best `depth` documents that it is offered, ties decided as in a [`Ranking`].
///
/// What does not fall behind the `depth`-th best score so far is put aside, and sorted out when twice as many have
/// gathered. So a document costs one comparison, and the result depends on no order.
pub(crate) struct Best {
    depth: usize,
    hits: Vec<Scored>,
    threshold: f32,
}

impl Best {
    pub(crate) fn new(depth: usize) -> Self {
        let threshold = if depth == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { depth, hits: Vec::new(), threshold }
    }

    /// Offers documents `first`, `first + 1` and so on.
    pub(crate) fn offer_all(&mut self, first: u32, scores: &[f32], corpus: &dyn Corpus) {
        for (doc, scores) in (first..).step_by(16).zip(scores.chunks(16)) {
            // One branch for sixteen scores: nearly all fall behind. What is no number must not.
            let behind = scores.iter().filter(|&&score| score < self.threshold).count();
            if behind < scores.len() {
                (doc..).zip(scores).for_each(|(doc, &score)| self.offer(doc, score, corpus));
            }
        }
    }

    pub(crate) fn offer(&mut self, doc: u32, score: f32, corpus: &dyn Corpus) {
        if score < self.threshold || self.depth == 0 {
            return;
        }
        // -0 ties with 0. What is no number comes first, whatever its sign, and stops the run.
        let score = if score.is_nan() { f32::NAN } else { score + 0.0 };
        self.hits.push(Scored { doc: DocNo(doc), score });
        if self.hits.len() >= 2 * self.depth {
            self.prune(corpus);
        }
    }

    /// A score below this is behind the best `depth` so far.
    pub(crate) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The best, in no order.
    pub(crate) fn hits(mut self, corpus: &dyn Corpus) -> Vec<Scored> {
        if self.hits.len() > self.depth {
            self.prune(corpus);
        }
        self.hits
    }

    fn prune(&mut self, corpus: &dyn Corpus) {
        let last = self.depth - 1;
        self.hits.select_nth_unstable_by(last, |a, b| a.rank_order(b, corpus));
        self.hits.truncate(self.depth);
        self.threshold = self.hits[last].score;
    }

    /// The best of two.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.hits.extend(other.hits);
        self
    }

    pub(crate) fn ranking(self, corpus: &dyn Corpus) -> Ranking {
        Ranking::top(self.depth, self.hits, corpus)
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_top_of_all(scores in vec(0..6_u8, 0..200), depth in 0..40_usize, cut in 0..200_usize) {
            // Names in another order than rows; few scores, so that most are tied.
            let name = |row: usize| format!("{}", (row * 77) % 1009);
            let doc = |row| Document { doc_id: name(row), ..Document::default() };
            let corpus = Documents::new((0..scores.len()).map(doc)).unwrap();
            let scores: Vec<f32> = scores.into_iter().map(|score| f32::from(score) - 3.0).collect();
            let cut = cut.min(scores.len());
            let (mut front, mut back) = (Best::new(depth), Best::new(depth));
            front.offer_all(0, &scores[..cut], &corpus);
            back.offer_all(cut as u32, &scores[cut..], &corpus);
            let all = (0..).zip(&scores).map(|(doc, &score)| Scored { doc: DocNo(doc), score });
            prop_assert_eq!(front.merge(back).ranking(&corpus), Ranking::top(depth, all.collect(), &corpus));
        }
    }

    #[test]
    #[should_panic(expected = "not a number")]
    fn what_is_no_number_is_not_lost() {
        let doc = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
        let corpus = Documents::new((0..9).map(doc)).unwrap();
        let mut best = Best::new(1);
        best.offer_all(0, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, f32::NAN, 1.0], &corpus);
        best.ranking(&corpus);
    }
}
