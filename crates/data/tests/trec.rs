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
fn grades_may_be_negative_and_a_number_sign_is_part_of_a_name() {
    let (_folder, path) = file(b"#q 0 a#1 2\n#q 0 #b -1\n#q 0 a#1 2.0\np\t0\tc\t0\n");
    let qrels = read_qrels(&path).unwrap();
    assert_eq!((qrels.len(), qrels.judgements()), (2, 3));
    assert_eq!(qrels.get("#q").unwrap()["a#1"], 2);
    assert_eq!(qrels.get("#q").unwrap()["#b"], -1);
    let hashed = run("#q Q0 #b 1 2 t\n");
    assert_eq!(hashed.get("#q").unwrap().doc_id(0), "#b");
}

#[test]
fn a_byte_order_mark_belongs_to_no_name() {
    let (_folder, path) = file("\u{feff}q 0 a 1\n".as_bytes());
    assert_eq!(read_qrels(&path).unwrap().get("q").unwrap()["a"], 1);
    assert!(run("\u{feff}q Q0 a 1 2 t\n").get("q").is_some());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all("\u{feff}q Q0 a 1 2 t\n".as_bytes()).unwrap();
    let (_folder, path) = file(&gzip.finish().unwrap());
    assert!(read_run(&path).unwrap().get("q").is_some());
}

#[test]
fn names_that_nobody_could_tell_apart_are_refused_with_their_line() {
    let id = "a doc_id without white space or control characters (run files are split at them)";
    let text = "text without control characters";
    let mac = "lines that end with LF or CR LF (`tr '\\r' '\\n'` makes them)";
    let cases = [
        ("run", "q Q0 a 1 2 t\nq Q0 \u{feff}b 2 1 t\n", "2: found `\\u{feff}b`", id),
        ("run", "q Q0 a\u{a0}b 2 1 t\n", "1: found `a\\u{a0}b`", id),
        ("run", "q Q0 a\u{1}b 2 1 t\n", "1: found the control character U+0001", text),
        ("run", "q Q0 a 1 2 t\rq Q0 b 2 1 t\r", "1: found the control character U+000D", mac),
        ("qrels", "q 0 a 1\nq 0 d\u{7f} 1\n", "2: found the control character U+007F", text),
        ("qrels", "q 0 a\u{2003}b 1\n", "1: found `a\\u{2003}b`", id),
        ("qrels", "q 0 a 1\rq 0 b 1\r", "1: found the control character U+000D", mac),
        (
            "qrels",
            "q\0 0 a 1\n",
            "1: found the control character U+0000",
            "text in UTF-8 without control characters; `iconv -f UTF-16 -t UTF-8` makes it of UTF-16",
        ),
    ];
    for (kind, content, found, expected) in cases {
        assert_eq!(refused(content, kind), format!("file:{found}, expected {expected}"));
    }
    assert!(run("é Q0 größe 1 2 mein\u{a0}Lauf\n").get("é").is_some(), "a tag may be anything");
}

#[test]
fn what_is_wrong_in_qrels_is_told_with_its_line() {
    let cases = [
        (
            "q 0 a\n",
            "file:1: found 3 columns, expected four columns (`query_id 0 doc_id grade`), or on the first line a header such as `query-id corpus-id score`",
        ),
        (
            "#no comment\n",
            "file:1: found 2 columns, expected four columns (`query_id 0 doc_id grade`), or on the first line a header such as `query-id corpus-id score`",
        ),
        (
            "q 0 a good\n",
            "file:1: found `good`, expected a whole number as grade, such as `1` or `1.0` (grades in between have to be scaled and rounded first)",
        ),
        (
            "q 0 a 0.7\n",
            "file:1: found `0.7`, expected a whole number as grade, such as `1` or `1.0` (grades in between have to be scaled and rounded first)",
        ),
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
