//! BM25 over a [`LexicalIndex`]: the best documents of a query, exactly.

use std::sync::Arc;

use nir_core::{Contribution, Corpus, DocNo, Match, Ranking, Scored, WeightedTerm};

use super::bm25::{self, Bm25, InvalidBm25};
use super::index::LexicalIndex;
use super::maxscore;
use super::postings::Block;
use super::scoring::{QueryTerm, Scoring};
use crate::ranking::ranking;

/// Searches one index with one setting of BM25. Many threads may use it at once.
pub struct Searcher {
    scoring: Scoring,
    corpus: Arc<dyn Corpus>,
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
        let scoring = Scoring::new(index, bm25)?;
        let documents = scoring.index.documents();
        assert_eq!(corpus.len(), documents, "an index and its corpus have the same rows");
        Ok(Self { scoring, corpus })
    }

    /// The index that it searches.
    pub fn index(&self) -> &LexicalIndex {
        &self.scoring.index
    }

    /// The best `depth` documents that have any of the terms, by MaxScore.
    ///
    /// # Panics
    /// If a weight is not finite.
    pub fn search(&self, query: &[WeightedTerm], depth: usize) -> Ranking {
        let terms = self.scoring.terms(query);
        if depth == 0 || terms.is_empty() {
            return Ranking::default();
        }
        if sums_are_exact(&terms) {
            ranking(maxscore::search(&self.scoring, &terms, depth), &*self.corpus)
        } else {
            self.score_all(&terms, depth)
        }
    }

    /// Like `search`, but scores every document: the reference that [`Searcher::search`] is tested against.
    ///
    /// # Panics
    /// If a weight is not finite.
    pub fn search_exhaustive(&self, query: &[WeightedTerm], depth: usize) -> Ranking {
        self.score_all(&self.scoring.terms(query), depth)
    }

    /// What each term of a query adds to the score of a document: `w_t · idf` and the saturated `tf` are its weights.
    ///
    /// # Panics
    /// If a weight is not finite.
    pub fn explain(&self, query: &[WeightedTerm], doc: DocNo) -> Vec<Contribution> {
        let mut names: Vec<&String> = Vec::new();
        query.iter().for_each(|term| {
            if !names.contains(&&term.term) {
                names.push(&term.term);
            }
        });
        names.into_iter().filter_map(|name| self.explain_term(name, query, doc)).collect()
    }

    fn explain_term(
        &self,
        name: &String,
        query: &[WeightedTerm],
        doc: DocNo,
    ) -> Option<Contribution> {
        let same = query.iter().filter(|term| &term.term == name).cloned().collect::<Vec<_>>();
        let QueryTerm { term, weight } = self.scoring.terms(&same).pop()?;
        let tf = self.scoring.index.postings(&term).freq(doc.0)?;
        let saturation = self.scoring.saturation.of(tf, doc.0);
        let document = bm25::part(1.0, saturation);
        let of = Match::Term { term: name.clone(), query: weight, document };
        Some(Contribution { of, score: bm25::part(weight, saturation) })
    }

    fn score_all(&self, terms: &[QueryTerm], depth: usize) -> Ranking {
        let mut scores = vec![0.0_f64; self.scoring.index.documents()];
        let mut found = vec![false; scores.len()];
        let mut block = Block::empty();
        for QueryTerm { term, weight } in terms {
            let list = self.scoring.index.postings(term);
            for number in 0..list.blocks() {
                list.read(number, &mut block);
                list.read_freqs(&mut block);
                for (&doc, &tf) in block.docs().iter().zip(block.freqs()) {
                    let part = bm25::part(*weight, self.scoring.saturation.of(tf, doc));
                    scores[doc as usize] += f64::from(part);
                    found[doc as usize] = true;
                }
            }
        }
        let hits = (0..).zip(scores).filter(|&(doc, _)| found[doc as usize]);
        let scored = hits.map(|(doc, score)| Scored { doc: DocNo(doc), score: score as f32 });
        Ranking::top(depth, scored.collect(), &*self.corpus)
    }
}

/// Whether the parts of a score add up to the same in any order, as explained in `maxscore.rs`.
fn sums_are_exact(terms: &[QueryTerm]) -> bool {
    let weights = || terms.iter().map(|term| f64::from(term.weight.abs()));
    let least = weights().fold(f64::INFINITY, f64::min);
    // Below the smallest normal number the grid is coarser than 2^-25 of the weight.
    least > f64::from(f32::MIN_POSITIVE) * 4.0 && weights().sum::<f64>() < least * 2_f64.powi(27)
}
