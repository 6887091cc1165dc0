//! BM25 as tantivy has it built in: `k1 = 1.2`, `b = 0.75`, one-byte lengths, block-max WAND.
//! Ding and Suel, SIGIR 2011 (`ding2011bmw`).
//!
//! The formula is that of [`crate::Bm25`] times `k1 + 1`, and `N` counts empty documents too. Kept beside ours so that
//! the difference can be seen and timed. Documents of equal score come out in our order; but which of them are among
//! the best `depth` tantivy decides by its own (the earlier document), so a tie at the cut-off may fall otherwise.

use std::sync::Arc;

use nir_core::{Corpus, DocNo, Ranking, Scored, WeightedTerm};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{ReloadPolicy, Term};

use crate::{IndexError, LexicalIndex};

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

    fn query(&self, query: &[WeightedTerm]) -> BooleanQuery {
        let field = self.index.tantivy().1;
        let clause = |WeightedTerm { term, weight }: &WeightedTerm| {
            let term =
                TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs);
            let weighted = BoostQuery::new(Box::new(term), *weight);
            (Occur::Should, Box::new(weighted) as Box<dyn Query>)
        };
        BooleanQuery::new(query.iter().map(clause).collect())
    }
}
