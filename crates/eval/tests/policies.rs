//! What the policies decide: ties, float widths, missing queries, the rank column.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use nir_core::{Qrels, TrecRun};
use nir_eval::{EvalError, Evaluation, Measure, Policy, evaluate};
use proptest::prelude::*;

fn measures(names: &[&str]) -> Vec<Measure> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn run(lines: &[(&str, &str, f64)]) -> TrecRun {
    let mut run = TrecRun::default();
    for &(query_id, doc_id, score) in lines {
        let list = run.list_mut(query_id);
        list.push(doc_id, score, list.len() as u32 + 1);
    }
    run
}

fn qrels(judgements: &[(&str, &str, i32)]) -> Qrels {
    judgements.iter().copied().collect()
}

fn value(evaluation: &Evaluation) -> f64 {
    evaluation.measured[0].value
}

#[test]
fn a_tie_goes_to_the_larger_doc_id() {
    // "9" > "10" in byte order: 9 stands first.
    let run = run(&[("q", "10", 1.0), ("q", "9", 1.0)]);
    let evaluation =
        evaluate(&qrels(&[("q", "10", 1)]), &run, &measures(&["RR"]), Policy::TREC_EVAL_9).unwrap();
    assert_eq!(value(&evaluation), 0.5);
    let ties = evaluation.measured[0].ties;
    // Nothing is cut off, but either document may stand first: 1/2 or 1.
    assert_eq!((ties.worst, ties.best, ties.crossing, ties.open), (0.5, 1.0, 0, 1));
}

#[test]
fn scores_that_differ_only_as_doubles_tie_in_trec_eval_9() {
    // 0.1 and 0.1 + 1e-12 are one f32.
    let run = run(&[("q", "a", 0.1 + 1e-12), ("q", "b", 0.1)]);
    let qrels = qrels(&[("q", "a", 1)]);
    let rr = |policy| value(&evaluate(&qrels, &run, &measures(&["RR"]), policy).unwrap());
    assert_eq!(rr(Policy::TREC_EVAL_9), 0.5);
    assert_eq!(rr(Policy::TREC_EVAL_10), 1.0);
}

#[test]
fn a_constant_scorer_has_the_widest_bounds() {
    let run = run(&[("q", "a", 0.0), ("q", "b", 0.0), ("q", "c", -0.0), ("q", "d", 0.0)]);
    let names = measures(&["RR", "P@1", "nDCG@4", "R@4", "Bpref", "Judged@2"]);
    let judged = qrels(&[("q", "a", 2), ("q", "b", 0), ("q", "c", 1)]);
    let evaluation = evaluate(&judged, &run, &names, Policy::TREC_EVAL_9).unwrap();
    let bounds: Vec<_> =
        evaluation.measured.iter().map(|m| (m.ties.worst, m.ties.best, m.ties.crossing)).collect();
    assert_eq!(bounds[0], (1.0 / 3.0, 1.0, 0)); // d b c a, c before a
    assert_eq!(bounds[1], (0.0, 1.0, 1));
    assert_eq!(bounds[2].1, 1.0);
    assert_eq!(bounds[3], (1.0, 1.0, 0)); // nothing lies beyond the fourth document
    assert_eq!(bounds[4], (0.0, 1.0, 0));
    assert_eq!(bounds[5], (0.5, 1.0, 1)); // d b, or any two of a b c
    // All but R@4, which has every document whatever their order.
    let open: Vec<_> = evaluation.measured.iter().map(|m| m.ties.open).collect();
    assert_eq!(open, [1, 1, 1, 0, 1, 1]);
}

#[test]
fn a_tie_of_documents_that_are_worth_the_same_is_open_only_where_it_is_cut() {
    let run = run(&[("q", "a", 1.0), ("q", "b", 1.0)]);
    let judged = qrels(&[("q", "a", 1), ("q", "b", 1)]);
    let ties = |name| {
        evaluate(&judged, &run, &measures(&[name]), Policy::TREC_EVAL_9).unwrap().measured[0].ties
    };
    assert_eq!((ties("RR").crossing, ties("RR").open), (0, 0));
    assert_eq!((ties("P@1").worst, ties("P@1").best), (1.0, 1.0));
    assert_eq!((ties("P@1").crossing, ties("P@1").open), (1, 1));
}

#[test]
fn a_missing_query_counts_zero_unless_only_returned_ones_are_averaged() {
    let run = run(&[("q1", "a", 1.0), ("q9", "a", 1.0)]);
    let qrels = qrels(&[("q1", "a", 1), ("q2", "a", 1)]);
    let names = measures(&["RR", "NumQ", "NumRel"]);
    let all = evaluate(&qrels, &run, &names, Policy::TREC_EVAL_9).unwrap();
    assert_eq!((all.missing, all.unjudged, all.queries.len()), (1, 1, 2));
    let values = |e: &Evaluation| e.measured.iter().map(|m| m.value).collect::<Vec<_>>();
    assert_eq!(values(&all), [0.5, 2.0, 2.0]);
    let returned = evaluate(&qrels, &run, &names, Policy::TREC_EVAL_9.returned_only()).unwrap();
    assert_eq!(values(&returned), [1.0, 1.0, 1.0]);
}

