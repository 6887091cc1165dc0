//! From the best of a stream of scores to a ranking, whose ties names decide.

use std::cmp::Reverse;

use nir_core::{Corpus, DocNo, Ranking, Scored};
use nir_kernels::{Hit, Top};

/// Converts a row with its score to a document with its score.
pub(crate) fn scored(Hit { row, score }: Hit) -> Scored {
    Scored { doc: DocNo(row), score }
}

/// The best documents of all that were offered, ties decided as in a [`Ranking`].
pub(crate) fn ranking(top: Top, corpus: &dyn Corpus) -> Ranking {
    let depth = top.depth();
    let mut hits: Vec<Scored> = top.hits().into_iter().map(scored).collect();
    // Most scores of a long ranking are tied. Names are fetched once for each document here, so that `Ranking::top` finds
    // all in order.
    for tied in hits.chunk_by_mut(|a, b| a.score == b.score) {
        if tied.len() > 1 {
            tied.sort_by_cached_key(|hit| Reverse(corpus.doc_id(hit.doc).as_bytes()));
        }
    }
    hits.truncate(depth);
    Ranking::top(depth, hits, corpus)
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn corpus(rows: usize) -> Documents {
        // Names in another order than rows.
        let name = |row: usize| format!("{}", (row * 77) % 1009);
        let doc = |row| Document { doc_id: name(row), ..Document::default() };
        Documents::new((0..rows).map(doc)).unwrap()
    }

    proptest! {
        #[test]
        fn it_is_the_top_of_all(scores in vec(0..6_u8, 0..200), depth in 0..40_usize) {
            // Few scores, so that most are tied.
            let corpus = corpus(scores.len());
            let scores: Vec<f32> = scores.into_iter().map(|score| f32::from(score) - 3.0).collect();
            let mut top = Top::new(depth);
            top.offer_all(0, &scores);
            let all = (0..).zip(&scores).map(|(doc, &score)| Scored { doc: DocNo(doc), score });
            prop_assert_eq!(ranking(top, &corpus), Ranking::top(depth, all.collect(), &corpus));
        }
    }

    #[test]
    #[should_panic(expected = "not a number")]
    fn what_is_not_a_number_is_not_lost() {
        let mut top = Top::new(1);
        top.offer_all(0, &[1.0, 2.0, 3.0, f32::NAN]);
        ranking(top, &corpus(4));
    }
}
