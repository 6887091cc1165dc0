//! Our BM25 against Lucene's own rankings, over the collections in `NIR_DATA`; skipped where that is not set.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use nir_core::{Corpus, Document, Documents, Silent, WeightedTerm};
use nir_index::{Bm25, Lengths, LexicalIndex, Searcher, analyzer};

/// Anserini rounds scores to 1e-4 before it sorts, and shifts ties by 1e-6.
const TOLERANCE: f32 = 2e-4;

/// What Lucene counted, from `oracles/README.md`.
struct Collection {
    folder: &'static str,
    documents: &'static str,
    documents_with_terms: usize,
    total_terms: u64,
    unique_terms: u64,
}

fn data() -> Option<PathBuf> {
    let data = std::env::var_os("NIR_DATA").filter(|data| !data.is_empty()).map(PathBuf::from);
    if data.is_none() {
        println!("skipped: NIR_DATA does not name the folder of test collections");
    }
    data
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(|line| line.split_once('\t').unwrap())
}

fn corpus(path: &Path) -> Documents {
    let text = read(path);
    let documents = pairs(&text).map(|(doc_id, text)| Document {
        doc_id: doc_id.to_owned(),
        text: text.to_owned(),
        ..Document::default()
    });
    Documents::new(documents).unwrap()
}

type Rankings = HashMap<String, Vec<(String, f32)>>;

fn rankings(path: &Path) -> Rankings {
    let mut rankings = Rankings::new();
    for line in read(path).lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let hit = (columns[2].to_owned(), columns[4].parse().unwrap());
        rankings.entry(columns[0].to_owned()).or_default().push(hit);
    }
    rankings
}

/// How many documents were compared, and the largest difference of a score.
#[derive(Debug, Default)]
struct Compared {
    documents: usize,
    difference: f32,
}

fn compare(searcher: &Searcher, corpus: &dyn Corpus, queries: &str, lucene: &Rankings) -> Compared {
    let english = analyzer("lucene-english").unwrap();
    let mut compared = Compared::default();
    for (at, (query_id, text)) in pairs(queries).enumerate() {
        let Some(theirs) = lucene.get(query_id) else { continue };
        let terms = english.terms(text).into_iter();
        let query: Vec<_> = terms.map(|term| WeightedTerm { term, weight: 1.0 }).collect();
        let ours = searcher.search(&query, theirs.len());
        if at < 40 {
            assert_eq!(ours, searcher.search_exhaustive(&query, theirs.len()), "query {query_id}");
        }
        assert_eq!(ours.len(), theirs.len(), "query {query_id}");
        let scores: HashMap<&str, f32> =
            ours.iter().map(|hit| (corpus.doc_id(hit.doc), hit.score)).collect();
        let cutoff = theirs.last().unwrap().1;
        for ((doc_id, score), ranked) in theirs.iter().zip(ours.iter()) {
            // The same score at the same rank, and for the same document; but at the cut-off ties may fall otherwise.
            let ours = scores.get(doc_id.as_str()).copied().unwrap_or(cutoff);
            let difference = (ours - score).abs().max((ranked.score - score).abs());
            assert!(difference <= TOLERANCE, "query {query_id}, {doc_id}: {ours} is not {score}");
            compared.documents += 1;
            compared.difference = compared.difference.max(difference);
        }
    }
    compared
}

fn check(collection: &Collection, runs: &[(&str, &str)]) {
    let Some(data) = data() else { return };
    let folder = data.join(collection.folder);
    let corpus: Arc<dyn Corpus> = Arc::new(corpus(&folder.join(collection.documents)));
    let dir = tempfile::tempdir().unwrap();
    let english = analyzer("lucene-english").unwrap();
    let index = LexicalIndex::build(dir.path(), &*corpus, &*english, &Silent).unwrap();
    assert_eq!(index.documents(), corpus.len());
    assert_eq!(index.documents_with_terms(), collection.documents_with_terms);
    assert_eq!(index.total_terms(), collection.total_terms);
    assert_eq!(index.unique_terms(), collection.unique_terms);
    let bm25 = Bm25 { k1: 0.9, b: 0.4, lengths: Lengths::LuceneByte };
    let searcher = Searcher::new(Arc::new(index), Arc::clone(&corpus), bm25).unwrap();
    for (queries, run) in runs {
        let lucene = rankings(&data.join("../oracles/lucene").join(run));
        let compared = compare(&searcher, &*corpus, &read(&folder.join(queries)), &lucene);
        println!("{run}: {compared:?}");
        assert!(compared.documents > 0);
    }
}

#[test]
fn scifact_is_ranked_as_lucene_ranks_it() {
    let scifact = Collection {
        folder: "scifact",
        documents: "docs.tsv.gz",
        documents_with_terms: 5_183,
        total_terms: 838_128,
        unique_terms: 28_865,
    };
    check(&scifact, &[("queries.test.tsv", "scifact.test.trec.gz")]);
}

#[test]
fn cranfield_is_ranked_as_lucene_ranks_it() {
    let cranfield = Collection {
        folder: "cranfield",
        documents: "docs.tsv.gz",
        documents_with_terms: 1_398,
        total_terms: 143_213,
        unique_terms: 5_171,
    };
    check(&cranfield, &[("queries.tsv", "cranfield.all.trec.gz")]);
}

#[test]
fn cacm_is_ranked_as_lucene_ranks_it() {
    let cacm = Collection {
        folder: "cacm",
        documents: "docs.tsv.gz",
        documents_with_terms: 3_204,
        total_terms: 180_653,
        unique_terms: 11_626,
    };
    check(&cacm, &[("queries.tsv", "cacm.all.trec.gz")]);
}

#[test]
fn msmarco_mini_is_ranked_as_lucene_ranks_it() {
    let msmarco = Collection {
        folder: "msmarco-mini",
        documents: "collection.tsv.gz",
        documents_with_terms: 48_029,
        total_terms: 1_935_124,
        unique_terms: 70_945,
    };
    let runs = [
        ("queries.dev.tsv", "msmarco-mini.dev.trec.gz"),
        ("queries.dl19.tsv", "msmarco-mini.dl19.trec.gz"),
    ];
    check(&msmarco, &runs);
}
