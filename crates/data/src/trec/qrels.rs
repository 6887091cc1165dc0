//! Judgements: four columns, `query_id 0 doc_id grade`.

use std::io::BufRead;
use std::path::Path;

use nir_core::Qrels;

use super::{Stop, TrecError, name, quoted, wrong};
use crate::lines::{Columns, for_each_line};
use crate::open;

/// Reads TREC qrels: plain, gzip or zstd, `-` for standard input.
///
/// A line that starts with `#` is a comment, as in trec_eval 10; a `#` inside a name is part of it. A pair may be
/// judged twice only with one grade.
pub fn read_qrels(path: &Path) -> Result<Qrels, TrecError> {
    qrels_from(&mut open(path)?, path)
}

/// Reads TREC qrels that are open already; `path` names them in errors.
pub(crate) fn qrels_from(reader: &mut dyn BufRead, path: &Path) -> Result<Qrels, TrecError> {
    let mut qrels = Qrels::default();
    for_each_line(reader, |number, line| add_line(&mut qrels, number, line))
        .map_err(|stop| stop.in_file(path))?;
    Ok(qrels)
}

fn add_line(qrels: &mut Qrels, number: u64, line: &[u8]) -> Result<(), Stop> {
    let mut columns = Columns(line);
    let Some(query_id) = columns.next() else { return Ok(()) };
    if line.starts_with(b"#") {
        return Ok(());
    }
    let (Some(_), Some(doc_id), Some(grade), None) =
        (columns.next(), columns.next(), columns.next(), columns.next())
    else {
        let found = format!("{} columns", Columns(line).count());
        return wrong(number, found, "four columns (`query_id 0 doc_id grade`)");
    };
    add(qrels, number, (name(number, query_id)?, name(number, doc_id)?, parse(number, grade)?))
}

fn add(qrels: &mut Qrels, number: u64, judgement: (&str, &str, i32)) -> Result<(), Stop> {
    let (query_id, doc_id, grade) = judgement;
    match qrels.insert(query_id, doc_id, grade) {
        Some(earlier) if earlier != grade => wrong(
            number,
            format!("grade {grade} for query `{query_id}` and document `{doc_id}`"),
            format!("grade {earlier} as on an earlier line: keep one of the two"),
        ),
        _ => Ok(()),
    }
}

fn parse(number: u64, grade: &[u8]) -> Result<i32, Stop> {
    std::str::from_utf8(grade)
        .ok()
        .and_then(|text| text.parse().ok())
        .map_or_else(|| wrong(number, quoted(grade), "a whole number as grade"), Ok)
}
