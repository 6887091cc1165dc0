//! Wrong input: one clear error, exit status not 0, nothing half-written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::Stdio;

use common::Nir;

const METHOD: &str = r#"[card]
name  = "mine"
paper = "robertson1994okapi"

[[stage]]
use      = "bm25"
analyzer = "lucene-english"
k1       = 0.9
b        = 0.4
lengths  = "lucene-byte"
depth    = 10
"#;

/// Runs the method above with one part replaced; gives the error.
#[track_caller]
fn spoilt(part: &str, by: &str) -> String {
    let nir = Nir::new();
    assert!(METHOD.contains(part));
    nir.write("mine/bm25.toml", &METHOD.replace(part, by));
    let error = nir
        .run(&["run", "mine/bm25.toml", "--on", "toy", "--run", "out.trec", "--results", "results"])
        .error();
    assert!(
        !nir.path("out.trec").exists() && !nir.path("results").exists(),
        "something was written"
    );
    error
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn a_misspelt_key() {
    let error = spoilt("depth ", "dept  ");
    assert_says(&error, &["mine/bm25.toml:11:1", "unknown field `dept`", "`k1`", "`depth`"]);
}

#[test]
fn a_missing_key() {
    assert_says(&spoilt("k1       = 0.9\n", ""), &["mine/bm25.toml:5", "missing field `k1`"]);
}

#[test]
fn an_unknown_algorithm() {
    assert_says(
        &spoilt("\"bm25\"", "\"bm52\""),
        &["mine/bm25.toml:6:12", "unknown algorithm `bm52`", "bm25"],
    );
}

#[test]
fn an_unknown_analyzer() {
    assert_says(
        &spoilt("lucene-english", "lucene-englisch"),
        &["mine/bm25.toml:6:12", "lucene-englisch", "lucene-english"],
    );
}

#[test]
fn a_wrong_type() {
    assert_says(&spoilt("0.9", "\"much\""), &["mine/bm25.toml:8:12", "string \"much\"", "f32"]);
}

#[test]
fn a_value_out_of_range() {
    assert_says(
        &spoilt("0.4", "1.5"),
        &["mine/bm25.toml:6:12", "`b` must lie between 0 and 1, found 1.5"],
    );
}

#[test]
fn a_stage_in_the_wrong_place() {
    let rm3 = "use = \"rm3\"\ndocuments = 3\nterms = 3\noriginal_weight = 0.5\nanalyzer = \"whitespace\"\n\n[[stage]]\nuse      = \"bm25\"";
    let error = spoilt("use      = \"bm25\"", rm3);
    assert_says(
        &error,
        &["mine/bm25.toml:6", "stage 1 (`rm3`) needs candidates; put a retriever before it"],
    );
}

#[test]
fn an_unknown_dataset_or_method() {
    let nir = Nir::new();
    assert_says(&nir.run(&["run", "lexical/bm25", "--on", "poket"]).error(), &["poket", "pocket"]);
    assert_says(
        &nir.run(&["run", "lexical/bm52", "--on", "toy"]).error(),
        &["lexical/bm52", "lexical/bm25"],
    );
    let error = nir.run(&["run", "configs/quikstart.toml"]).error();
    assert_says(&error, &["configs/quikstart.toml", "configs/quickstart.toml"]);
}

#[test]
fn a_dataset_that_is_not_here() {
    let error = Nir::new().run(&["run", "lexical/bm25", "--on", "beir-scifact"]).error();
    assert_says(&error, &["beir-scifact", "nir fetch beir-scifact"]);
}

#[test]
fn a_missing_or_malformed_file() {
    let nir = Nir::new();
    nir.write("queries.tsv", "1\ttea\n");
    let arguments = [
        "run",
        "lexical/bm25",
        "--corpus",
        "docs.tsv",
        "--queries",
        "queries.tsv",
        "--run",
        "out.trec",
    ];
    assert_says(&nir.run(&arguments).error(), &["docs.tsv"]);
    nir.write("docs.tsv", "a\tgreen tea\nno tab here\n");
    assert_says(&nir.run(&arguments).error(), &["docs.tsv:2", "tab"]);
    assert!(!nir.path("out.trec").exists());
}

#[test]
fn an_unknown_measure() {
    let error =
        Nir::new().run(&["run", "lexical/bm25", "--on", "toy", "--measure", "NDGC@10"]).error();
    assert_says(&error, &["unknown measure `NDGC`", "nDCG"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    let nir = Nir::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = nir.command(&["run", "lexical/bm25", "--on", "toy", "--run", "-"]);
    let output = command.stdout(Stdio::from(full)).output().unwrap();
    let error = common::Finished(output).error();
    assert_says(&error, &["No space left on device"]);
}
