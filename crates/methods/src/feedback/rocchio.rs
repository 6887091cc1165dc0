//! Rocchio's relevance feedback, with the best documents of a first search taken as relevant.
//! Rocchio, in The SMART Retrieval System, 1971 (`rocchio1971relevance`).
//!
//! Queries and documents are vectors of term weights. The best query for the relevant documents lies where they lie, so
//! the query is moved towards their centre.
//!
//! ```text
//! q' = α · q / |q| + β · (1 / |F|) · Σ_{d in F} d / |d|
//! ```
//!
//! | symbol | is                                                                  |
//! |--------|---------------------------------------------------------------------|
//! | `q`    | the query: how often each term occurs                               |
//! | `d`    | a document: `tf · idf` of each term, idf as BM25 has it             |
//! | `F`    | the best `documents` of the first search; no irrelevant ones are known |
//! | `α, β` | `original_weight`, `feedback_weight`                                |
//!
//! The centre is cut to its `terms` heaviest terms. SMART weighted a document's terms in several ways; we chose `tf · idf`.
//!
//! Try it: `nir run feedback/bm25-rocchio --on pocket`

use std::sync::Arc;

use nir_core::{
    Corpus, DocNo, Queries, Query, Ranking, Result, Rewriter, Run, Version, WeightedTerm,
};
use nir_index::versions;
use nir_index::{Analyzer, LexicalIndex, analyzer};
use serde::{Deserialize, Serialize};

use crate::term_vector::TermVector;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of an analyzer in `nir_index::analyzer`, which cuts texts into terms; it must be that of the retriever
    /// that follows.
    pub analyzer: String,
    /// The number of documents that are assumed to be relevant.
    pub documents: usize,
    /// The number of terms that are kept of the documents' centre.
    pub terms: usize,
    /// The weight of the original query: α.
    pub original_weight: f64,
    /// The weight of the documents: β.
    pub feedback_weight: f64,
}

impl Algorithm for Config {
    const NAME: &'static str = "rocchio";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "rocchio1971relevance";
    const SHAPE: Shape = Shape::Rewriter;

    fn parts(&self) -> Vec<Version> {
        vec![versions::LEXICAL]
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let analyzer = analyzer(&self.analyzer)?;
        let index = context.lexical_index(&analyzer)?;
        let corpus = Arc::clone(&context.corpus);
        Ok(Stage::Rewriter(Box::new(Rocchio { config: self.clone(), analyzer, index, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        analyzer(&self.analyzer).map_err(|error| error.to_string())?;
        let (alpha, beta) = (self.original_weight, self.feedback_weight);
        let fits = alpha >= 0.0 && beta >= 0.0 && alpha + beta > 0.0;
        fits.then_some(()).ok_or_else(|| {
            format!("the weights must be at least 0 and not both 0, found {alpha}, {beta}")
        })
    }
}

struct Rocchio {
    config: Config,
    analyzer: Arc<dyn Analyzer>,
    index: Arc<LexicalIndex>,
    corpus: Arc<dyn Corpus>,
}

impl Rewriter for Rocchio {
    fn rewrite(&self, queries: &Queries, feedback: &Run) -> Result<Queries> {
        let terms =
            queries.iter().zip(feedback.iter()).map(|(query, found)| self.rewritten(query, found));
        Ok(queries.with_terms(terms.collect()))
    }
}

impl Rocchio {
    fn rewritten(&self, query: &Query, found: &Ranking) -> Vec<WeightedTerm> {
        let original: TermVector = self.analyzer.terms(&query.text).into_iter().collect();
        let mut moved = TermVector::default();
        moved.add_scaled(&original.unit_length(), self.config.original_weight);
        moved.add_scaled(&self.centre(found), self.config.feedback_weight);
        moved.into_terms()
    }

    /// The mean of the best documents' unit vectors, cut to the heaviest terms.
    fn centre(&self, found: &Ranking) -> TermVector {
        let best = &found[..found.len().min(self.config.documents)];
        let mut centre = TermVector::default();
        for hit in best {
            centre.add_scaled(&self.document(hit.doc), 1.0 / best.len() as f64);
        }
        centre.heaviest(self.config.terms)
    }

    /// A document as a unit vector of the weights `tf · idf`.
    fn document(&self, doc: DocNo) -> TermVector {
        let counts: TermVector =
            self.analyzer.terms(self.corpus.contents(doc)).into_iter().collect();
        let mut weighted = TermVector::default();
        for (term, tf) in counts.iter() {
            weighted.add(term, tf * self.idf(term));
        }
        weighted.unit_length()
    }

    /// The inverse document frequency, `ln(1 + (N - df + 0.5) / (df + 0.5))`.
    fn idf(&self, term: &str) -> f64 {
        let (n, df) = (self.index.documents() as f64, f64::from(self.index.doc_freq(term)));
        (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::testing::{assert_terms, found, tea};

    #[test]
    fn matches_the_hand_computed_example() {
        // idf: tea ln(1 + 18.5/2.5) = 2.128232; milk and sugar ln(1 + 19.5/1.5) = 2.639057
        // d0: tea 2 · 2.128232, milk 2.639057; over its length 5.008205: 0.849898, 0.526947
        // d1: tea 2.128232, sugar 2.639057; over its length 3.390279: 0.627746, 0.778419
        // centre: tea 0.738822, milk 0.263473, sugar 0.389210; the two heaviest: tea, sugar
        // q' = tea 1 + 0.5 · 0.738822, sugar 0.5 · 0.389210
        let (corpus, index, analyzer) = tea();
        let (query, ranking) = found(&corpus);
        let config = Config {
            analyzer: "whitespace".into(),
            documents: 2,
            terms: 2,
            original_weight: 1.0,
            feedback_weight: 0.5,
        };
        let rocchio = Rocchio { config, analyzer, index, corpus };
        let terms = rocchio.rewritten(&query, &ranking);
        assert_terms(&terms, &[("sugar", 0.194_605), ("tea", 1.369_411)]);
    }
}
