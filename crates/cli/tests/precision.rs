//! What 8-bit integers cost: for each checkpoint that runs here, how many of the ten best documents stay.
//!
//! The checkpoints inside the program always; `all-MiniLM-L6-v2` and others where `NIR_MODELS` holds them, and a line that says
//! so where it does not. A change of the kernels that loses more than a checkpoint lost before fails here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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

/// The mean over queries of the share of the ten best in f32 that int8 has among its own.
fn overlap(nir: &Nir, method: &str, models: Option<&Path>) -> f64 {
    for precision in ["f32", "int8"] {
        let run = format!("{precision}.trec");
        let mut arguments = vec![
            "run",
            method,
            "--on",
            "pocket",
            "--offline",
            "--precision",
            precision,
            "--run",
            &run,
        ];
        let folder = models.map(|folder| folder.to_str().unwrap());
        arguments.extend(folder.iter().flat_map(|&folder| ["--models", folder]));
        nir.run(&arguments).ok();
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
fn gate(method: &str, models: Option<&Path>, least: f64) {
    gate_in(&Nir::new(), method, models, least);
}

/// The same for a method that may lie in the folder of `nir`.
#[track_caller]
fn gate_in(nir: &Nir, method: &str, models: Option<&Path>, least: f64) {
    let found = overlap(nir, method, models);
    println!(
        "{method}: overlap@10 of int8 with f32 on pocket is {found:.4}, at least {least} expected"
    );
    assert!(found >= least, "{method}: overlap@10 is {found:.4}, expected at least {least}");
}

#[test]
fn the_small_dense_encoder_keeps_its_ten_best() {
    gate("dense/dpr-pocket", None, 0.98);
}

#[test]
fn the_small_sparse_encoder_keeps_its_ten_best() {
    gate("sparse/splade-pocket", None, 0.98);
}

#[test]
fn the_small_cross_encoder_keeps_its_ten_best() {
    let nir = Nir::new();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let config =
        std::fs::read_to_string(configs.join("cross_encoder/monobert-pocket.toml")).unwrap();
    // Of BM25's 100 best the first 30: a third of the pairs says as much.
    assert!(config.contains("= 100\n"));
    nir.write("mine/reranker.toml", &config.replace("= 100\n", "= 30\n"));
    gate_in(&nir, "mine/reranker.toml", None, 0.95);
}

/// Published checkpoints by their configs, and what they keep.
const PUBLISHED: [(&str, &str, f64); 2] =
    [("all-MiniLM-L6-v2", "dense/minilm-l6", 0.9), ("splade-tiny", "sparse/splade-tiny", 0.95)];

#[test]
fn published_encoders_keep_their_ten_best() {
    let Some(models) = std::env::var_os("NIR_MODELS") else {
        println!("NIR_MODELS is not set: the published encoders are passed over");
        return;
    };
    let models = Path::new(&models);
    for (folder, method, least) in PUBLISHED {
        match models.join(folder).is_dir() {
            true => gate(method, Some(models), least),
            false => println!("NIR_MODELS has no {folder}: {method} is passed over"),
        }
    }
}
