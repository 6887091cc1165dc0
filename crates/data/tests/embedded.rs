//! What a fresh clone has: the toy and pocket collections, with no network and no cache.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use nir_core::DocNo;
use nir_data::{Cache, Dataset, DatasetError, Manifests, State};

fn open(name: &str) -> Dataset {
    let manifests = Manifests::load(None).unwrap();
    let nowhere = Cache::at("/nonexistent/cache");
    Dataset::open(&nowhere, manifests.get(name).unwrap()).unwrap()
}

#[test]
fn toy_opens_without_a_cache() {
    let toy = open("toy");
    assert_eq!((toy.corpus.len(), toy.queries.len(), toy.qrels.judgements()), (12, 5, 24));
    assert_eq!(toy.corpus.doc_id(DocNo(0)), "d01");
    assert_eq!(toy.qrels.get("q1").unwrap()["d01"], 3);
    assert_eq!(toy.judged_outside(), 0);
}

#[test]
fn pocket_opens_without_a_cache_and_labels_every_query() {
    let pocket = open("pocket");
    assert!(pocket.queries.iter().all(|query| !pocket.labels[&query.query_id].is_empty()));
    assert_eq!(pocket.judged_outside(), 0);
}

#[test]
fn datasets_differ_in_their_digests_and_repeat_them() {
    assert_eq!(open("toy").digest, open("toy").digest);
    assert_ne!(open("toy").digest, open("pocket").digest);
}

#[test]
fn a_dataset_that_was_not_fetched_says_how_to_fetch_it() {
    let manifests = Manifests::load(None).unwrap();
    let cache = Cache::at(tempfile::TempDir::new().unwrap().path());
    let scifact = manifests.get("beir-scifact").unwrap();
    assert_eq!(Dataset::state(&cache, scifact).unwrap(), State::NotFetched);
    let Err(error) = Dataset::open(&cache, scifact) else { panic!("it is not there") };
    assert!(matches!(error, DatasetError::NotHere { .. }));
    assert_eq!(error.to_string(), "`beir-scifact` is not here yet; run `nir fetch beir-scifact`");
}

#[test]
fn an_unknown_dataset_names_those_that_come_close() {
    let manifests = Manifests::load(None).unwrap();
    let error = manifests.get("scifact").unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown dataset `scifact`: expected one of beir-scifact, beir-scifact-train, nano-beir-scifact"
    );
}
