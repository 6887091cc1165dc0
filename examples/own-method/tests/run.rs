//! The program with one more algorithm, run as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

/// The program in the folder of this example, with a cache of its own.
fn nir(cache: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_own-method"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NIR_CACHE", cache)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_own_method_runs_beside_the_programs_and_says_what_code_it_is() {
    let cache = tempfile::tempdir().unwrap();
    let results = cache.path().join("results");
    let folder = results.to_str().unwrap();
    let methods = ["lexical/bm25", "hybrid/max-bm25-rm3"];
    let run =
        nir(cache.path(), &["run", methods[0], methods[1], "--on", "pocket", "--results", folder]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stdout).contains("CombMAX(BM25, RM3)"), "{}", text(&run.stdout));
    let cell = std::fs::read_to_string(results.join("pocket/hybrid/max-bm25-rm3.json")).unwrap();
    for made_with in ["\"comb-max 1\"", "\"bm25 1\"", "\"comb-max, source "] {
        assert!(cell.contains(made_with), "{made_with} is not in {cell}");
    }
}

#[test]
fn commands_know_the_own_algorithm() {
    let cache = tempfile::tempdir().unwrap();
    let explained = text(&nir(cache.path(), &["explain", "hybrid/max-bm25-rm3"]).stdout);
    assert!(explained.contains("CombMAX: the best of a document's scores."), "{explained}");
    let listed = text(&nir(cache.path(), &["list", "--methods"]).stdout);
    assert!(listed.contains("hybrid/max-bm25-rm3") && listed.contains("lexical/bm25"), "{listed}");
}
