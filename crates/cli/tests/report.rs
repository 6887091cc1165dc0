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
    for part in [
        "<h1>BM25 and BM25 + RM3 on pocket</h1>",
        "class=\"answers-data\">{\"measure\"",
        "BM25 + RM3",
        "nDCG@10 by label of query",
        "Where two methods disagree",
        "<svg",
    ] {
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
        for figure in [format!("{difference:+.4}"), nir_report::p_value(p)] {
            assert!(line.contains(&figure), "{figure} is not in {line}");
        }
    }
}

/// The value of a column of each line of a report in CSV.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let column = lines.next().unwrap().iter().position(|known| known == name).unwrap();
    lines.map(|line| line[column].clone()).collect()
}

#[test]
fn a_report_tells_this_machines_times_and_every_measure_that_is_asked_for() {
    let nir = Nir::new();
    nir.write("nir.toml", "");
    nir.run(&RUN).ok();
    // The results were committed elsewhere: another machine took 999 ms.
    for method in ["lexical/bm25", "feedback/bm25-rm3"] {
        let path = nir.path("results/pocket").join(format!("{method}.json"));
        let mut cell: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        cell["cost"]["latency"]["p50_ms"] = 999.into();
        fs::write(&path, cell.to_string()).unwrap();
    }
    nir.run(&RUN).ok();
    let report = ["report", "lexical/bm25", "feedback/bm25-rm3", "--on", "pocket"];
    let asked = [&report[..], &["-m", "P@5", "-m", "AP", "--format", "csv"]].concat();
    let csv = nir.run(&asked).ok();
    assert_eq!(column(&csv, "measure"), ["P@5", "AP", "P@5", "AP"]);
    assert!(column(&csv, "p50_ms").iter().all(|time| time != "999"), "{csv}");
    // The same as `nir run` prints of its own run.
    let run = ["run", "lexical/bm25", "feedback/bm25-rm3", "--on", "pocket", "-m", "P@5"];
    let printed =
        nir.run(&[&run[..], &["--results", "results", "--report", "r.csv"]].concat()).ok();
    let of_run = fs::read_to_string(nir.path("r.csv")).unwrap();
    for value in column(&of_run, "value") {
        assert!(printed.contains(&format!("{:.4}", value.parse::<f64>().unwrap())), "{printed}");
    }
    assert_eq!(column(&of_run, "p50_ms")[0], column(&csv, "p50_ms")[0], "one run, one cost");
    // A folder that is named is what is shown, and nothing else.
    let kept = nir.run(&[&report[..], &["--results", "results", "--format", "csv"]].concat()).ok();
    assert!(column(&kept, "p50_ms").iter().all(|time| time == "999"), "{kept}");
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
    let arguments = ["report", "lexical/bm25", "--on", "pocket"];
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
