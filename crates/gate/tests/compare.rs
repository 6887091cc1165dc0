//! What is held, noted and moved, one row at a time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use nir_catalogue::Gate;
use nir_gate::{Baseline, Check, GateError, REFERENCE, Row, Verdict, What, compare};

const GATE: &str = r#"methods = ["bm25"]
rankings = "same"
tolerance = { "RR@10" = 0.01 }
slower = 1.5
faster = 2.0
"#;

const ROW: &str = r#"{"method": "bm25", "dataset": "toy", "policy": "p", "measures": {"nDCG@10": 0.5, "RR@10": 0.25},
    "costs": {"debug": {"reference": "REFERENCE", "commit": "1", "cpu": "4", "date": "2026-01-01",
        "stages": [{"stage": "bm25", "ratio": 4.0}]}},
    "provenance": {"config": "c", "dataset": "d", "origin": "embedded", "run": "r", "commit": "1", "code": "2",
        "rustc": "3", "libraries": {}, "cpu": "4", "device": "cpu", "date": "2026-01-01"},
    "rankings": {"q1": "1111 a b", "q2": "2222 c d e"}}"#;

fn row() -> Row {
    serde_json::from_str(&ROW.replace("REFERENCE", REFERENCE)).unwrap()
}

fn checks(gate: &str, change: impl FnOnce(&mut Row)) -> Result<Vec<Check>, GateError> {
    let gate: Gate = toml::from_str(gate).unwrap();
    let (comparison, reason) = ("ci.toml".to_owned(), "the first".to_owned());
    let baseline = Baseline { comparison, reason, rows: vec![row()] };
    let mut now = row();
    change(&mut now);
    compare(&baseline, &[(now, &gate)], "debug")
}

type Found = Vec<(String, Verdict, String, String)>;

/// What did not hold: what, how, and the words for then and now.
fn found(gate: &str, change: impl FnOnce(&mut Row)) -> Found {
    let checks = checks(gate, change).unwrap().into_iter();
    let checks = checks.filter(|check| check.verdict != Verdict::Held);
    checks.map(|one| (one.what.to_string(), one.verdict, one.was, one.now)).collect()
}

fn moved(what: &str, was: &str, now: &str) -> Found {
    vec![(what.to_owned(), Verdict::Moved, was.to_owned(), now.to_owned())]
}

#[test]
fn a_row_holds_against_itself() {
    assert_eq!(found(GATE, |_| ()), []);
    let checks = checks(GATE, |_| ()).unwrap();
    assert_eq!(checks.len(), 5, "dataset, two measures, rankings, a cost");
}

#[test]
fn a_measure_leaves_its_tolerance_on_either_side() {
    let to = |name: &str, value: f64| found(GATE, |row| row.measures[name] = value);
    assert_eq!([to("RR@10", 0.26), to("RR@10", 0.24)], [vec![], vec![]]);
    assert_eq!(to("RR@10", 0.261), moved("RR@10", "0.2500", "0.2610"));
    assert_eq!(to("RR@10", 0.239), moved("RR@10", "0.2500", "0.2390"));
    assert_eq!(to("RR@10", f64::NAN), moved("RR@10", "0.2500", "NaN"));
    // As many digits as it takes to see it.
    assert_eq!(to("nDCG@10", 0.500_001), moved("nDCG@10", "0.500000", "0.500001"));
}

#[test]
fn a_ranking_is_shown_where_it_first_differs() {
    let to = |query: &str, line: &str| {
        let ranking = line.to_owned().into();
        found(GATE, |row| drop(row.rankings.insert(query.to_owned(), ranking)))
    };
    assert_eq!(to("q2", "3333 c x e"), moved("rankings", "query q2, rank 2: `d`", "`x`"));
    assert_eq!(to("q2", "3333 c d"), moved("rankings", "query q2, rank 3: `e`", "nothing"));
    let below = "query q2, scores, or below rank 3: 2222";
    assert_eq!(to("q2", "3333 c d e"), moved("rankings", below, "3333"));
    assert_eq!(to("q3", "3333 a"), moved("rankings", "query q3, none", "a ranking"));
    let remove = |row: &mut Row| drop(row.rankings.shift_remove("q1"));
    assert_eq!(found(GATE, remove), moved("rankings", "query q1, a ranking", "none"));
    assert_eq!(found(&GATE.replace("same", "free"), remove), []);
}

#[test]
fn a_cost_leaves_its_bounds_on_either_side() {
    let cost = |ratio: f64| {
        let checks = checks(GATE, |row| row.costs["debug"].stages[0].ratio = ratio).unwrap();
        let is_cost = |check: &&Check| matches!(check.what, What::Cost(..));
        checks.iter().find(is_cost).unwrap().verdict
    };
    assert_eq!([5.9, 2.1].map(cost), [Verdict::Held; 2]);
    assert_eq!([6.1, 8.0, 1.9, f64::NAN].map(cost), [Verdict::Moved; 4]);
    let other = found(GATE, |row| row.costs["debug"].stages[0].stage = "rm3".into());
    assert_eq!(other, moved("stages", "bm25", "rm3"));
}

#[test]
fn another_config_is_noted_and_another_dataset_has_moved() {
    let config = found(GATE, |row| row.provenance.config = "e".into());
    assert_eq!(config, [("config".to_owned(), Verdict::Noted, "c".to_owned(), "e".to_owned())]);
    assert_eq!(found(GATE, |row| row.provenance.dataset = "e".into()), moved("dataset", "d", "e"));
}

#[test]
fn what_the_baseline_lacks_is_an_error() {
    let error = |change: fn(&mut Row)| checks(GATE, change).unwrap_err().to_string();
    let method = error(|row| row.method = "rm3".into());
    assert!(method.starts_with("holds `bm25` on toy, which"), "{method}");
    let measure = error(|row| row.measures.extend([("AP".to_owned(), 0.5)]));
    assert!(measure.starts_with("holds no AP of `bm25` on toy, only nDCG@10, RR@10"), "{measure}");
    assert!(checks(GATE, |row| row.costs.clear()).is_ok(), "costs not taken are not asked for");
}
