//! BM25 as tantivy has it built in: `k1 = 1.2`, `b = 0.75`, one-byte lengths, block-max WAND.
//! Ding and Suel, SIGIR 2011 (`ding2011bmw`).
//!
//! The formula is that of [`crate::Bm25`] times `k1 + 1`, and `N` counts empty documents too. Kept beside ours so that
//! the difference can be seen and timed. Documents of equal score come out in our order; but which of them are among
//! the best `depth` tantivy decides by its own (the earlier document), so a tie at the cut-off may fall otherwise.

use std::sync::Arc;

use nir_core::{Contribution, Corpus, DocNo, Match, Ranking, Scored, WeightedTerm};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, EnableScoring, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet as _, ReloadPolicy, Term};

use super::index::LexicalIndex;
use crate::IndexError;

/// Searches with tantivy's own scorer. Many threads may use it at once.
pub struct TantivySearcher {
    index: Arc<LexicalIndex>,
    corpus: Arc<dyn Corpus>,
    searcher: tantivy::Searcher,
}

impl TantivySearcher {
    /// Opens tantivy's searcher; `corpus` is what the index was built from.
    ///
    /// # Panics
    /// If the corpus is of another size than the index.
    pub fn new(index: Arc<LexicalIndex>, corpus: Arc<dyn Corpus>) -> Result<Self, IndexError> {
        assert_eq!(corpus.len(), index.documents(), "an index and its corpus have the same rows");
        let reader = index.tantivy().0.reader_builder().reload_policy(ReloadPolicy::Manual);
        let reader = reader.try_into().map_err(IndexError::tantivy(index.dir()))?;
        Ok(Self { searcher: reader.searcher(), index, corpus })
    }

    /// The best `depth` documents that have any of the terms.
    pub fn search(&self, query: &[WeightedTerm], depth: usize) -> Result<Ranking, IndexError> {
        if depth == 0 {
            return Ok(Ranking::default());
        }
        let best = TopDocs::with_limit(depth).order_by_score();
        let found = self.searcher.search(&self.query(query), &best);
        let found = found.map_err(IndexError::tantivy(self.index.dir()))?;
        let scored = found.into_iter().map(|(score, at)| Scored { doc: DocNo(at.doc_id), score });
        Ok(Ranking::top(depth, scored.collect(), &*self.corpus))
    }

    /// What each term of a query adds to the score of a document.
    pub fn explain(
        &self,
        query: &[WeightedTerm],
        doc: DocNo,
    ) -> Result<Vec<Contribution>, IndexError> {
        let parts = query.iter().map(|term| self.explain_term(term, doc));
        let parts: tantivy::Result<Vec<Option<Contribution>>> = parts.collect();
        let parts = parts.map_err(IndexError::tantivy(self.index.dir()))?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn explain_term(
        &self,
        term: &WeightedTerm,
        doc: DocNo,
    ) -> tantivy::Result<Option<Contribution>> {
        let weight =
            self.clause(term).weight(EnableScoring::enabled_from_searcher(&self.searcher))?;
        let mut scorer = weight.scorer(self.searcher.segment_reader(0), 1.0)?;
        // A list may begin behind the document, and then it must not be sought in.
        if scorer.doc() > doc.0 || scorer.seek(doc.0) != doc.0 {
            return Ok(None);
        }
        let (score, query) = (scorer.score(), term.weight);
        let of = Match::Term { term: term.term.clone(), query, document: score / query };
        Ok(Some(Contribution { of, score }))
    }

    fn query(&self, query: &[WeightedTerm]) -> BooleanQuery {
        let clause = |term| (Occur::Should, Box::new(self.clause(term)) as Box<dyn Query>);
        BooleanQuery::new(query.iter().map(clause).collect())
    }

    fn clause(&self, WeightedTerm { term, weight }: &WeightedTerm) -> BoostQuery {
        let term = Term::from_field_text(self.index.tantivy().1, term);
        BoostQuery::new(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)), *weight)
    }
}
