//! BM25 over a [`LexicalIndex`]: the best documents of a query, exactly.

use std::sync::Arc;

use nir_core::{Corpus, DocNo, Ranking, Scored, WeightedTerm};

use crate::bm25::{self, Bm25, InvalidBm25, Saturation};
use crate::lexical::{Block, IndexTerm, LexicalIndex, PostingList};
use crate::maxscore;

/// Searches one index with one setting of BM25. Many threads may use it at once.
pub struct Searcher {
    pub(crate) index: Arc<LexicalIndex>,
    pub(crate) corpus: Arc<dyn Corpus>,
    pub(crate) saturation: Saturation,
    /// The largest saturation of each block.
    pub(crate) block_maxima: Vec<f32>,
}

/// A term of a query that is in the index.
#[derive(Debug, Clone)]
pub(crate) struct QueryTerm {
    pub(crate) term: IndexTerm,
    /// `w_t`, the weights of its repetitions added.
    pub(crate) weight: f32,
}

impl Searcher {
    /// Prepares lengths and bounds for these parameters; `corpus` is what the index was built from.
    ///
    /// # Panics
    /// If the corpus is of another size than the index.
    pub fn new(
        index: Arc<LexicalIndex>,
        corpus: Arc<dyn Corpus>,
        bm25: Bm25,
    ) -> Result<Self, InvalidBm25> {
        bm25.check()?;
        assert_eq!(corpus.len(), index.documents(), "an index and its corpus have the same rows");
        let saturation = Saturation::new(bm25, &index);
        let block_maxima = index.block_maxima(|tf, length| saturation.of_length(tf, length));
        Ok(Self { index, corpus, saturation, block_maxima })
    }

    /// The index it searches.
    pub fn index(&self) -> &LexicalIndex {
        &self.index
    }

    /// The best `depth` documents that have any of the terms.
    pub fn search(&self, query: &[WeightedTerm], depth: usize) -> Ranking {
        let terms = self.terms(query);
        if depth == 0 || terms.is_empty() {
            return Ranking::default();
        }
        maxscore::search(self, &terms, depth)
    }

    /// The best `depth` documents that have any of the terms, each document scored in full.
    ///
    /// The plain algorithm, kept as the oracle of [`Searcher::search`].
    pub fn search_exhaustive(&self, query: &[WeightedTerm], depth: usize) -> Ranking {
        let mut scores = vec![0.0_f64; self.index.documents()];
        let mut found = vec![false; scores.len()];
        let mut block = Block::empty();
        for QueryTerm { term, weight } in self.terms(query) {
            let list = self.index.postings(&term);
            let weight = self.idf_weight(weight, &list);
            for number in 0..list.blocks() {
                list.read(number, &mut block);
                list.read_freqs(&mut block);
                for (&doc, &tf) in block.docs().iter().zip(block.freqs()) {
                    scores[doc as usize] +=
                        f64::from(bm25::part(weight, self.saturation.of(tf, doc)));
                    found[doc as usize] = true;
                }
            }
        }
        let hits = (0..).zip(scores).filter(|&(doc, _)| found[doc as usize]);
        let scored = hits.map(|(doc, score)| Scored { doc: DocNo(doc), score: score as f32 });
        Ranking::top(depth, scored.collect(), &*self.corpus)
    }

    pub(crate) fn idf_weight(&self, weight: f32, list: &PostingList) -> f32 {
        weight * bm25::idf(self.index.documents_with_terms(), list.doc_freq)
    }

    /// The terms that the index has, each once, in the order of the query.
    ///
    /// # Panics
    /// If a weight is not finite.
    pub(crate) fn terms(&self, query: &[WeightedTerm]) -> Vec<QueryTerm> {
        let mut terms: Vec<QueryTerm> = Vec::with_capacity(query.len());
        for WeightedTerm { term: text, weight } in query {
            assert!(weight.is_finite(), "the weight of `{text}` is {weight}");
            let Some(term) = self.index.term(text) else { continue };
            match terms.iter_mut().find(|known| known.term == term) {
                Some(known) => known.weight += weight,
                None => terms.push(QueryTerm { term, weight: *weight }),
            }
        }
        terms.retain(|term| term.weight != 0.0);
        terms
    }
}
