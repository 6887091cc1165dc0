//! Judgements: four columns, `query_id 0 doc_id grade`.

use std::io::BufRead;
use std::path::Path;

use nir_core::Qrels;

use super::{TrecError, Wrong, read_lines, wrong};
use crate::lines::Columns;
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
    read_lines(reader, path, |number, line| add_line(&mut qrels, number, line))?;
    Ok(qrels)
}

fn add_line(qrels: &mut Qrels, number: u64, line: &str) -> Result<(), Wrong> {
    let mut columns = Columns(line);
    let Some(query_id) = columns.next() else { return Ok(()) };
    if line.starts_with('#') {
        return Ok(());
    }
    let (Some(_), Some(doc_id), Some(grade), None) =
        (columns.next(), columns.next(), columns.next(), columns.next())
    else {
        let found = format!("{} columns", Columns(line).count());
        return wrong(number, found, "four columns (`query_id 0 doc_id grade`)");
    };
    match grade.parse() {
        Ok(grade) => add(qrels, number, (query_id, doc_id, grade)),
        Err(_) => wrong(number, format!("`{grade}`"), "a whole number as grade"),
    }
}

fn add(qrels: &mut Qrels, number: u64, judgement: (&str, &str, i32)) -> Result<(), Wrong> {
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
