//! Small texts of our own with what Lucene made of them; `fixtures/README.md` says how it was recorded.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nir_core::{Corpus, Document, Documents, Silent, WeightedTerm};
use nir_index::{Bm25, Lengths, LexicalIndex, Searcher, analyzer};

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(|line| line.split_once('\t').unwrap())
}

#[test]
fn terms_are_lucenes() {
    let english = analyzer("lucene-english").unwrap();
    let texts = include_str!("fixtures/analysis.txt").lines();
    for (text, terms) in texts.zip(include_str!("fixtures/analysis.lucene.txt").lines()) {
        assert_eq!(english.terms(text).join(" "), terms, "{text}");
    }
}

fn corpus() -> Arc<dyn Corpus> {
    let documents = pairs(include_str!("fixtures/corpus.tsv")).map(|(doc_id, text)| Document {
        doc_id: doc_id.to_owned(),
        text: text.to_owned(),
        ..Document::default()
    });
    Arc::new(Documents::new(documents).unwrap())
}

/// By `k1`, `b` and query: the documents with their scores as Lucene printed them, digit by digit.
type Scores = BTreeMap<(String, String, String), BTreeSet<(String, String)>>;

fn recorded() -> Scores {
    let mut scores = Scores::new();
    for line in include_str!("fixtures/scores.lucene.tsv").lines() {
        let [k1, b, query_id, doc_id, score] =
            line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
        scores.entry((k1, b, query_id)).or_default().insert((doc_id, score));
    }
    scores
}

#[test]
fn scores_are_lucenes_bit_for_bit() {
    let corpus = corpus();
    let english = analyzer("lucene-english").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let index = LexicalIndex::build(dir.path(), &*corpus, &*english, &Silent).unwrap();
    let index = Arc::new(index);
    let texts: BTreeMap<&str, &str> = pairs(include_str!("fixtures/queries.tsv")).collect();
    for ((k1, b, query_id), expected) in recorded() {
        let bm25 =
            Bm25 { k1: k1.parse().unwrap(), b: b.parse().unwrap(), lengths: Lengths::LuceneByte };
        let searcher = Searcher::new(Arc::clone(&index), Arc::clone(&corpus), bm25).unwrap();
        let terms = english.terms(texts[query_id.as_str()]).into_iter();
        let query: Vec<_> = terms.map(|term| WeightedTerm { term, weight: 1.0 }).collect();
        let found = searcher.search(&query, 1000);
        let bits = |score: &str| score.parse::<f32>().unwrap().to_bits();
        let expected: BTreeSet<_> =
            expected.iter().map(|(doc_id, score)| (doc_id.as_str(), bits(score))).collect();
        let found: BTreeSet<_> =
            found.iter().map(|hit| (corpus.doc_id(hit.doc), hit.score.to_bits())).collect();
        assert_eq!(found, expected, "k1 = {k1}, b = {b}, {query_id}");
    }
}
