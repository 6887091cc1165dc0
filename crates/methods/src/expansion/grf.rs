//! Generative relevance feedback: a query interpolated with a model of the words that a language model wrote for it.
//! Mackie, Chatterjee and Dalton, SIGIR 2023 (`mackie2023grf`).
//!
//! Relevance feedback takes its terms from the best documents of a first search, and fails where these are not relevant. Texts
//! that a language model wrote for the query (queries, facts, a news article, an essay) take their place: their frequent terms make
//! the model of relevance, as those of documents do in RM3, and nothing is searched before.
//!
//! ```text
//! P(w | D)  = tf(w, D) / Σ tf(w', D)                       over the `terms` most frequent terms w' of D
//! P'(w)     = β · P(w | q) + (1 - β) · P(w | D)
//! ```
//!
//! | symbol     | is                                                                          |
//! |------------|-----------------------------------------------------------------------------|
//! | `D`        | all that was written for the query: its first `most` texts in the file `path`, as one text |
//! | `P(w | q)` | how often `w` occurs in the query, among all terms of the query              |
//! | `β`        | `original_weight`                                                           |
//!
//! Of equally frequent terms the first in the alphabet stay, as with our RM3. The paper was not at hand when this was written:
//! whether it cuts before it normalises, as here, is not known. A query without a text is an error.
//!
//! Try it: `nir run expansion/grf-pocket feedback/bm25-rm3 --on pocket`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{Queries, Query, Result, WeightedTerm, Writer};
use nir_index::{Analyzer, analyzer};
use serde::{Deserialize, Serialize};

use super::written::{Written, check_most};
use crate::term_vector::TermVector;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file of texts by `query_id`: two columns with a tab between them, or JSON lines with `query_id` and `text`,
    /// `pseudo_doc` or a list `texts`; plain or compressed. `pocket:passages.tsv` comes with the program. A relative path starts
    /// in the folder of the config, or for a config below `configs/` in the folder that holds `configs/`.
    #[serde(skip_serializing)] // what the file holds is in every key, wherever it lies
    pub path: PathBuf,
    /// How many texts of a query are taken, from its first.
    pub most: usize,
    /// The name of an analyzer in `nir_index::analyzer`, which cuts texts into terms; it must be that of the retriever that
    /// follows.
    pub analyzer: String,
    /// How many terms are taken from the texts.
    pub terms: usize,
    /// The weight of the original query, from 0 to 1.
    pub original_weight: f64,
}

impl Algorithm for Config {
    const NAME: &'static str = "grf";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "mackie2023grf";
    const SHAPE: Shape = Shape::Writer;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let written = Written::read(context, &self.path, self.most)?;
        let analyzer = analyzer(&self.analyzer)?;
        Ok(Stage::Writer(Box::new(Grf { written, analyzer, config: self.clone() })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        analyzer(&self.analyzer).map_err(|error| error.to_string())?;
        check_most(self.most)?;
        match (self.terms, self.original_weight) {
            (0, _) => Err("`terms` must be at least 1, found 0".to_owned()),
            (_, weight) if !(0.0..=1.0).contains(&weight) => {
                Err(format!("`original_weight` must lie between 0 and 1, found {weight}"))
            }
            _ => Ok(()),
        }
    }

    fn files(&self) -> Vec<&Path> {
        vec![&self.path]
    }
}

struct Grf {
    written: Written,
    analyzer: Arc<dyn Analyzer>,
    config: Config,
}

impl Writer for Grf {
    fn write(&self, queries: &Queries) -> Result<Queries> {
        let terms = queries.iter().map(|query| self.weighted(query));
        Ok(queries.with_terms(terms.collect::<Result<_>>()?))
    }
}

impl Grf {
    /// The terms of the expanded query, weighted by `P'(w)`.
    fn weighted(&self, query: &Query) -> Result<Vec<WeightedTerm>> {
        let Config { terms, original_weight: beta, .. } = self.config;
        let texts = self.written.texts(query)?.iter();
        let written: TermVector = texts.flat_map(|text| self.analyzer.terms(text)).collect();
        let original: TermVector = self.analyzer.terms(&query.text).into_iter().collect();
        let mut mixed = TermVector::default();
        mixed.add_scaled(&original.sum_to_one(), beta);
        mixed.add_scaled(&written.heaviest(terms).sum_to_one(), 1.0 - beta);
        Ok(mixed.into_terms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expansion::written::testing::written;

    fn grf(original_weight: f64) -> Grf {
        let texts = [("q", "tea leaf tea cup"), ("q", "tea leaf leaf milk")];
        let (path, analyzer_name) = (PathBuf::from("texts.tsv"), "whitespace".to_owned());
        let config = Config { path, most: 2, analyzer: analyzer_name, terms: 2, original_weight };
        let analyzer = analyzer("whitespace").unwrap();
        Grf { written: written(&texts, 2).unwrap(), analyzer, config }
    }

    #[track_caller]
    fn assert_terms(found: &[WeightedTerm], expected: &[(&str, f32)]) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (term, (name, weight)) in found.iter().zip(expected) {
            assert!(term.term == *name && (term.weight - weight).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn matches_the_hand_computed_example() {
        // Both texts: tea 3, leaf 3, cup 1, milk 1. The two most frequent: tea 3/6, leaf 3/6. The query: hot 1/2, tea 1/2.
        // β = 0.4: hot 0.4 · 0.5 = 0.2; leaf 0.6 · 0.5 = 0.3; tea 0.4 · 0.5 + 0.6 · 0.5 = 0.5
        let terms = grf(0.4).weighted(&Query::new("q", "hot tea")).unwrap();
        assert_terms(&terms, &[("hot", 0.2), ("leaf", 0.3), ("tea", 0.5)]);
    }

    #[test]
    fn the_weight_goes_from_the_texts_alone_to_the_query_alone() {
        let query = Query::new("q", "hot tea");
        assert_terms(&grf(0.0).weighted(&query).unwrap(), &[("leaf", 0.5), ("tea", 0.5)]);
        assert_terms(&grf(1.0).weighted(&query).unwrap(), &[("hot", 0.5), ("tea", 0.5)]);
    }

    #[test]
    fn a_query_without_a_text_is_refused() {
        let queries = Queries::new(vec![Query::new("r", "milk")]).unwrap();
        let error = grf(0.4).write(&queries).unwrap_err().to_string();
        assert!(error.contains("texts.tsv: no text for query `r` (`milk`)"), "{error}");
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let error = |change: fn(&mut Config)| {
            let mut config = grf(0.4).config;
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(error(|config| config.terms = 0).contains("`terms` must be at least 1"));
        assert!(error(|config| config.most = 0).contains("`most` must be at least 1"));
        assert!(
            error(|config| config.original_weight = 1.5).contains("between 0 and 1, found 1.5")
        );
        assert!(error(|config| config.analyzer = "none".to_owned()).contains("`none`"));
    }
}
