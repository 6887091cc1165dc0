//! Plain folders in place of official files, over real collections where `NIR_DATA` names them.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::path::PathBuf;

use nir_core::Silent;
use nir_data::{Cache, Dataset, Fetch, Fetched, ImportError, Manifests, OriginSource, Patience};
use tempfile::TempDir;

/// A folder of the development data, or `None` with the reason printed.
fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("NIR_DATA");
    if root.is_none() {
        println!("skipped: NIR_DATA does not name the development data");
    }
    root.map(|root| PathBuf::from(root).join(folder))
}

fn fetch(cache: &Cache, name: &str, from: &std::path::Path) -> Result<Fetched, ImportError> {
    let fetch = Fetch {
        from: Some(from),
        offline: true,
        again: false,
        accept: &|_| true,
        patience: Patience::INTERNET,
        progress: &Silent,
    };
    fetch.dataset(&Manifests::load(None).unwrap(), name, cache)
}

fn open(cache: &Cache, name: &str) -> Dataset {
    Dataset::open(cache, Manifests::load(None).unwrap().get(name).unwrap()).unwrap()
}

/// Imports a folder as a dataset and opens it; counts were compared with the manifest on the way.
fn imported(folder: &str, name: &str) -> Option<(Dataset, TempDir)> {
    let from = data(folder)?;
    let scratch = TempDir::new().unwrap();
    let cache = Cache::at(scratch.path());
    assert_eq!(fetch(&cache, name, &from).unwrap(), Fetched::Imported);
    assert_eq!(fetch(&cache, name, &from).unwrap(), Fetched::AlreadyHere);
    Some((open(&cache, name), scratch))
}

#[test]
fn scifact_both_splits() {
    let Some((test, _cache)) = imported("scifact", "beir-scifact") else { return };
    assert_eq!((test.corpus.len(), test.queries.len(), test.qrels.judgements()), (5_183, 300, 339));
    assert_eq!(test.judged_outside(), 0);
    let OriginSource::Plain { note, files } = &test.corpus_origin else { panic!("a plain folder") };
    assert!(note.contains("titles are not separate"));
    assert_eq!(files[0].name, "docs.tsv.gz");
    let Some((train, _cache)) = imported("scifact", "beir-scifact-train") else { return };
    assert_eq!(train.corpus_digest, test.corpus_digest);
    assert_ne!(train.digest, test.digest);
}

#[test]
fn cranfield_codes_become_grades() {
    let Some((cranfield, _cache)) = imported("cranfield", "cranfield") else { return };
    // `1 0 184 2` in the file: code 2, the second best of four.
    assert_eq!(cranfield.qrels.get("1").unwrap()["184"], 3);
    let mut count = [0; 5];
    for (_, docs) in cranfield.qrels.iter() {
        for &grade in docs.values() {
            count[usize::try_from(grade).unwrap()] += 1;
        }
    }
    assert_eq!(count, [225, 363, 734, 387, 128]);
}

#[test]
fn cacm_keeps_queries_that_nobody_judged() {
    let Some((cacm, _cache)) = imported("cacm", "cacm") else { return };
    assert_eq!((cacm.queries.len(), cacm.qrels.len()), (64, 52));
}

#[test]
fn the_mini_samples_share_one_corpus() {
    let Some(from) = data("msmarco-mini") else { return };
    let scratch = TempDir::new().unwrap();
    let cache = Cache::at(scratch.path());
    let names = ["dev", "dl19", "train"].map(|split| format!("msmarco-passage-mini-{split}"));
    for name in &names {
        assert_eq!(fetch(&cache, name, &from).unwrap(), Fetched::Imported);
    }
    let [dev, dl19, train] = names.map(|name| open(&cache, &name));
    assert_eq!(dev.corpus.len(), 48_029);
    assert_eq!(dev.corpus_digest, train.corpus_digest);
    assert_eq!((dev.judged_outside(), train.judged_outside()), (106, 0));
    assert_eq!((dl19.qrels.judgements(), dl19.judged_outside()), (9_260, 3_434));
}

#[test]
fn a_folder_of_another_collection_is_refused() {
    let Some(from) = data("cranfield") else { return };
    let scratch = TempDir::new().unwrap();
    let error = fetch(&Cache::at(scratch.path()), "cacm", &from).unwrap_err();
    assert!(error.to_string().contains("1400 documents, its manifest says 3204"), "{error}");
    assert!(!scratch.path().join("corpora/cacm").exists());
}
