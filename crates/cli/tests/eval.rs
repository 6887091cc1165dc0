//! `nir eval` as a user meets it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use assert_cmd::Command;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../eval/tests/fixtures");

fn nir(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("nir").unwrap();
    command.current_dir(FIXTURES).arg("eval").args(arguments);
    command
}

fn printed(arguments: &[&str]) -> String {
    let output = nir(arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = nir(arguments).assert().failure().get_output().stderr.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn the_table_says_what_it_rests_on() {
    let text = printed(&["-m", "AP", "-m", "P@5", "graded.qrels", "graded.run"]);
    assert!(text.starts_with("run             AP     P@5\ngraded.run  "), "{text}");
    assert!(text.contains("policy trec_eval-9/v1\n"), "{text}");
    assert!(
        text.contains("5 queries, 1 without results (counted 0), 1 without judgements (ignored)"),
        "{text}"
    );
    assert!(text.contains("  ties leave P@5 between "), "{text}");
}

#[test]
fn trec_evals_layout_is_reproduced() {
    let text =
        printed(&["--trec", "-q", "-m", "num_ret", "-m", "map", "graded.qrels", "graded.run"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "num_ret               \t1\t40");
    assert!(lines[1].starts_with("map                   \t1\t0."));
    assert_eq!(lines[8], "num_ret               \t5\t0");
    assert_eq!(lines[10], "num_ret               \tall\t160");
    let all = printed(&["--trec", "graded.qrels", "graded.run"]);
    assert_eq!(all.lines().count(), 30);
    assert!(
        all.starts_with("runid                 \tall\tfixture\nnum_q                 \tall\t5\n")
    );
}

#[test]
fn json_holds_every_query_and_every_tie() {
    let text = printed(&["--json", "-q", "-m", "nDCG@10", "graded.qrels", "graded.run"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let run = &json["runs"][0];
    assert_eq!((&json["policy"], &run["missing"]), (&"trec_eval-9/v1".into(), &1.into()));
    let measured = &run["measures"]["nDCG@10"];
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(number(&measured["ties"]["worst"]) <= number(&measured["value"]));
    assert_eq!(run["per_query"].as_object().unwrap().len(), 5);
    assert!(json.get("significance").is_none());
}

#[test]
fn runs_are_compared_with_the_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let turned = folder.path().join("turned.run");
    turn(&Path::new(FIXTURES).join("graded.run"), &turned);
    let turned = turned.to_str().unwrap();
    let text = printed(&["-m", "AP", "--baseline", "2", "graded.qrels", "graded.run", turned]);
    assert!(
        text.contains(
            "compared with turned.run: + better, - worse at p < 0.05 (randomisation test, holm"
        ),
        "{text}"
    );
    assert!(text.contains("intervals from 50000 samples, seed 42"), "{text}");
    let sentence = "graded.run does not differ from turned.run beyond chance on 5 queries; the smallest difference in AP \
                    that they could show is ";
    assert!(text.contains(sentence), "{text}");
    let pairs = printed(&["-m", "AP", "--tukey", "graded.qrels", "graded.run", turned]);
    assert!(pairs.contains("p (Tukey)"), "{pairs}");
    assert!(pairs.contains("No pair differs in AP beyond chance on 5 queries."), "{pairs}");
    for test in ["t", "wilcoxon", "randomisation"] {
        let arguments = ["--json", "--test", test, "graded.qrels", "graded.run", turned];
        let json: serde_json::Value = serde_json::from_str(&printed(&arguments)).unwrap();
        assert_eq!(json["significance"]["test"], test);
        assert_eq!(json["significance"]["comparisons"].as_array().unwrap().len(), 5);
        assert_eq!(printed(&arguments), printed(&arguments), "the same twice");
    }
}

/// The run with its scores the other way round.
fn turn(from: &Path, to: &Path) {
    let text = std::fs::read_to_string(from).unwrap();
    let line = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        format!("{} Q0 {} 0 -{} turned\n", columns[0], columns[2], columns[4])
    };
    std::fs::write(to, text.lines().map(line).collect::<String>()).unwrap();
}

#[test]
fn what_cannot_be_done_is_said() {
    let cases: [(&[&str], &str); 5] = [
        (
            &["-m", "nDGC@10", "graded.qrels", "graded.run"],
            "unknown measure `nDGC`: expected one of nDCG, RR",
        ),
        (
            &["--policy", "trec", "graded.qrels", "graded.run"],
            "unknown policy `trec`: expected one of trec_eval-9",
        ),
        (
            &["--baseline", "3", "graded.qrels", "graded.run"],
            "--baseline `3`: expected a number from 1 to 1",
        ),
        (&["graded.qrels", "missing.run"], "error: missing.run: No such file"),
        (
            &["graded.run", "graded.run"],
            "error: graded.run:1: found 6 columns, expected four columns (`query_id 0 doc_id grade`)",
        ),
    ];
    for (arguments, message) in cases {
        let error = refused(arguments);
        assert!(error.contains(message), "{error}");
    }
}
