//! `nir compare`: two folders, two reports, two commits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::Nir;

/// A result of `lexical/bm25` on pocket below `folder`, whose nDCG@10 is `add` more for every third query.
fn result(nir: &Nir, folder: &str, add: f64) {
    nir.run(&["run", "lexical/bm25", "--on", "pocket", "--results", folder]).ok();
    let path = nir.path(folder).join("pocket/lexical/bm25.json");
    let table = path.with_extension("queries.tsv");
    let text = fs::read_to_string(&table).unwrap();
    let mut lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (mut sum, count) = (0.0, lines.len() - 1);
    for (number, line) in lines.iter_mut().enumerate().skip(1) {
        let mut cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let value: f64 = cells[1].parse().unwrap();
        let value = if number % 3 == 0 { value + add } else { value };
        sum += value;
        cells[1] = value.to_string();
        *line = cells.join("\t");
    }
    fs::write(&table, lines.join("\n") + "\n").unwrap();
    let mut cell: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    cell["measures"]["nDCG@10"]["value"] = (sum / count as f64).into();
    fs::write(&path, cell.to_string()).unwrap();
}

/// 40 of 120 queries are 0.3 better: the mean moves by 0.1, and chance does not do that.
fn assert_found(page: &str) {
    assert!(page.contains("1 results on both sides, 0 of them the same"), "{page}");
    let line = page.lines().find(|line| line.starts_with("pocket")).unwrap();
    for part in ["BM25", "nDCG@10", "+0.1000", "< 0.0001", "40/80/0"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    let sentence = "pocket: Beyond chance on 120 queries: BM25 (nDCG@10) is better than before.";
    assert!(page.contains(sentence), "{page}");
}

#[test]
fn two_folders_are_compared_query_by_query() {
    let nir = Nir::new();
    result(&nir, "before", 0.0);
    result(&nir, "after", 0.3);
    assert_found(&nir.run(&["compare", "before", "after"]).ok());
    let same = nir.run(&["compare", "before", "before"]).ok();
    assert!(same.contains("1 results on both sides, 1 of them the same"), "{same}");
    let json: serde_json::Value =
        serde_json::from_str(&nir.run(&["compare", "before", "after", "--json"]).ok()).unwrap();
    assert_eq!(json["measures"].as_array().unwrap().len(), 1);
}

#[test]
fn two_reports_are_compared_query_by_query() {
    let nir = Nir::new();
    for (folder, add) in [("before", 0.0), ("after", 0.3)] {
        result(&nir, folder, add);
        let out = format!("{folder}.json");
        let report =
            ["report", "lexical/bm25", "--on", "pocket", "--results", folder, "--out", &out];
        nir.run(&report).ok();
    }
    assert_found(&nir.run(&["compare", "before.json", "after.json"]).ok());
    // A report from before it held the values of queries has no test, and says so.
    let text = fs::read_to_string(nir.path("before.json")).unwrap();
    let mut old: serde_json::Value = serde_json::from_str(&text).unwrap();
    for value in old["tables"][0]["rows"][0]["values"].as_array_mut().unwrap() {
        value.as_object_mut().unwrap().remove("per_query");
    }
    nir.write("old.json", &old.to_string());
    let page = nir.run(&["compare", "old.json", "after.json"]).ok();
    assert!(page.contains("no values query by query") && !page.contains("Beyond"), "{page}");
}

fn git(folder: &Path, arguments: &[&str]) -> bool {
    let who = ["-c", "user.name=nir", "-c", "user.email=nir@example.org"];
    let git = Command::new("git").arg("-C").arg(folder).args(who).args(arguments).output();
    git.is_ok_and(|output| output.status.success())
}

#[test]
fn two_commits_are_compared_query_by_query() {
    let nir = Nir::new();
    let folder = nir.folder.path();
    if !git(folder, &["init", "-q"]) {
        eprintln!("skipped: there is no git");
        return;
    }
    nir.write("nir.toml", "");
    for (message, add) in [("before", 0.0), ("after", 0.3)] {
        result(&nir, "results", add);
        assert!(git(folder, &["add", "results"]) && git(folder, &["commit", "-qm", message]));
    }
    assert_found(&nir.run(&["compare", "HEAD~1", "HEAD"]).ok());
    assert_found(&nir.run(&["compare", "HEAD~1", "results"]).ok());
}

#[test]
fn what_is_no_set_of_results_is_refused() {
    let nir = Nir::new();
    result(&nir, "before", 0.0);
    let error = nir.run(&["compare", "before", "nowhere"]).error();
    assert!(
        error.contains("`nowhere`: expected a folder of results, a report in JSON, or a commit"),
        "{error}"
    );
    nir.write("x.json", "{}");
    let error = nir.run(&["compare", "before", "x.json"]).error();
    assert!(error.contains("x.json: no report"), "{error}");
    fs::create_dir(nir.path("empty")).unwrap();
    let error = nir.run(&["compare", "before", "empty"]).error();
    assert!(error.contains("`empty`: there are no results in it"), "{error}");
}
