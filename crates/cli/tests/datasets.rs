//! `nir datasets`, `nir fetch` and `nir sample` as a user types them.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::fs;

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder with a cache of its own that looks like a checkout.
struct World(TempDir);

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("configs")).unwrap();
        fs::write(folder.path().join("configs/papers.toml"), "").unwrap();
        Self(folder)
    }

    fn nir(&self, args: &[&str]) -> Command {
        let mut command = Command::cargo_bin("nir").unwrap();
        command.args(args).env("NIR_CACHE", self.0.path().join("cache")).current_dir(self.0.path());
        command
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.nir(args).assert().success().get_output().stdout.clone();
        String::from_utf8(output).unwrap()
    }

    fn fails(&self, args: &[&str]) -> String {
        let output = self.nir(args).assert().failure().get_output().stderr.clone();
        String::from_utf8(output).unwrap()
    }
}

#[test]
fn datasets_lists_states_and_describes_one() {
    let world = World::new();
    let list = world.says(&["datasets"]);
    let line = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("toy ").ends_with("embedded"));
    assert!(line("beir-scifact ").ends_with("not fetched"));
    assert!(line("msmarco-passage-dev ").contains("8,841,823"));
    let one = world.says(&["datasets", "beir-quora"]);
    assert!(one.contains("a document named as the query is dropped"));
}

#[test]
fn an_embedded_dataset_needs_no_fetching() {
    let text = World::new().says(&["fetch", "toy"]);
    assert_eq!(text, "toy comes with the program: 12 documents, 5 queries, 24 judgements\n");
}

#[test]
fn without_a_terminal_a_licence_is_only_accepted_by_the_option() {
    let world = World::new();
    let error = world.fails(&["fetch", "cranfield", "--offline"]);
    assert!(error.contains("run `nir fetch cranfield --accept-licence`"), "{error}");
    let error = world.fails(&["fetch", "cranfield", "--offline", "--accept-licence"]);
    assert!(error.contains("licence of cranfield: not stated"), "{error}");
    assert!(error.contains("`cran.tar.gz` is not here and --offline forbids"), "{error}");
    let error = world.fails(&["fetch", "cranfield", "--offline"]);
    assert!(!error.contains("licence"), "accepted once is accepted: {error}");
}

#[test]
fn a_sample_is_drawn_fetched_and_listed() {
    let world = World::new();
    let text = world.says(&[
        "sample",
        "toy",
        "--queries",
        "2",
        "--judged",
        "--random",
        "1",
        "--seed",
        "1",
        "--out",
        "datasets/sip.toml",
    ]);
    assert!(text.starts_with("sip: ") && text.contains("2 queries"), "{text}");
    let text = world.says(&["fetch", "sip", "--accept-licence"]);
    assert!(text.starts_with("sip is here now: ") && text.ends_with("; from embedded\n"), "{text}");
    assert!(world.says(&["datasets", "sip"]).contains("sample of  toy"));
    let error = world.fails(&[
        "sample",
        "toy",
        "--queries",
        "all",
        "--random",
        "1",
        "--seed",
        "1",
        "--out",
        "datasets/sip.toml",
    ]);
    assert!(error.contains("there is a dataset `sip` already"), "{error}");
}

#[test]
fn an_unknown_dataset_is_named_before_anything_is_fetched() {
    let error = World::new().fails(&["fetch", "toy", "scifact"]);
    assert!(error.contains("unknown dataset `scifact`: expected one of beir-scifact"), "{error}");
}
