//! What 8-bit integers cost: for each checkpoint that runs here, how many of the ten best documents stay.
//!
//! The checkpoints inside the program always; `all-MiniLM-L6-v2` and others where `NIR_MODELS` holds them, and a line that says
//! so where it does not. A change of the kernels that loses more than a checkpoint lost before fails here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::Nir;

/// A run file's best ten documents of each query.
fn best(nir: &Nir, name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(nir.path(name)).unwrap();
    let mut best: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [query_id, _, doc_id, rank, ..] = columns[..] else { panic!("{line}") };
        if rank.parse::<usize>().unwrap() <= 10 {
            best.entry(query_id.to_owned()).or_default().insert(doc_id.to_owned());
        }
    }
    best
}

/// The mean over queries of the share of the ten best in f32 that int8 has among its own; `run` is all but the precision.
fn overlap(nir: &Nir, run: &[&str]) -> f64 {
    for (precision, file) in [("f32", "f32.trec"), ("int8", "int8.trec")] {
        let how = ["--offline", "--precision", precision, "--run", file];
        nir.run(&[run, &how].concat()).ok();
    }
    let (exact, rounded) = (best(nir, "f32.trec"), best(nir, "int8.trec"));
    assert!(!exact.is_empty() && exact.len() == rounded.len());
    let shared = |(query_id, ten): (&String, &BTreeSet<String>)| {
        ten.intersection(&rounded[query_id]).count() as f64 / ten.len() as f64
    };
    exact.iter().map(shared).sum::<f64>() / exact.len() as f64
}

/// Fails unless at least `least` of the ten best stay.
#[track_caller]
fn gate(nir: &Nir, method: &str, over: &[&str], least: f64) {
    let found = overlap(nir, &[&["run", method], over].concat());
    println!("{method}: overlap@10 of int8 with f32 is {found:.4}, at least {least} expected");
    assert!(found >= least, "{method}: overlap@10 is {found:.4}, expected at least {least}");
}

const POCKET: [&str; 2] = ["--on", "pocket"];

#[test]
fn the_small_dense_encoder_keeps_its_ten_best() {
    gate(&Nir::new(), "dense/dpr-pocket", &POCKET, 0.98);
}

#[test]
fn the_small_sparse_encoder_keeps_its_ten_best() {
    gate(&Nir::new(), "sparse/splade-pocket", &POCKET, 0.98);
}

/// A file of the repository.
fn repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn the_small_cross_encoder_keeps_its_ten_best() {
    let nir = Nir::new();
    let config = repository("configs/cross_encoder/monobert-pocket.toml");
    // Of BM25's 100 best the first 30: a third of the pairs says as much.
    assert!(config.contains("= 100\n"));
    nir.write("mine/reranker.toml", &config.replace("= 100\n", "= 30\n"));
    gate(&nir, "mine/reranker.toml", &POCKET, 0.95);
}

/// Ranks every `step`th document of pocket by a method whose weights lie in `folder` below `NIR_MODELS`, in both precisions;
/// `least` is the share of the ten best that stays: what was measured, less a hundredth.
fn gate_published(folder: &str, method: &str, step: usize, least: f64) {
    let models = std::env::var_os("NIR_MODELS").map(PathBuf::from).unwrap_or_default();
    let weights = models.join(folder);
    if !weights.is_dir() {
        println!("skipped: NIR_MODELS holds no folder `{folder}`, which {method} needs");
        return;
    }
    let nir = Nir::new();
    let config = repository(&format!("configs/{method}.toml"));
    // Weights that no hub has are named by their folder.
    let location = format!("file:models/{folder}");
    let config = config.replace(&location, &format!("file:{}", weights.display()));
    nir.write("mine/published.toml", &config);
    let documents = repository("datasets/pocket/collection.tsv");
    nir.write("documents.tsv", &documents.split_inclusive('\n').step_by(step).collect::<String>());
    nir.write("queries.tsv", &repository("datasets/pocket/queries.tsv"));
    let models = models.to_str().unwrap();
    let over = ["--corpus", "documents.tsv", "--queries", "queries.tsv", "--models", models];
    gate(&nir, "mine/published.toml", &over, least);
}

#[test]
fn minilm_keeps_its_ten_best() {
    // .9658 measured
    gate_published("all-MiniLM-L6-v2", "dense/minilm-l6", 1, 0.955);
}

#[test]
fn splade_tiny_keeps_its_ten_best() {
    // .9875 measured
    gate_published("splade-tiny", "sparse/splade-tiny", 1, 0.975);
}

/// Twelve layers of width 768 take a minute and a half of processor time over all of pocket, so over every tenth document.
#[test]
fn mpnet_keeps_its_ten_best() {
    // .9558 measured; over all documents .9542
    gate_published("all-mpnet-base-v2", "dense/all-mpnet-base-v2", 10, 0.945);
}

#[test]
fn multilingual_e5_in_four_bits_keeps_its_ten_best() {
    // .9467 measured; over all documents .9417
    let folder = "multilingual-e5-small-4-bits";
    gate_published(folder, "dense/multilingual-e5-small-4-bits", 4, 0.935);
}
