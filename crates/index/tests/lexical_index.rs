//! An index on disk: what it counts, what it refuses, and that two builds are one.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::sync::Arc;

use nir_core::{Corpus, DocNo, Document, Documents, Silent, WeightedTerm};
use nir_index::{
    Bm25, IndexError, InvalidBm25, Lengths, LexicalIndex, Searcher, TantivySearcher, analyzer,
};

const BM25: Bm25 = Bm25 { k1: 1.2, b: 0.75, lengths: Lengths::LuceneByte };

fn corpus(texts: &[&str]) -> Arc<dyn Corpus> {
    let document = |(row, text): (usize, &&str)| Document {
        doc_id: format!("d{row}"),
        text: (*text).to_owned(),
        ..Document::default()
    };
    Arc::new(Documents::new(texts.iter().enumerate().map(document)).unwrap())
}

fn build(dir: &Path, corpus: &dyn Corpus) -> Result<LexicalIndex, IndexError> {
    LexicalIndex::build(dir, corpus, &*analyzer("whitespace").unwrap(), &Silent)
}

fn query(terms: &[&str]) -> Vec<WeightedTerm> {
    terms.iter().map(|term| WeightedTerm { term: (*term).to_owned(), weight: 1.0 }).collect()
}

const TEA: [&str; 4] = ["tea is a drink", "", "green tea and black tea", "coffee"];

#[test]
fn counts_are_those_of_the_texts() {
    let dir = tempfile::tempdir().unwrap();
    let index = build(dir.path(), &*corpus(&TEA)).unwrap();
    assert_eq!((index.documents(), index.documents_with_terms()), (4, 3));
    assert_eq!((index.total_terms(), index.unique_terms()), (10, 8));
    assert_eq!((index.doc_freq("tea"), index.doc_freq("milk")), (2, 0));
    assert_eq!((index.length(DocNo(1)), index.length(DocNo(2))), (0, 5));
    assert_eq!(index.analyzer_name(), "whitespace@1");
}

#[test]
fn a_score_is_that_of_the_formula() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = corpus(&TEA);
    let index = Arc::new(build(dir.path(), &*corpus).unwrap());
    let searcher = Searcher::new(index, corpus, BM25).unwrap();
    let found = searcher.search(&query(&["tea"]), 10);
    // idf = ln(1 + (3 - 2 + 0.5) / (2 + 0.5)) = ln 1.6 = 0.470004;  avgdl = 10 / 3
    // d2: 2 / (2 + 1.2 · (0.25 + 0.75 · 5 / 3.3333)) = 2 / 3.65    = 0.547945  -> 0.257536
    // d0: 1 / (1 + 1.2 · (0.25 + 0.75 · 4 / 3.3333)) = 1 / 2.38    = 0.420168  -> 0.197481
    let scores: Vec<_> = found.iter().map(|hit| (hit.doc.0, hit.score)).collect();
    assert_eq!((scores[0].0, scores[1].0), (2, 0));
    assert!((scores[0].1 - 0.257_536).abs() < 1e-6 && (scores[1].1 - 0.197_481).abs() < 1e-6);
}

#[test]
fn a_repeated_term_counts_as_often() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = corpus(&TEA);
    let index = Arc::new(build(dir.path(), &*corpus).unwrap());
    let searcher = Searcher::new(index, corpus, BM25).unwrap();
    let twice = [WeightedTerm { term: "tea".to_owned(), weight: 2.0 }];
    assert_eq!(searcher.search(&query(&["tea", "tea"]), 10), searcher.search(&twice, 10));
}

#[test]
fn weights_too_far_apart_to_add_exactly_are_scored_in_full() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = corpus(&TEA);
    let index = Arc::new(build(dir.path(), &*corpus).unwrap());
    let searcher = Searcher::new(index, corpus, BM25).unwrap();
    let mut query = query(&["tea", "coffee", "black"]);
    (query[0].weight, query[1].weight) = (1e12, 1e-12);
    assert_eq!(searcher.search(&query, 2), searcher.search_exhaustive(&query, 2));
}

#[test]
fn tantivys_scores_are_ours_times_k1_plus_one() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = corpus(&["a b c", "a a b", "c d", "a b c d e f g"]); // no empty document: N is the same
    let index = Arc::new(build(dir.path(), &*corpus).unwrap());
    let tantivy = TantivySearcher::new(Arc::clone(&index), Arc::clone(&corpus)).unwrap();
    let searcher = Searcher::new(index, corpus, BM25).unwrap();
    let theirs = tantivy.search(&query(&["a", "d"]), 10).unwrap();
    for (ours, theirs) in searcher.search(&query(&["a", "d"]), 10).iter().zip(theirs.iter()) {
        assert_eq!(ours.doc, theirs.doc);
        assert!((ours.score * 2.2 - theirs.score).abs() < 1e-5);
    }
}

