//! Our own small run, query by query, with what trec_eval 9 (through pytrec_eval) and gdeval (through ir_measures)
//! computed for it: fixtures/record.py made the files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use nir_core::{Qrels, TrecRun};
use nir_eval::{Evaluation, Measure, Policy, evaluate};

const QRELS: &str = include_str!("fixtures/graded.qrels");
const RUN: &str = include_str!("fixtures/graded.run");
const EXPECTED: &str = include_str!("fixtures/expected.tsv");

fn qrels() -> Qrels {
    QRELS.lines().map(columns).map(|line| (line[0], line[2], line[3].parse().unwrap())).collect()
}

fn run() -> TrecRun {
    let mut run = TrecRun::default();
    for line in RUN.lines().map(columns) {
        run.list_mut(line[0]).push(line[2], line[4].parse().unwrap(), line[3].parse().unwrap());
    }
    run
}

fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn of_query(evaluation: &Evaluation, query_id: &str) -> f64 {
    let at = evaluation.queries.iter().position(|query| query.query_id == query_id).unwrap();
    evaluation.measured[0].per_query[at]
}

#[test]
fn every_recorded_value_is_reproduced() {
    let (qrels, run) = (qrels(), run());
    for line in EXPECTED.lines() {
        let line: Vec<&str> = line.split('\t').collect();
        let policy: Policy = line[0].parse().unwrap();
        let measure: Measure = line[1].parse().unwrap();
        let evaluation = evaluate(&qrels, &run, &[measure], policy).unwrap();
        let (ours, theirs) = (of_query(&evaluation, line[2]), line[3].parse::<f64>().unwrap());
        // gdeval prints five digits; pytrec_eval gives all it has.
        let tolerance = if line[0] == "trec_eval-9" { 1e-12 } else { 5.1e-6 };
        assert!((ours - theirs).abs() < tolerance, "{} of {}: {ours} {theirs}", line[1], line[2]);
    }
    assert_eq!(EXPECTED.lines().count(), 321);
}

#[test]
fn the_fixture_holds_the_cases_it_is_for() {
    let measure = ["AP", "nDCG@10", "P@5"].map(|name| name.parse().unwrap());
    let nine = evaluate(&qrels(), &run(), &measure, Policy::TREC_EVAL_9).unwrap();
    let ten = evaluate(&qrels(), &run(), &measure, Policy::TREC_EVAL_10).unwrap();
    assert_eq!((nine.missing, nine.unjudged), (1, 1), "a query without results, one without qrels");
    assert!(nine.measured[0].value != ten.measured[0].value, "scores that tie only as floats");
    assert!(nine.measured[1].ties.crossing > 0, "ties that cross a cut-off");
    assert_eq!(of_query(&nine, "4"), 0.0, "a query with nothing relevant");
}
