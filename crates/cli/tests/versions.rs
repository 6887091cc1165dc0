//! Holds every version constant to what its code gives: rankings, indexes and vectors over the toy set, digest by digest.
//!
//! What the cache keeps is found by the versions of the code that makes it. So a change that gives other bytes under the
//! same versions would take up what was made before it, in silence; here it fails, with the names of the constants that
//! may have to be raised. After one was raised, `NIR_RECORD=1 cargo test --release --workspace --test versions` writes the
//! new digests down.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use common::Nir;

/// Every algorithm over a dataset of the program that needs no other weights than the program's.
const METHODS: [&str; 24] = [
    "lexical/bm25",
    "lexical/bm25-impacts",
    "lexical/bm25-tantivy",
    "feedback/bm25-rm3",
    "feedback/bm25-rocchio",
    "feedback/vector-prf-pocket",
    "feedback/bert-qe-pocket",
    "efficient/fast-forward-pocket",
    "expansion/query2doc-pocket",
    "expansion/query2doc-dense-pocket",
    "expansion/hyde-pocket",
    "expansion/grf-pocket",
    "hybrid/combmnz-bm25-rm3",
    "hybrid/combsum-bm25-rm3",
    "hybrid/linear-bm25-rm3",
    "hybrid/rrf-bm25-rm3",
    "hybrid/rrf-bm25-dpr-pocket",
    "dense/dpr-pocket",
    "late/colbert-pocket",
    "feedback/colbert-prf-pocket",
    "sparse/splade-pocket",
    "sparse/splade-pocket-clustered",
    "cross_encoder/monobert-pocket",
    "cross_encoder/monobert-pocket-rrf",
];

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn record() -> PathBuf {
    tests().join("versions/made.tsv")
}

/// Methods over the tiny checkpoints of `nir-nn`, and structures that no method of the program's own weights takes.
fn own_methods() -> Vec<String> {
    let folder = tests().join("versions");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = files.map(|path| path.to_str().unwrap().to_owned()).collect();
    files.retain(|path| path.ends_with(".toml"));
    files.sort();
    files
}

/// What the cache of a `nir` holds of a kind: what it was made of and with, and the digest of its files.
fn made(nir: &Nir, kind: &str, dataset: &str, rows: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(nir.path("cache").join(kind)).into_iter().flatten() {
        let folder = entry.unwrap().path();
        let with = fs::read_to_string(folder.join("made-with.txt")).unwrap();
        let with: Vec<&str> = with.lines().collect();
        let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
        let (_, json) = manifest.split_once('\n').unwrap();
        let manifest: serde_json::Value = serde_json::from_str(json).unwrap();
        let mut digest = blake3::Hasher::new();
        for (name, file) in manifest["files"].as_object().unwrap() {
            // What it cost, and which code made it, are no part of what was made; tantivy lists its own files in any order.
            if !["cost.json", "made-with.txt", ".managed.json"].contains(&name.as_str()) {
                digest.update(format!("{name} {}\n", file["blake3"]).as_bytes());
            }
        }
        let recipe = manifest["recipe"].as_str().unwrap().trim_end().replace('\n', " | ");
        let recipe =
            recipe.replace(tests().parent().unwrap().parent().unwrap().to_str().unwrap(), "…");
        let digest = &digest.finalize().to_hex()[..16];
        rows.insert(
            format!("{kind} of {dataset}\t{recipe}\t{}", with.join(", ")),
            digest.to_owned(),
        );
    }
}

/// Everything that all methods leave in an empty cache.
fn all_made() -> BTreeMap<String, String> {
    let own = own_methods();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    // Sixteen codes are not learned from the twelve documents of the toy set, and twelve documents do not show every
    // changed bit of a score. Pairs of texts take long, and are read by the same code in both sets.
    let is_large = |name: &&str| !name.contains("cross_encoder") && !name.contains("bert-qe");
    let large = METHODS
        .into_iter()
        .filter(is_large)
        .chain(own.iter().copied().filter(|name| name.contains("-pq")));
    let small = METHODS.into_iter().chain(own.iter().copied().filter(|name| !name.contains("-pq")));
    let mut rows = BTreeMap::new();
    for (dataset, methods) in [("toy", small.collect::<Vec<_>>()), ("pocket", large.collect())] {
        let nir = Nir::new();
        nir.run(&[&["run"], &methods[..], &["--on", dataset]].concat()).ok();
        for kind in ["indexes", "runs", "stages", "vectors"] {
            made(&nir, kind, dataset, &mut rows);
        }
    }
    rows
}

/// Whether models give the bits that were written down: all processors with fused multiply-add do, but for products that
/// follow an encoder.
fn is_of_the_recorded_kind() -> bool {
    cfg!(target_arch = "x86_64") && std::arch::is_x86_feature_detected!("avx512f")
}

#[test]
fn what_is_made_under_the_same_versions_is_the_same() {
    let rows = all_made();
    if std::env::var_os("NIR_RECORD").is_some() {
        let mut text = String::new();
        rows.iter().for_each(|(row, digest)| writeln!(text, "{row}\t{digest}").unwrap());
        fs::write(record(), text).unwrap();
        return;
    }
    let text = fs::read_to_string(record()).unwrap();
    let recorded: BTreeMap<&str, &str> =
        text.lines().map(|line| line.rsplit_once('\t').unwrap()).collect();
    for (row, digest) in &rows {
        if row.contains("nn::") && !is_of_the_recorded_kind() {
            continue;
        }
        let [kind, recipe, with] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        match recorded.get(row.as_str()) {
            Some(known) => assert_eq!(
                *known, digest,
                "{kind} of `{recipe}` are others than before, and were made with the same versions: raise that of the \
                 code that changed, one of {with}"
            ),
            None => panic!(
                "{kind} of `{recipe}`, made with {with}, are not in {}: see the head of this test",
                record().display()
            ),
        }
    }
    let gone: Vec<_> = recorded.keys().filter(|row| !rows.contains_key(**row)).collect();
    assert!(gone.is_empty(), "no longer made: {gone:#?}");
}