#[test]
fn the_msmarco_policy_reads_ranks_and_not_scores() {
    let mut run = TrecRun::default();
    run.list_mut("q").push("a", 9.0, 3);
    run.list_mut("q").push("b", 1.0, 1);
    let evaluate = |run: &TrecRun| {
        evaluate(&qrels(&[("q", "a", 1)]), run, &measures(&["RR@10", "P@3"]), Policy::MSMARCO)
    };
    let evaluation = evaluate(&run).unwrap();
    // Rank 2 is empty and keeps its place.
    assert_eq!(evaluation.measured[0].value, 1.0 / 3.0);
    assert_eq!(evaluation.measured[1].value, 1.0 / 3.0);
    run.list_mut("q").push("c", 1.0, 0);
    let error = evaluate(&run).unwrap_err();
    assert_eq!(error, EvalError::Rank { query_id: "q".into(), doc_id: "c".into(), rank: 0 });
}

#[test]
fn a_tie_across_the_depth_is_open_for_every_measure() {
    let run = run(&[("q", "a", 1.0), ("q", "b", 1.0)]);
    let qrels = qrels(&[("q", "a", 1)]);
    let policy = Policy::TREC_EVAL_9.to_depth(1);
    let ties = evaluate(&qrels, &run, &measures(&["AP"]), policy).unwrap().measured[0].ties;
    assert_eq!((ties.worst, ties.best, ties.crossing), (0.0, 1.0, 1));
}

#[test]
fn err_refuses_a_grade_it_has_no_value_for() {
    let run = run(&[("q", "a", 1.0)]);
    let error = evaluate(&qrels(&[("q", "b", 5)]), &run, &measures(&["ERR@20"]), Policy::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "query `q`: grade 5 is above 4, the highest that ERR is defined for"
    );
}

#[test]
fn nothing_found_is_zero_and_not_minus_zero() {
    let names = measures(&ALL);
    let nothing =
        evaluate(&qrels(&[("q", "a", 1)]), &TrecRun::default(), &names, Policy::default());
    for measured in nothing.unwrap().measured {
        assert_eq!(format!("{:.4}", measured.value), "0.0000", "{}", measured.measure);
    }
}

const ALL: [&str; 16] = [
    "nDCG@5",
    "nDCG(dcg='exp-log2')@3",
    "RR",
    "RR(rel=2)@3",
    "AP",
    "AP(rel=2)@4",
    "P@3",
    "R@4",
    "Success@2",
    "Judged@3",
    "Rprec",
    "Bpref",
    "Bpref(rel=2)",
    "ERR@5",
    "RBP(p=0.7)",
    "Compat(p=0.8)",
];

proptest! {
    #[test]
    fn values_lie_between_the_bounds_of_their_ties(
        lines in prop::collection::vec((0..4i32, prop::option::of(-1..4i32)), 1..12),
        missed in prop::collection::vec(0..4i32, 0..3),
        level in 0..=10u32,
    ) {
        let mut run = TrecRun::default();
        let mut qrels = Qrels::default();
        for (i, (score, grade)) in lines.iter().enumerate() {
            let doc_id = format!("d{}", (i * 7) % 12);
            run.list_mut("q").push(&doc_id, f64::from(*score), i as u32 + 1);
            if let Some(grade) = grade {
                qrels.insert("q", &doc_id, *grade);
            }
        }
        for (i, grade) in missed.iter().enumerate() {
            qrels.insert("q", &format!("m{i}"), *grade);
        }
        prop_assume!(!qrels.is_empty());
        let mut names = measures(&ALL);
        names.push(format!("IPrec@{}", f64::from(level) / 10.0).parse().unwrap());
        for measured in evaluate(&qrels, &run, &names, Policy::TREC_EVAL_9).unwrap().measured {
            let ties = measured.ties;
            prop_assert!(ties.worst <= measured.value + 1e-12, "{}", measured.measure);
            prop_assert!(measured.value <= ties.best + 1e-12, "{}", measured.measure);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&measured.value), "{}", measured.measure);
        }
    }

    #[test]
    fn other_names_move_a_value_only_between_its_bounds(
        lines in prop::collection::vec((0..3i32, prop::option::of(-1..4i32)), 1..9),
        names in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let evaluation = |names: &[usize]| {
            let mut run = TrecRun::default();
            let mut qrels = qrels(&[("q", "never found", 1)]);
            for ((score, grade), name) in lines.iter().zip(names) {
                run.list_mut("q").push(&format!("d{name}"), f64::from(*score), 0);
                if let Some(grade) = grade {
                    qrels.insert("q", &format!("d{name}"), *grade);
                }
            }
            evaluate(&qrels, &run, &measures(&ALL), Policy::TREC_EVAL_9).unwrap()
        };
        let first = evaluation(&(0..9).collect::<Vec<_>>());
        for (first, renamed) in first.measured.iter().zip(evaluation(&names).measured) {
            let ties = first.ties;
            prop_assert_eq!(ties, renamed.ties, "{}", first.measure);
            prop_assert!(ties.worst <= renamed.value + 1e-12, "{}", first.measure);
            prop_assert!(renamed.value <= ties.best + 1e-12, "{}", first.measure);
        }
    }

    #[test]
    fn the_order_of_lines_does_not_matter(
        scores in prop::collection::vec(0..5i32, 1..20),
        turn in 0..20usize,
    ) {
        let mut lines: Vec<_> = scores.iter().enumerate()
            .map(|(i, &score)| (format!("d{i}"), f64::from(score))).collect();
        let qrels = lines.iter().step_by(3).map(|(doc_id, _)| ("q", doc_id.clone(), 1)).collect();
        let value = |lines: &[(String, f64)]| {
            let lines: Vec<_> = lines.iter().map(|(doc_id, score)| ("q", doc_id.as_str(), *score)).collect();
            evaluate(&qrels, &run(&lines), &measures(&["AP"]), Policy::TREC_EVAL_9).unwrap()
        };
        let before = value(&lines);
        let at = turn % lines.len();
        lines.rotate_left(at);
        prop_assert_eq!(value(&lines), before);
    }
}
