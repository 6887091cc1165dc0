//! An index with one setting of BM25: what a posting adds to a score, and how much each block of them adds at most.

use std::sync::Arc;

use nir_core::WeightedTerm;

use super::bm25::{self, Bm25, InvalidBm25, Saturation};
use super::index::{IndexTerm, LexicalIndex};

/// The numbers that scores are computed from.
pub(super) struct Scoring {
    pub(super) index: Arc<LexicalIndex>,
    pub(super) saturation: Saturation,
    /// The largest saturation of each block.
    pub(super) block_maxima: Vec<f32>,
}

/// A term of a query that is in the index.
#[derive(Debug, Clone)]
pub(super) struct QueryTerm {
    pub(super) term: IndexTerm,
    /// `w_t · idf(t)`, where the `w_t` of repetitions are added first.
    pub(super) weight: f32,
}

impl Scoring {
    pub(super) fn new(index: Arc<LexicalIndex>, bm25: Bm25) -> Result<Self, InvalidBm25> {
        bm25.check()?;
        let saturation = Saturation::new(bm25, &index);
        let block_maxima = index.block_maxima(|tf, length| saturation.of_length(tf, length));
        Ok(Self { index, saturation, block_maxima })
    }

    /// The terms that the index has, each once, in the order of the query.
    pub(super) fn terms(&self, query: &[WeightedTerm]) -> Vec<QueryTerm> {
        let mut terms: Vec<QueryTerm> = Vec::with_capacity(query.len());
        for WeightedTerm { term: text, weight } in query {
            assert!(weight.is_finite(), "the weight of `{text}` is {weight}");
            let Some(term) = self.index.term(text) else { continue };
            match terms.iter_mut().find(|known| known.term == term) {
                Some(known) => known.weight += weight,
                None => terms.push(QueryTerm { term, weight: *weight }),
            }
        }
        let documents = self.index.documents_with_terms();
        for QueryTerm { term, weight } in &mut terms {
            *weight *= bm25::idf(documents, term.doc_freq());
        }
        terms.retain(|term| term.weight != 0.0);
        terms
    }
}
