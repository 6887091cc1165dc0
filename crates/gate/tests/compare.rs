//! What is held, noted and moved, one row at a time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use nir_catalogue::Gate;
use nir_gate::{Baseline, Check, GateError, REFERENCE, RankedQuery, Row, Verdict, What, compare};

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

/// Ten documents, `a` to `j`, with scores from 10 down to 1, changed as `scores` says.
fn ten(names: &str, scores: &[(usize, f32)]) -> RankedQuery {
    let mut all: Vec<f32> = (1..=10_u8).rev().map(f32::from).collect();
    scores.iter().for_each(|&(place, score)| all[place] = score);
    let best = names.chars().map(String::from).collect();
    RankedQuery { digest: names.to_owned(), best, scores: all }
}

/// What moved between two rankings of a model of this precision, computed by `avx512` and now by `simd`.
fn model(was: RankedQuery, now: RankedQuery, precision: &str, simd: &str) -> Result<Found, String> {
    let gate: Gate = toml::from_str(GATE).unwrap();
    let with = |ranking: RankedQuery, simd: &str| {
        let mut row = Row { precision: Some(precision.to_owned()), ..row() };
        row.rankings = [("q1".to_owned(), ranking)].into_iter().collect();
        row.provenance.machine.insert("simd".to_owned(), simd.to_owned());
        row.measures["nDCG@10"] += if simd == "avx512" { 0.0 } else { 0.004 };
        row
    };
    let (comparison, reason) = ("ci.toml".to_owned(), "the first".to_owned());
    let baseline = Baseline { comparison, reason, rows: vec![with(was, "avx512")] };
    let checks = compare(&baseline, &[(with(now, simd), &gate)], "debug");
    let checks = checks.map_err(|error| error.to_string())?.into_iter();
    let checks = checks.filter(|check| check.verdict == Verdict::Moved);
    Ok(checks.map(|one| (one.what.to_string(), one.verdict, one.was, one.now)).collect())
}

#[test]
fn a_score_of_a_model_may_be_near_on_another_instruction_set_and_only_there() {
    let was = || ten("abcdefghij", &[]);
    // 1e-5 of the largest score, 10, is 1e-4.
    let near = || RankedQuery { digest: "other".into(), ..ten("abcdefghij", &[(3, 7.000_09)]) };
    assert_eq!(model(was(), near(), "f32", "avx2"), Ok(vec![]));
    let below = "query q1, scores, or below rank 10: abcdefghij";
    assert_eq!(model(was(), near(), "f32", "avx512"), Ok(moved("rankings", below, "other")));
    let far = ten("abcdefghij", &[(3, 7.000_2)]);
    let far = || RankedQuery { digest: "other".into(), ..far.clone() };
    assert_eq!(
        model(was(), far(), "f32", "avx2"),
        Ok(moved("rankings", "query q1, `d`: 7", "7.0002"))
    );
    // 1e-2 of it is 0.1.
    assert_eq!(model(was(), far(), "int8", "avx2"), Ok(vec![]));
    let no_number = ten("abcdefghij", &[(3, f32::NAN)]);
    let no_number = RankedQuery { digest: "other".into(), ..no_number };
    assert_eq!(
        model(was(), no_number, "int8", "avx2"),
        Ok(moved("rankings", "query q1, `d`: 7", "NaN"))
    );
}

#[test]
fn documents_change_places_only_where_their_scores_are_near() {
    let near = |names: &str| ten(names, &[(3, 7.0), (4, 7.0), (9, 1.0)]);
    let to = |names: &str| model(near("abcdefghij"), near(names), "f32", "avx2");
    assert_eq!(to("abcedfghij"), Ok(vec![]), "d and e have one score");
    assert_eq!(to("abdcefghij"), Ok(moved("rankings", "query q1, `c`: 8", "7")));
    // Below rank ten nobody knows the scores, but they are at most that of the tenth.
    assert_eq!(to("abcdefghix"), Ok(vec![]), "x was near the tenth");
    assert_eq!(to("xbcdefghij"), Ok(moved("rankings", "query q1, `a`: 10", "1")));
    let found_all = |names: &str| RankedQuery { scores: vec![2.0, 1.0], ..ten(names, &[]) };
    let found = model(found_all("ab"), found_all("ax"), "f32", "avx2");
    assert_eq!(
        found,
        Ok(moved("rankings", "query q1, `b`: 1", "NaN")),
        "there is no other document"
    );
}

#[test]
fn a_baseline_without_scores_cannot_be_near() {
    let bare =
        |digest: &str| RankedQuery { digest: digest.into(), scores: vec![], ..ten("abc", &[]) };
    assert_eq!(model(bare("1"), bare("1"), "f32", "avx2"), Ok(vec![]), "it is the same");
    let error = model(bare("1"), ten("abc", &[]), "f32", "avx2").unwrap_err();
    assert!(
        error.contains("holds no scores of `bm25` on toy, which avx512 computed and avx2 does now")
    );
}

#[test]
fn another_instruction_set_excuses_nothing_that_no_model_computed() {
    let elsewhere = |row: &mut Row| {
        row.provenance.machine.insert("simd".to_owned(), "neon".to_owned());
        row.rankings["q1"].digest = "3333".to_owned();
    };
    let below = "query q1, scores, or below rank 2: 1111";
    assert_eq!(found(GATE, elsewhere), moved("rankings", below, "3333"));
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
