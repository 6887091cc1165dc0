//! Figures that trec_eval printed, reproduced to every digit it printed.
//!
//! The inputs are not ours to keep. Where `NIR_DATA` names a folder with `trec-eval` (NIST's test directory) and
//! `published-runs` (runs of the TREC 2019 Deep Learning track with their published figures), every figure is checked;
//! elsewhere the tests say so and pass. crates/eval/tests/fixtures has small inputs of our own for every run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use nir_data::trec::{read_qrels, read_run};
use nir_eval::{Evaluation, Measure, Policy, evaluate};

fn data(folder: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("NIR_DATA") else {
        eprintln!("skipped: NIR_DATA does not name a folder with `{folder}`");
        return None;
    };
    Some(Path::new(&data).join(folder))
}

/// How trec_eval was run: qrels, run, options, its output, and how many figures there are of measures we have.
type Case = (&'static str, &'static str, &'static str, &'static str, usize);

const CASES: [Case; 9] = [
    ("qrels.test", "results.test", "", "out.test", 29),
    ("qrels.test.with-comments", "results.test", "", "out.test", 29),
    ("qrels.comment.test", "results.comment.test.gz", "", "out.comment.test", 29),
    ("qrels.test", "results.test", "", "out.test.a", 61),
    ("qrels.test", "results.test", "-q", "out.test.aq", 238),
    ("qrels.test", "results.trunc", "-q -c", "out.test.aqc", 238),
    ("qrels.test", "results.trunc", "-q -c -M100", "out.test.aqcM", 238),
    ("qrels.rel_level", "results.test", "-q -l2", "out.test.aql", 234),
    ("qrels.test", "results.test", "-q", "out.test.meas_params", 64),
];

/// The policy and the relevance level that trec_eval's options stand for.
fn options(text: &str) -> (Policy, i32) {
    let number = |letter| text.split(letter).nth(1).map(|number| number.parse().unwrap());
    let mut policy = Policy { depth: number("-M"), ..Policy::TREC_EVAL_10 };
    if !text.contains("-c") {
        policy = policy.returned_only();
    }
    (policy, number("-l").map_or(1, u32::cast_signed))
}

/// A figure of the expected output: measure as trec_eval names it, query or `all`, and the digits.
type Figure<'a> = (&'a str, &'a str, &'a str);

fn figures(text: &str) -> Vec<Figure<'_>> {
    text.lines()
        .map(|line| {
            let mut columns = line.split_whitespace();
            (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap())
        })
        .collect()
}

/// Our measure for a name of trec_eval, at its relevance level.
fn ours(name: &str, rel: i32) -> Option<Measure> {
    let measure = match name {
        // trec_eval's gain here is the grade over the query's highest, whatever `-l` says: only with grades 0 and 1 is
        // it the measure of the paper, and ours.
        "rbp" if rel == 1 => "RBP(p=0.9)",
        _ => name,
    };
    measure.parse().ok().map(|measure: Measure| measure.with_relevance_level(rel))
}

fn value(evaluation: &Evaluation, measure: Measure, query_id: &str) -> f64 {
    let measured = evaluation.get(measure).unwrap();
    if query_id == "all" {
        return measured.value;
    }
    let at = evaluation.queries.iter().position(|query| query.query_id == query_id).unwrap();
    measured.per_query[at]
}

/// As trec_eval prints it: counts whole, all else to four digits.
fn printed(value: f64, name: &str) -> String {
    if name.starts_with("num_") { format!("{value:.0}") } else { format!("{value:.4}") }
}

