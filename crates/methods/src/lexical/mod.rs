//! Exact terms with statistical weights.

pub mod bm25;
pub mod bm25_impacts;
pub mod tantivy_bm25;

use std::sync::Arc;

use nir_core::{Corpus, DocNo, Encode, EncodedTerm, Encoding, Form, Query, Result, WeightedTerm};
use nir_index::Analyzer;

/// The terms of a query with their weights: a rewriter's if it gave any, else each term once, weighted by how often it
/// occurs.
fn query_terms(query: &Query, analyzer: &dyn Analyzer) -> Vec<WeightedTerm> {
    query.terms.clone().unwrap_or_else(|| count(analyzer.terms(&query.text)))
}

fn count(terms: Vec<String>) -> Vec<WeightedTerm> {
    let mut counted: Vec<WeightedTerm> = Vec::new();
    for term in terms {
        match counted.iter_mut().find(|known| known.term == term) {
            Some(known) => known.weight += 1.0,
            None => counted.push(WeightedTerm { term, weight: 1.0 }),
        }
    }
    counted
}

/// A text as terms with their counts: all that a method without a model knows of it.
struct Counted(Arc<dyn Analyzer>);

impl Encode for Counted {
    fn query(&self, query: &Query) -> Result<Encoding> {
        Ok(encoding(query_terms(query, &*self.0)))
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        Ok(encoding(count(self.0.terms(corpus.contents(doc)))))
    }
}

fn encoding(terms: Vec<WeightedTerm>) -> Encoding {
    let own = |WeightedTerm { term, weight }| EncodedTerm { term, weight, is_expansion: false };
    Encoding { tokens: Vec::new(), form: Form::Terms(terms.into_iter().map(own).collect()) }
}

#[cfg(test)]
mod tests {
    use nir_core::{Form, Match};

    use super::*;
    use crate::testing::Lent;

    fn lent() -> Lent {
        Lent::new([("a", "green tea and black tea"), ("b", "tea with milk"), ("c", "coffee")])
    }

    #[test]
    fn the_terms_parts_add_up_to_the_score() {
        let text = "analyzer = \"whitespace\"\nk1 = 0.9\nb = 0.4\nlengths = \"exact\"\ndepth = 10";
        let config: bm25::Config = toml::from_str(text).unwrap();
        let terms = |parts: &Vec<nir_core::Contribution>| {
            let term = |part: &nir_core::Contribution| match &part.of {
                Match::Term { term, query, document } => {
                    assert!((query * document - part.score).abs() < 1e-6);
                    term.clone()
                }
                other => panic!("{other:?}"),
            };
            parts.iter().map(term).collect::<Vec<_>>()
        };
        let parts = lent().explain(&config, "milk tea and tea");
        // idf: tea ln(1 + 1.5 / 2.5) = 0.470, and and milk ln(1 + 2.5 / 1.5) = 0.981; avgdl = 3.
        // a: 2 · 0.470 · 2 / (2 + 0.9 · 1.267) + 0.981 / (1 + 0.9 · 1.267) = 0.599 + 0.458
        // b: 0.981 / 1.9 + 2 · 0.470 / 1.9                                 = 0.516 + 0.495
        assert_eq!(
            parts.iter().map(terms).collect::<Vec<_>>(),
            [vec!["tea", "and"], vec!["milk", "tea"]]
        );
        let scores = parts.concat().into_iter().map(|part| part.score);
        let part = |w: f32, df: f32, tf: f32, length: f32| {
            w * bm25::idf(3.0, df) * bm25::saturation(tf, length, 0.9, 0.4)
        };
        let (a, b) = (5.0 / 3.0, 3.0 / 3.0); // lengths over their mean
        let by_equation = [
            part(2.0, 2.0, 2.0, a),
            part(1.0, 1.0, 1.0, a),
            part(1.0, 1.0, 1.0, b),
            part(2.0, 2.0, 1.0, b),
        ];
        for (part, expected) in parts.concat().iter().zip(by_equation) {
            assert!((part.score - expected).abs() < 1e-6, "{part:?} is not {expected}");
        }
        for (score, by_hand) in scores.zip([0.599, 0.458, 0.516, 0.495]) {
            assert!((score - by_hand).abs() < 1e-3, "{score} is not {by_hand}");
        }
        let tantivy: tantivy_bm25::Config =
            toml::from_str("analyzer = \"whitespace\"\ndepth = 10").unwrap();
        let parts = lent().explain(&tantivy, "milk tea and tea");
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn impacts_computed_beforehand_give_the_same_scores() {
        let text = "analyzer = \"whitespace\"\nk1 = 0.9\nb = 0.4\nlengths = \"exact\"\ndepth = 10";
        let bm25: bm25::Config = toml::from_str(text).unwrap();
        let stored = |storage: &str| -> bm25_impacts::Config {
            toml::from_str(&format!("{text}\nstorage = \"{storage}\"")).unwrap()
        };
        let query = "milk tea and tea or nothing";
        let expected = lent().retrieve(&bm25, query);
        // 32 bits round a sum of three parts; 8 bits round each part to half a step, 0.002 of the largest, below 1.
        for (storage, most) in [("f32", 1e-6), ("u8", 0.01)] {
            let config = stored(storage);
            let found = lent().retrieve(&config, query);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected.iter()) {
                assert_eq!(found.doc, expected.doc);
                assert!((found.score - expected.score).abs() < most, "{found:?} {expected:?}");
            }
            for (parts, hit) in lent().explain(&config, query).iter().zip(found.iter()) {
                let sum: f32 = parts.iter().map(|part| part.score).sum();
                assert!((sum - hit.score).abs() < 1e-5, "{parts:?}");
            }
        }
    }

    #[test]
    fn a_text_becomes_terms_with_counts() {
        let config: tantivy_bm25::Config =
            toml::from_str("analyzer = \"whitespace\"\ndepth = 10").unwrap();
        let [_, document] = lent().encode(&config, "tea", 0);
        let Form::Terms(terms) = document.form else { panic!("{document:?}") };
        let found: Vec<_> = terms.iter().map(|term| (term.term.as_str(), term.weight)).collect();
        assert_eq!(found, [("green", 1.0), ("tea", 2.0), ("and", 1.0), ("black", 1.0)]);
    }
}
