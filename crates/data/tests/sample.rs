//! Samples of the toy collection: drawn, written, fetched and opened.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use nir_core::{Silent, TrecRun};
use nir_data::{
    Cache, Dataset, Drawn, Fetch, Manifests, Patience, SampleError, SampleRule, SampleRun, Scope,
    draw, write_sample,
};
use tempfile::TempDir;

fn toy() -> Dataset {
    let manifests = Manifests::load(None).unwrap();
    Dataset::open(&Cache::at("/nonexistent"), manifests.get("toy").unwrap()).unwrap()
}

fn rule() -> SampleRule {
    SampleRule { queries: Some(2), judged: true, random: 0, seed: 7 }
}

fn random(random: usize, seed: u64) -> Drawn {
    let rule = SampleRule { queries: None, judged: false, random, seed };
    draw(&toy(), &rule, &[]).unwrap()
}

fn run(lists: &[(&str, &[(&str, f64)])]) -> SampleRun {
    let mut run = TrecRun::default();
    for (query_id, hits) in lists {
        for (doc_id, score) in *hits {
            run.list_mut(query_id).push(doc_id, *score, 1);
        }
    }
    SampleRun { name: "bm25.trec".into(), depth: 2, run }
}

#[test]
fn a_seed_draws_the_same_names_and_another_seed_others() {
    assert_eq!(random(4, 1), random(4, 1));
    assert_ne!(random(4, 1).documents, random(4, 2).documents);
}

#[test]
fn a_larger_sample_holds_a_smaller_one() {
    let (small, large) = (random(3, 1).documents, random(6, 1).documents);
    assert!(small.iter().all(|doc_id| large.contains(doc_id)));
    assert!(large.is_sorted());
}

#[test]
fn judged_documents_of_the_drawn_queries_are_all_there() {
    let drawn = draw(&toy(), &rule(), &[]).unwrap();
    assert_eq!((drawn.queries.len(), drawn.judged_outside), (2, 0));
    let toy = toy();
    for query_id in &drawn.queries {
        let judged = toy.qrels.get(query_id).unwrap();
        assert!(judged.keys().all(|doc_id| drawn.documents.contains(doc_id)));
    }
}

#[test]
fn a_run_gives_its_best_documents_by_score_whatever_its_order() {
    let rule = SampleRule { queries: None, judged: false, random: 0, seed: 0 };
    let run = run(&[("q1", &[("d09", 1.0), ("d03", 3.0), ("d04", 2.0), ("d05", 2.0)])]);
    // 3.0, then a tie of 2.0 that goes to the larger doc_id, as trec_eval sorts.
    assert_eq!(draw(&toy(), &rule, &[run]).unwrap().documents, ["d03", "d05"]);
}

#[test]
fn a_run_over_another_collection_is_refused() {
    let error =
        draw(&toy(), &SampleRule { queries: None, ..rule() }, &[run(&[("q1", &[("x", 1.0)])])]);
    assert_eq!(error.unwrap_err().to_string(), "`bm25.trec` found `x`, which `toy` does not hold");
}

#[test]
fn more_queries_than_there_are_is_an_error() {
    let error = draw(&toy(), &SampleRule { queries: Some(6), ..rule() }, &[]).unwrap_err();
    assert!(matches!(error, SampleError::Queries { found: 5, asked: 6, .. }));
}

#[test]
fn judged_documents_left_out_are_counted() {
    let drawn = random(1, 3);
    let toy = toy();
    let judged: std::collections::HashSet<_> =
        toy.qrels.iter().flat_map(|(_, docs)| docs.keys()).collect();
    let held = judged.iter().filter(|doc_id| drawn.documents.contains(doc_id)).count();
    assert_eq!(drawn.judged_outside, judged.len() - held);
}

#[test]
fn what_is_written_can_be_fetched_and_opened() {
    let root = TempDir::new().unwrap();
    let drawn = draw(&toy(), &rule(), &[]).unwrap();
    let manifests = Manifests::load(None).unwrap();
    let folder = root.path().join("datasets");
    write_sample(&folder, "sip", manifests.get("toy").unwrap(), &drawn).unwrap();
    assert!(write_sample(&folder, "sip", manifests.get("toy").unwrap(), &drawn).is_err());

    let manifests = Manifests::load(Some(root.path())).unwrap();
    let cache = Cache::at(root.path().join("cache"));
    let fetch = Fetch {
        from: None,
        offline: true,
        again: false,
        accept: &|_| true,
        patience: Patience::INTERNET,
        progress: &Silent,
    };
    fetch.dataset(&manifests, "sip", &cache).unwrap();
    let sip = Dataset::open(&cache, manifests.get("sip").unwrap()).unwrap();
    assert_eq!(sip.card.scope, Scope::Sample);
    assert_eq!(sip.corpus.len(), drawn.documents.len());
    assert_eq!(sip.queries.len(), 2);
    assert_eq!(sip.judged_outside(), 0);
}
