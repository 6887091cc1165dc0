//! Configs, cells and tables of measures that are damaged or hostile: an error that names the file, and never a panic.

#[path = "../../../fuzz/harness.rs"]
mod harness;
#[path = "../../../fuzz/targets/catalogue.rs"]
mod targets;

#[test]
fn methods() {
    harness::run(
        "method",
        &["configs/lexical", "configs/late", "configs/hybrid"],
        "toml",
        targets::method,
    );
}

#[test]
fn comparisons() {
    harness::run(
        "comparison",
        &["configs/ci.toml", "configs/training-techniques.toml"],
        "toml",
        targets::comparison,
    );
}

#[test]
fn sweeps() {
    harness::run("sweep", &["configs/sweeps"], "toml", targets::sweep);
}

#[test]
fn papers() {
    harness::run("papers", &["configs/papers.toml"], "toml", targets::papers);
}

#[test]
fn cells() {
    harness::run(
        "cell",
        &["results/cacm/lexical", "results/pocket/lexical"],
        "json",
        targets::cell,
    );
}

#[test]
fn measures_query_by_query() {
    harness::run(
        "per-query",
        &["results/cacm/lexical", "results/pocket/lexical"],
        "tsv",
        targets::per_query,
    );
}