#[test]
fn nothing_is_found_in_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (name, texts) in [("none", &[][..]), ("empty", &["", ""][..])] {
        let corpus = corpus(texts);
        let index = Arc::new(build(&dir.path().join(name), &*corpus).unwrap());
        let searcher = Searcher::new(index, corpus, BM25).unwrap();
        assert!(searcher.search(&query(&["tea"]), 10).is_empty());
    }
}

#[test]
fn two_builds_are_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
    build(&first, &*corpus(&TEA)).unwrap();
    build(&second, &*corpus(&TEA)).unwrap();
    let mut names = 0;
    for entry in std::fs::read_dir(&first).unwrap() {
        let name = entry.unwrap().file_name();
        if name != ".managed.json" {
            // tantivy lists its files there in the order of a hash
            assert_eq!(
                std::fs::read(first.join(&name)).unwrap(),
                std::fs::read(second.join(&name)).unwrap()
            );
            names += 1;
        }
    }
    assert!(names >= 8);
}

#[test]
fn a_folder_with_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(matches!(build(dir.path(), &*corpus(&TEA)), Err(IndexError::NotEmpty { .. })));
}

#[test]
fn a_build_that_did_not_finish_is_no_index() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &*corpus(&TEA)).unwrap();
    std::fs::remove_file(dir.path().join("nir-index.json")).unwrap();
    assert!(matches!(LexicalIndex::open(dir.path()), Err(IndexError::Unfinished { .. })));
}

#[test]
fn a_damaged_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &*corpus(&TEA)).unwrap();
    for name in ["nir-lengths.bin", "nir-blocks.bin"] {
        let path = dir.path().join(name);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 4]).unwrap();
        let error = LexicalIndex::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
        std::fs::write(&path, good).unwrap();
    }
    LexicalIndex::open(dir.path()).unwrap();
}

#[test]
fn parameters_without_meaning_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = corpus(&TEA);
    let index = Arc::new(build(dir.path(), &*corpus).unwrap());
    for (k1, b) in [(-1.0, 0.5), (f32::NAN, 0.5), (f32::INFINITY, 0.5), (1.0, 1.5), (1.0, -0.1)] {
        let bm25 = Bm25 { k1, b, ..BM25 };
        let refused: Result<_, InvalidBm25> =
            Searcher::new(Arc::clone(&index), Arc::clone(&corpus), bm25);
        assert!(refused.is_err(), "{k1} {b}");
    }
}

#[test]
fn many_threads_find_what_one_finds() {
    let dir = tempfile::tempdir().unwrap();
    let texts: Vec<String> =
        (0..5000).map(|n| format!("{} {} {}", n % 7, n % 11, n % 13)).collect();
    let corpus = corpus(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let index = Arc::new(build(dir.path(), &*corpus).unwrap());
    let searcher = Searcher::new(index, corpus, BM25).unwrap();
    let search = || searcher.search(&query(&["1", "5", "12"]), 100);
    let alone = search();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(search)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

/// Lists of several blocks, and documents of several lengths.
#[test]
fn parts_add_up_to_the_score_in_lists_of_any_length() {
    let text = |doc: usize| {
        "tea ".repeat(1 + doc % 5) + if doc.is_multiple_of(2) { "milk" } else { "sugar sugar" }
    };
    let texts: Vec<String> = (0..700).map(text).collect();
    let corpus = corpus(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let dir = tempfile::tempdir().unwrap();
    let index = Arc::new(build(dir.path(), &*corpus).unwrap());
    let ours = Searcher::new(Arc::clone(&index), Arc::clone(&corpus), BM25).unwrap();
    let theirs = TantivySearcher::new(index, corpus).unwrap();
    let query = query(&["sugar", "tea", "absent", "tea"]);
    for hit in ours.search(&query, 700).iter() {
        let parts = ours.explain(&query, hit.doc);
        let sum: f32 = parts.iter().map(|part| part.score).sum();
        assert!((sum - hit.score).abs() < 1e-5, "{hit:?}: {parts:?}");
        assert_eq!(parts.len(), 1 + hit.doc.row() % 2);
    }
    for hit in theirs.search(&query, 700).unwrap().iter() {
        let parts = theirs.explain(&query, hit.doc).unwrap();
        let sum: f32 = parts.iter().map(|part| part.score).sum();
        assert!((sum - hit.score).abs() < 1e-5, "{hit:?}: {parts:?}");
    }
}
