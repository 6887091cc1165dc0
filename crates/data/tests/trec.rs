//! Runs and qrels: what is read, what comes back after writing, and what is refused with its line.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::path::PathBuf;

use nir_core::TrecRun;
use nir_data::trec::{read_qrels, read_run, write_msmarco_run, write_qrels, write_run};
use proptest::prelude::*;
use tempfile::TempDir;

fn file(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn run(text: &str) -> TrecRun {
    read_run(&file(text.as_bytes()).1).unwrap()
}

/// The error for `text`, without the folder it lies in.
fn refused(text: &str, kind: &str) -> String {
    let (folder, path) = file(text.as_bytes());
    let error = match kind {
        "run" => read_run(&path).unwrap_err(),
        _ => read_qrels(&path).unwrap_err(),
    };
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_run_keeps_the_order_of_its_file() {
    let run = run("q2 Q0 b 1 2.5 mine\nq2 Q0 a 2 3e1 mine\n\nq1\tQ0\td\t-\t-1\tmine and more\r\n");
    assert_eq!(run.tag, "mine");
    let lists: Vec<_> = run.iter().collect();
    assert_eq!((lists[0].0, lists[1].0), ("q2", "q1"));
    let found: Vec<_> = lists[0].1.iter().map(|(doc_id, e)| (doc_id, e.score, e.rank)).collect();
    assert_eq!(found, [("b", 2.5, 1), ("a", 30.0, 2)]);
    assert_eq!(lists[1].1.entries()[0].rank, 0, "a rank that is no number is kept as 0");
}

#[test]
fn lines_of_one_query_need_not_stand_together() {
    let run =
        run("1 Q0 a 1 9 t\n2 Q0 a 1 8 t\n1 Q0 b 2 7 t\n3 Q0 a 1 6 t\n2 Q0 b 2 5 t\n1 Q0 c 3 4 t\n");
    let ids: Vec<_> = run.iter().map(|(query_id, _)| query_id).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let docs: Vec<_> = run.get("1").unwrap().iter().map(|(doc_id, _)| doc_id).collect();
    assert_eq!(docs, ["a", "b", "c"]);
    assert_eq!(run.get("2").unwrap().len(), 2);
}

#[test]
fn three_columns_are_read_as_ms_marco_writes_them() {
    let run = run("1\td7\t1\n1\td8\t2\n");
    let list = run.get("1").unwrap();
    assert_eq!((list.entries()[1].rank, list.entries()[1].score), (2, -2.0));
}

#[test]
fn a_compressed_run_is_the_same_run() {
    let text = "q Q0 a 1 2 t\nq Q0 b 2 1 t\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let (_folder, path) = file(&gzip.finish().unwrap());
    assert_eq!(read_run(&path).unwrap(), run(text));
}

#[test]
fn what_is_wrong_in_a_run_is_told_with_its_line() {
    let cases = [
        (
            "q Q0 a 1 2 t\nq Q0 b 2 1\n",
            "file:2: found 5 columns, expected six columns (`query_id Q0 doc_id rank score tag`)",
        ),
        ("q Q0 a 1 high t\n", "file:1: found `high`, expected a number as score"),
        ("q Q0 a 1 NaN t\n", "file:1: found `NaN`, expected a number as score"),
        ("q\ta\tfirst\n", "file:1: found `first`, expected a whole number as rank"),
        (
            "q\ta\t1\nq Q0 b 2 1 t\n",
            "file:2: found 6 columns, expected three columns (`query_id doc_id rank`) as on the first line",
        ),
        (
            "q Q0 a 1 2 t\nq Q0 a 2 1 t\n",
            "file:2: found document `a` a second time for query `q`, expected each document once: keep the line with the better score",
        ),
        (
            "q Q0 a 1 2 t\np Q0 a 1 2 t\nq Q0 a 2 1 t\n",
            "file:3: found document `a` a second time for query `q`, expected each document once: keep the line with the better score",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refused(text, "run"), message);
    }
}

#[test]
fn qrels_may_have_comments_and_negative_grades() {
    let (_folder, path) = file(b"# a comment\nq 0 a#1 2\nq 0 b -1\nq 0 a#1 2\np\t0\tc\t0\n");
    let qrels = read_qrels(&path).unwrap();
    assert_eq!((qrels.len(), qrels.judgements()), (2, 3));
    assert_eq!(qrels.get("q").unwrap()["a#1"], 2);
    assert_eq!(qrels.get("q").unwrap()["b"], -1);
}

#[test]
fn what_is_wrong_in_qrels_is_told_with_its_line() {
    let cases = [
        ("q 0 a\n", "file:1: found 3 columns, expected four columns (`query_id 0 doc_id grade`)"),
        ("q 0 a good\n", "file:1: found `good`, expected a whole number as grade"),
        (
            "q 0 a 1\nq 0 a 2\n",
            "file:2: found grade 2 for query `q` and document `a`, expected grade 1 as on an earlier line: keep one of the two",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refused(text, "qrels"), message);
    }
}

proptest! {
    #[test]
    fn a_written_run_reads_back(scores in prop::collection::vec(-1e6f32..1e6, 1..40)) {
        let mut run = TrecRun::default();
        for (i, &score) in scores.iter().enumerate() {
            let list = run.list_mut(&format!("q{}", i / 10));
            list.push(&format!("d{i}"), f64::from(score), list.len() as u32 + 1);
        }
        let (_folder, path) = file(b"");
        write_run(&path, &run, "mine").unwrap();
        let back = read_run(&path).unwrap();
        for (query_id, list) in run.iter() {
            for (ours, theirs) in list.iter().zip(back.get(query_id).unwrap().iter()) {
                prop_assert_eq!(ours.0, theirs.0);
                prop_assert_eq!(ours.1.score as f32, theirs.1.score as f32);
                prop_assert_eq!(ours.1.rank, theirs.1.rank);
            }
        }
        write_msmarco_run(&path, &run).unwrap();
        prop_assert_eq!(read_run(&path).unwrap().len(), run.len());
    }

    #[test]
    fn written_qrels_read_back(grades in prop::collection::vec(-2i32..4, 1..40)) {
        let qrels = grades.iter().enumerate()
            .map(|(i, &grade)| (format!("q{}", i % 3), format!("d{i}"), grade))
            .collect();
        let (_folder, path) = file(b"");
        write_qrels(&path, &qrels).unwrap();
        prop_assert_eq!(read_qrels(&path).unwrap(), qrels);
    }
}