fn check(folder: &Path, &(qrels, run, said, output, expected): &Case) {
    let (policy, rel) = options(said);
    let text = std::fs::read_to_string(folder.join(output)).unwrap();
    let figures = figures(&text);
    let measures: Vec<Measure> = figures.iter().filter_map(|figure| ours(figure.0, rel)).collect();
    let qrels = read_qrels(&folder.join(qrels)).unwrap();
    let run = read_run(&folder.join(run)).unwrap();
    let evaluation = evaluate(&qrels, &run, &measures, policy).unwrap();
    let mut checked = 0;
    for (name, query_id, digits) in figures {
        let Some(measure) = ours(name, rel) else { continue };
        let value = printed(value(&evaluation, measure, query_id), name);
        assert_eq!(value, digits, "{output}: {name} of {query_id}");
        checked += 1;
    }
    assert_eq!(checked, expected, "{output}: how many figures are checked");
}

#[test]
fn every_figure_of_nists_tests_is_reproduced() {
    let Some(folder) = data("trec-eval/trec_eval/test") else { return };
    for case in &CASES {
        check(&folder, case);
    }
}

#[test]
fn every_published_figure_of_the_dl19_runs_is_reproduced() {
    let Some(folder) = data("published-runs") else { return };
    let table = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let qrels = read_qrels(&folder.join("qrels.dl19-passage.txt")).unwrap();
    let names = ["nDCG@10", "RR(rel=2)@10", "RR@10", "AP(rel=2)", "R(rel=2)@100"];
    let measures = names.map(|name| name.parse().unwrap());
    let mut checked = 0;
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let run = read_run(&folder.join(format!("{}.trec.gz", columns[0]))).unwrap();
        assert_eq!(run.len().to_string(), columns[1], "{}: queries", columns[0]);
        let lines: usize = run.iter().map(|(_, list)| list.len()).sum();
        assert_eq!(lines.to_string(), columns[2], "{}: lines", columns[0]);
        let evaluation = evaluate(&qrels, &run, &measures, Policy::TREC_EVAL_9).unwrap();
        for (measured, expected) in evaluation.measured.iter().zip(&columns[3..]) {
            assert_eq!(
                format!("{:.4}", measured.value),
                *expected,
                "{} {}",
                columns[0],
                measured.measure
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 55);
}

/// What ir_measures 0.4.3 computes for its compatibility pair: Compat by its own code, the rest through pytrec_eval.
const COMPATIBILITY: [(&str, f64); 20] = [
    ("nDCG", 0.375_550_700_123_855_2),
    ("nDCG@10", 0.162_642_776_653_681_24),
    ("RR", 0.519_230_769_230_769_3),
    ("RR(rel=2)@10", 0.5),
    ("AP", 0.242_370_050_358_400_17),
    ("AP(rel=2)@100", 0.203_826_137_315_935_02),
    ("P@10", 0.5),
    ("R@100", 0.278_418_211_002_480_65),
    ("Success@5", 0.5),
    ("Judged@10", 1.0),
    ("Rprec", 0.253_319_713_993_871_3),
    ("Bpref", 0.558_823_362_198_440_5),
    ("IPrec@0.5", 0.164_111_533_367_881_62),
    ("NumRet", 1927.0),
    ("NumRel", 166.0),
    ("NumRelRet", 127.0),
    ("NumQ", 2.0),
    ("Compat(p=0.8)", 0.083_729_076_362_775_49),
    ("Compat(p=0.95)", 0.268_097_611_112_054),
    ("Compat(p=0.99)", 0.311_663_731_568_097),
];

#[test]
fn ir_measures_compatibility_pair_is_reproduced() {
    let Some(folder) = data("trec-eval/ir_measures") else { return };
    let qrels = read_qrels(&folder.join("compat.qrels")).unwrap();
    let run = read_run(&folder.join("compat.run")).unwrap();
    let measures = COMPATIBILITY.map(|(name, _)| name.parse().unwrap());
    let evaluation = evaluate(&qrels, &run, &measures, Policy::TREC_EVAL_9).unwrap();
    for (measured, (name, value)) in evaluation.measured.iter().zip(COMPATIBILITY) {
        assert!((measured.value - value).abs() < 1e-12, "{name}: {} {value}", measured.value);
    }
}
