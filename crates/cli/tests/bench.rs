//! `nir bench index`, end to end, over the models and the collection inside the program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::Nir;

/// One exact and two approximate structures over dense vectors, two over sparse ones.
const SWEEP: &str = r#"dataset = "pocket"
depth   = 20
rounds  = 1

[[sweep]]
method = "dense/dpr-pocket"
exact  = { use = "flat", storage = "f32" }
index  = [{ use = "ivf", storage = "f32", lists = 8, probe = [1, 8], code = { use = "int8" }, candidates = 1000, sample = 1000, seed = 1 }]

[[sweep]]
method = "sparse/splade-pocket"
exact  = { use = "impacts", storage = "f32" }
index  = [{ use = "clustered", postings = 1000, cluster_fraction = 0.1, summary_energy = 0.4, seed = 1, query_cut = 100, heap_factor = 0.9 }]
"#;

/// Approximate.
const IVF: &str = r#"{ use = "ivf", storage = "f32", lists = 8, probe = 1, code = { use = "sign" }, candidates = 20, sample = 1000, seed = 1 }"#;

fn cell(nir: &Nir, point: &str) -> serde_json::Value {
    let path = nir.path(&format!("out/pocket/sweeps/mine/{point}.json"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

fn recall(cell: &serde_json::Value) -> f64 {
    cell["measures"]["recall@20"]["value"].as_f64().unwrap()
}

#[test]
fn a_sweep_becomes_cells_that_a_report_draws() {
    let nir = Nir::new();
    nir.write("mine.toml", SWEEP);
    let table = nir.run(&["bench", "index", "mine.toml", "--results", "out"]).ok();
    assert!(table.contains("ivf probe=8"), "{table}");

    for exact in ["flat", "impacts"] {
        assert_eq!(recall(&cell(&nir, exact)), 1.0);
    }
    // With all eight lists and every document scored again nothing is missed; with one list much is.
    assert_eq!(recall(&cell(&nir, "ivf-probe=8")), 1.0);
    let least = cell(&nir, "ivf-probe=1");
    assert!(recall(&least) < 0.9);
    let stage = &least["cost"]["stages"][0];
    assert!(stage["bytes"].as_u64().unwrap() > 1000 * 4, "{stage}");
    assert_eq!(least["cost"]["threads"], 1);
    assert!(stage["cpu"]["run"].as_f64().unwrap() > 0.0, "{stage}");
    let clustered = cell(&nir, "clustered");
    assert!(recall(&clustered) > 0.8, "{clustered}");

    let page = nir.run(&["report", "mine.toml", "--results", "out", "--format", "html"]).ok();
    assert!(page.contains("recall@20 against latency") && page.contains("ivf probe=1"), "{page}");
    let table = nir.run(&["report", "mine.toml", "--results", "out"]).ok();
    assert!(table.contains("| queries per CPU second |"), "{table}");
    assert!(table.contains("nir bench index mine.toml"), "{table}");
}

#[test]
fn a_mistake_in_a_sweep_is_shown_in_its_file() {
    let nir = Nir::new();
    nir.write("mine.toml", &SWEEP.replace("candidates", "candidate"));
    let error = nir.run(&["bench", "index", "mine.toml"]).error();
    let expected = "mine.toml:6:10: `ivf probe=1`: unknown field `candidate`";
    assert!(error.contains(expected), "{error}");

    // An exact point that is not exact: the first group has none but this.
    let approximate = SWEEP.replace("{ use = \"flat\", storage = \"f32\" }", IVF);
    nir.write("mine.toml", &approximate);
    let error = nir.run(&["bench", "index", "mine.toml"]).error();
    assert!(error.contains("mine.toml:6:10: `ivf` misses documents: `exact` must not"), "{error}");
}
