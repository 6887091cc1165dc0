//! `nir report` and `nir coverage`, as a user meets them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::Nir;

const RUN: [&str; 7] =
    ["run", "lexical/bm25", "feedback/bm25-rm3", "--on", "pocket", "--results", "results"];

#[test]
fn a_run_writes_its_report_and_says_how_to_write_another() {
    let nir = Nir::new();
    let finished = nir.run(&RUN);
    finished.ok();
    let command = "nir report lexical/bm25 feedback/bm25-rm3 --on pocket --out report.html";
    assert!(finished.stderr().contains(command), "{}", finished.stderr());
    nir.run(&[&RUN[..], &["--report", "report.html"]].concat()).ok();
    let page = fs::read_to_string(nir.path("report.html")).unwrap();
    for part in ["BM25 + RM3", "nDCG@10 by label of query", "Where two methods disagree", "<svg"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_report_has_the_figures_that_the_run_printed() {
    let nir = Nir::new();
    let printed = nir.run(&RUN).ok();
    let report = ["report", "lexical/bm25", "feedback/bm25-rm3", "--on", "pocket"];
    let csv = nir.run(&[&report[..], &["--results", "results", "--format", "csv"]].concat()).ok();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name| head.iter().position(|known| *known == name).unwrap();
    let rows: Vec<_> = lines.filter(|row| row[column("method")] == "feedback/bm25-rm3").collect();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let number = |name| row[column(name)].parse::<f64>().unwrap();
        let (difference, p) = (number("difference"), number("corrected_p"));
        let line = printed.lines().find(|line| {
            line.starts_with("BM25 + RM3")
                && line.contains(&format!(" {} ", row[column("measure")]))
                && line.contains('/')
        });
        let line = line.unwrap();
        for figure in [format!("{difference:+.4}"), format!("{p:.4}")] {
            assert!(line.contains(&figure), "{figure} is not in {line}");
        }
    }
}

#[test]
fn a_folder_gets_every_format() {
    let nir = Nir::new();
    nir.run(&RUN).ok();
    let report = ["report", "lexical/bm25", "--on", "pocket", "--results", "results"];
    nir.run(&[&report[..], &["--out", "out/"]].concat()).ok();
    for extension in ["html", "md", "tex", "csv", "json"] {
        assert!(nir.path("out/report").with_extension(extension).is_file(), "{extension}");
    }
}

#[test]
fn a_report_of_nothing_says_what_to_run() {
    let nir = Nir::new();
    let arguments = ["report", "lexical/bm25", "--on", "pocket", "--results", "results"];
    let error = nir.run(&arguments).error();
    assert!(error.contains("`nir run lexical/bm25 --on pocket` makes them"), "{error}");
}

#[test]
fn an_extension_that_is_no_format_is_refused() {
    let nir = Nir::new();
    nir.run(&RUN).ok();
    let report = ["report", "lexical/bm25", "--on", "pocket", "--results", "results"];
    let error = nir.run(&[&report[..], &["--out", "report.pdf"]].concat()).error();
    assert!(error.contains("expected one of html, md, tex, csv, json"), "{error}");
}

#[test]
fn the_coverage_page_has_the_whole_list() {
    let nir = Nir::new();
    nir.run(&["coverage", "--out", "coverage.html"]).ok();
    assert!(fs::read_to_string(nir.path("coverage.html")).unwrap().contains("Of 206 entries"));
    let json = nir.run(&["coverage", "--format", "json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.iter().filter(|entry| entry["is_listed"] == true).count(), 206);
    assert!(nir.run(&["coverage", "--format", "latex"]).error().contains("html, markdown, json"));
}
