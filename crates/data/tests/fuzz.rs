//! Files of collections, damaged or hostile: an error that names the file, and never a panic.

#[path = "../../../fuzz/harness.rs"]
mod harness;
#[path = "../../../fuzz/targets/data.rs"]
mod targets;

#[test]
fn qrels() {
    harness::run("qrels", &[], "txt", targets::qrels);
}

#[test]
fn runs() {
    harness::run("run", &[], "txt", targets::run);
}

#[test]
fn tables() {
    harness::run("tsv", &[], "tsv", targets::tsv);
}

#[test]
fn json_lines() {
    harness::run("jsonl", &[], "jsonl", targets::jsonl);
}

#[test]
fn mark_up() {
    harness::run("sgml", &[], "trec", targets::sgml);
}

#[test]
fn topics() {
    harness::run("topics", &[], "txt", targets::topics);
}

#[test]
fn parquet() {
    harness::run("parquet", &["crates/data/tests/parquet"], "parquet", targets::parquet);
}

#[test]
fn archives() {
    harness::run("archive", &[], "zip", targets::archive);
}

#[test]
fn manifests() {
    harness::run("manifest", &["datasets"], "toml", targets::manifest);
}
