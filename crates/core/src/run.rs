//! Rankings of documents by their rows, as one stage passes them to the next.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::{Corpus, DocNo, Queries, TrecRun};

/// A document and the score that it has for a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The row of the document in its collection.
    pub doc: DocNo,
    /// The score; a larger one is better. Scores of different methods have different scales.
    pub score: f32,
}

impl Scored {
    /// Compares two documents as a ranking orders them: the larger score comes first, and of two equal scores the one with
    /// the larger `doc_id` in byte order, as in trec_eval.
    pub fn rank_order(&self, other: &Self, corpus: &dyn Corpus) -> Ordering {
        other.score.total_cmp(&self.score).then_with(|| {
            corpus.doc_id(other.doc).as_bytes().cmp(corpus.doc_id(self.doc).as_bytes())
        })
    }
}

/// The documents found for one query, best first.
///
/// Its constructors are the only way to make one, so a `Ranking` is always sorted, holds a document once, and holds
/// no score that is not a number.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking(Vec<Scored>);

impl Ranking {
    /// Ranks the documents of `scored` and keeps the best `depth` of them. `scored` must name each document at most once.
    ///
    /// # Panics
    ///
    /// Where a score is not a number (NaN).
    ///
    /// ```
    /// use nir_core::{DocNo, Document, Documents, Ranking, Scored};
    ///
    /// let names = ["a", "b", "c"].map(|name| Document { doc_id: name.into(), ..Document::default() });
    /// let corpus = Documents::new(names)?;
    /// let scored = [(0, 1.0), (1, 2.0), (2, 1.0)].map(|(row, score)| Scored { doc: DocNo(row), score });
    /// let ranking = Ranking::top(2, scored.to_vec(), &corpus);
    /// // `b` has the largest score; `a` and `c` are tied, and the larger doc_id comes first.
    /// assert_eq!(ranking.iter().map(|hit| hit.doc).collect::<Vec<_>>(), [DocNo(1), DocNo(2)]);
    /// # Ok::<(), nir_core::DuplicateDocId>(())
    /// ```
    pub fn top(depth: usize, mut scored: Vec<Scored>, corpus: &dyn Corpus) -> Self {
        for hit in &mut scored {
            assert!(
                !hit.score.is_nan(),
                "the score of `{}` is not a number",
                corpus.doc_id(hit.doc)
            );
            hit.score += 0.0; // -0 becomes +0: they are the same score and must tie
        }
        scored.sort_unstable_by(|a, b| a.rank_order(b, corpus));
        scored.truncate(depth);
        Self(scored)
    }

    /// The first `depth` documents of this ranking by other scores: what a reranker gives.
    ///
    /// - `scores`: computes one score for each of these documents, in their order here
    ///
    /// # Errors
    ///
    /// If `scores` fails.
    ///
    /// # Panics
    ///
    /// Where a score is not a number (NaN).
    pub fn rescored(
        &self,
        depth: usize,
        corpus: &dyn Corpus,
        scores: impl FnOnce(&[DocNo]) -> crate::Result<Vec<f32>>,
    ) -> crate::Result<Self> {
        let docs: Vec<DocNo> = self.iter().take(depth).map(|hit| hit.doc).collect();
        let scored = docs.iter().zip(scores(&docs)?);
        let scored = scored.map(|(&doc, score)| Scored { doc, score }).collect();
        Ok(Self::top(depth, scored, corpus))
    }

    /// The recall of this ranking against the ranking of an exact search: the share, from 0 to 1, of the best `cutoff`
    /// documents of `exact` that are among the best `cutoff` documents here. It is 0 where `exact` is empty.
    pub fn recall(&self, exact: &Self, cutoff: usize) -> f64 {
        let found: HashSet<DocNo> = self.iter().take(cutoff).map(|hit| hit.doc).collect();
        let wanted = &exact[..cutoff.min(exact.len())];
        let hits = wanted.iter().filter(|hit| found.contains(&hit.doc)).count();
        hits as f64 / wanted.len().max(1) as f64
    }

    /// The same ranking without the document `doc`; the scores and the order of the others stay.
    #[must_use]
    pub fn without(mut self, doc: DocNo) -> Self {
        self.0.retain(|hit| hit.doc != doc);
        self
    }
}

impl std::ops::Deref for Ranking {
    type Target = [Scored];

    fn deref(&self) -> &[Scored] {
        &self.0
    }
}

/// The rankings that a stage gives for a set of queries: `run[i]` is the ranking of query `i`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run(pub Vec<Ranking>);

impl Run {
    /// The same run with a `query_id` and `doc_id`s in place of positions and rows, as files and evaluation need it.
    ///
    /// # Panics
    /// If there is not one ranking for each query.
    pub fn named(&self, queries: &Queries, corpus: &dyn Corpus) -> TrecRun {
        assert_eq!(self.0.len(), queries.len(), "one ranking for each query");
        let mut named = TrecRun::default();
        for (query, ranking) in queries.iter().zip(&self.0) {
            let list = named.list_mut(&query.query_id);
            for (rank, hit) in ranking.iter().enumerate() {
                list.push(corpus.doc_id(hit.doc), f64::from(hit.score), rank as u32 + 1);
            }
        }
        named
    }
}

impl std::ops::Deref for Run {
    type Target = [Ranking];

    fn deref(&self) -> &[Ranking] {
        &self.0
    }
}

impl FromIterator<Ranking> for Run {
    fn from_iter<I: IntoIterator<Item = Ranking>>(rankings: I) -> Self {
        Self(rankings.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Documents};

    fn corpus(ids: &[&str]) -> Documents {
        Documents::new(
            ids.iter().map(|id| Document { doc_id: (*id).into(), ..Document::default() }),
        )
        .unwrap()
    }

    fn scored(scores: &[f32]) -> Vec<Scored> {
        scores
            .iter()
            .enumerate()
            .map(|(row, &score)| Scored { doc: DocNo(row as u32), score })
            .collect()
    }

    #[test]
    fn a_tie_goes_to_the_larger_doc_id() {
        // "9" > "10" in byte order, whatever the numbers say.
        let corpus = corpus(&["10", "9", "a"]);
        let ranking = Ranking::top(2, scored(&[1.0, 1.0, 0.5]), &corpus);
        assert_eq!(
            ranking.iter().map(|hit| corpus.doc_id(hit.doc)).collect::<Vec<_>>(),
            ["9", "10"]
        );
    }

    #[test]
    fn minus_zero_ties_with_zero() {
        let corpus = corpus(&["b", "a"]);
        let ranking = Ranking::top(2, scored(&[-0.0, 0.0]), &corpus);
        assert_eq!(corpus.doc_id(ranking[0].doc), "b");
    }

    #[test]
    #[should_panic(expected = "the score of `a` is not a number")]
    fn a_score_that_is_not_a_number_stops_the_run() {
        Ranking::top(1, scored(&[f32::NAN]), &corpus(&["a"]));
    }
}
