//! RM3: a query interpolated with a relevance model.
//! Abdul-Jaleel, Allan, Croft, Diaz, Larkey, Li, Smucker and Wade, TREC 2004 (`abduljaleel2004rm3`).
//!
//! The best documents of a first search are taken as relevant without asking anybody. The terms that are frequent in them
//! make a language model of relevance (RM1; Lavrenko and Croft, SIGIR 2001, `lavrenko2001relevance`), and the original
//! query is mixed in so that it is not lost.
//!
//! ```text
//! P(w | R)  ∝ Σ_{d in F} P(w | d) · s(q, d)            RM1; s stands for the query likelihood P(q | d)
//! P'(w)     = λ · P(w | q) + (1 - λ) · P(w | R)         RM3
//! ```
//!
//! | symbol     | is                                                                    |
//! |------------|-----------------------------------------------------------------------|
//! | `F`        | the best `documents` of the first search                              |
//! | `P(w | d)` | how often `w` occurs in `d`, among the `terms` heaviest terms of `d`  |
//! | `s(q, d)`  | the first search's score                                              |
//! | `λ`        | `original_weight`                                                     |
//!
//! As Anserini does: a document's own terms are cut to the `terms` most frequent before they are normalised; terms shorter
//! than 2 or longer than 20 letters, with anything but `a-z0-9`, or in more than a tenth of all documents are left out.
//! Where two terms are equally frequent Anserini keeps whichever its hash table lists first; we keep the first in the
//! alphabet, so single queries differ.
//!
//! Try it: `nir run feedback/bm25-rm3 --on pocket`

use std::sync::Arc;

use nir_core::{Corpus, Queries, Query, Ranking, Result, Rewriter, Run, Version, WeightedTerm};
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
    /// How many terms are taken from a document, and from the model.
    pub terms: usize,
    /// The weight of the original query, from 0 to 1.
    pub original_weight: f64,
}

impl Algorithm for Config {
    const NAME: &'static str = "rm3";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "abduljaleel2004rm3";
    const SHAPE: Shape = Shape::Rewriter;

    fn parts(&self) -> Vec<Version> {
        vec![versions::LEXICAL]
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let analyzer = analyzer(&self.analyzer)?;
        let index = context.lexical_index(&analyzer)?;
        let corpus = Arc::clone(&context.corpus);
        Ok(Stage::Rewriter(Box::new(Rm3 { config: self.clone(), analyzer, index, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        analyzer(&self.analyzer).map_err(|error| error.to_string())?;
        let weight = self.original_weight;
        let fits = (0.0..=1.0).contains(&weight);
        fits.then_some(())
            .ok_or_else(|| format!("`original_weight` must lie between 0 and 1, found {weight}"))
    }
}

struct Rm3 {
    config: Config,
    analyzer: Arc<dyn Analyzer>,
    index: Arc<LexicalIndex>,
    corpus: Arc<dyn Corpus>,
}

impl Rewriter for Rm3 {
    fn rewrite(&self, queries: &Queries, feedback: &Run) -> Result<Queries> {
        let terms =
            queries.iter().zip(feedback.iter()).map(|(query, found)| self.rewritten(query, found));
        Ok(queries.with_terms(terms.collect()))
    }
}

impl Rm3 {
    fn rewritten(&self, query: &Query, found: &Ranking) -> Vec<WeightedTerm> {
        let original: TermVector = self.analyzer.terms(&query.text).into_iter().collect();
        let lambda = self.config.original_weight;
        let mut mixed = TermVector::default();
        mixed.add_scaled(&original.sum_to_one(), lambda);
        mixed.add_scaled(&self.relevance_model(found), 1.0 - lambda);
        mixed.into_terms()
    }

    /// RM1 over the best documents, cut to the heaviest terms.
    fn relevance_model(&self, found: &Ranking) -> TermVector {
        let mut model = TermVector::default();
        for hit in found.iter().take(self.config.documents) {
            let terms = self.analyzer.terms(self.corpus.contents(hit.doc));
            let document: TermVector = terms.iter().filter(|term| self.is_content(term)).collect();
            model.add_scaled(
                &document.heaviest(self.config.terms).sum_to_one(),
                f64::from(hit.score),
            );
        }
        model.heaviest(self.config.terms).sum_to_one()
    }

    fn is_content(&self, term: &str) -> bool {
        let plain = term.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let frequent = f64::from(self.index.doc_freq(term)) / self.index.documents() as f64 > 0.1;
        plain && (2..=20).contains(&term.len()) && !frequent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::testing::{assert_terms, found, tea};

    #[test]
    fn matches_the_hand_computed_example() {
        // d0: tea 2/3, milk 1/3; d1: tea 1/2, sugar 1/2.
        // RM1: tea 3 · 2/3 + 1 · 1/2 = 2.5, milk 3 · 1/3 = 1, sugar 1 · 1/2 = 0.5; the two heaviest: tea 2.5/3.5, milk 1/3.5
        // RM3: tea 0.5 · 1 + 0.5 · 2.5/3.5 = 0.857143, milk 0.5 · 1/3.5 = 0.142857
        let (corpus, index, analyzer) = tea();
        let (query, ranking) = found(&corpus);
        let config =
            Config { analyzer: "whitespace".into(), documents: 2, terms: 2, original_weight: 0.5 };
        let rm3 = Rm3 { config, analyzer, index, corpus };
        assert_terms(&rm3.rewritten(&query, &ranking), &[("milk", 0.142_857), ("tea", 0.857_143)]);
    }

    #[test]
    fn frequent_short_and_odd_terms_are_no_content() {
        let (corpus, index, analyzer) = tea();
        let config =
            Config { analyzer: "whitespace".into(), documents: 2, terms: 2, original_weight: 0.5 };
        let rm3 = Rm3 { config, analyzer, index, corpus };
        assert!(rm3.is_content("tea")); // in 2 of 20 documents: a tenth, and not more
        assert!(!rm3.is_content("t") && !rm3.is_content("thé") && !rm3.is_content(&"t".repeat(21)));
    }

    #[test]
    fn a_query_that_found_nothing_keeps_its_own_terms() {
        let (corpus, index, analyzer) = tea();
        let config =
            Config { analyzer: "whitespace".into(), documents: 2, terms: 2, original_weight: 0.5 };
        let rm3 = Rm3 { config, analyzer, index, corpus };
        let terms = rm3.rewritten(&Query::new("q", "tea"), &Ranking::default());
        assert_terms(&terms, &[("tea", 0.5)]);
    }
}
