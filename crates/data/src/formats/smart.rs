//! The format of the SMART system: Cranfield (`cran.all.1400`, `cran.qry`, `cranqrel`), CACM (`cacm.all`,
//! `query.text`, `qrels.text`), CISI, MED.
//!
//! A record begins with `.I number`; a line with a dot and a capital begins a field: `.T` the title, `.W` the text.
//! Authors, dates and citations (`.A`, `.B`, `.N`, `.X` …) are not text and are passed over.
//!
//! Three quirks. `cran.qry` numbers its queries 1, 2, 4, 8 …, but the judgements count positions, so the query_id is
//! the position. Cranfield's texts begin with their title: the repetition is cut off, so that `contents` says it
//! once. Numbers may have leading zeros (`01` in `qrels.text`): they are dropped.

use nir_core::{Qrels, Queries};

use super::collect::{Judgements, QuerySet, grade_of};
use super::input::Input;
use super::lines::{Line, Lines, malformed};
use super::{DocumentRef, Visit, push_words};
use crate::bounds::{DOCUMENT, Exceeded};
use crate::{Notes, Read, ReadError};

/// A record: its number and the words of its fields.
#[derive(Default)]
struct Record {
    number: String,
    line: u64,
    title: String,
    text: String,
}

pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    records(input, &mut |record| {
        let repeated = record.text.strip_prefix(record.title.as_str());
        let text = repeated.unwrap_or(&record.text).trim_start();
        visit(DocumentRef { doc_id: &record.number, title: &record.title, text })
            .map_err(ReadError::Stopped)
    })?;
    Ok(Notes::default())
}

pub(super) fn queries(input: Input<'_>) -> Result<Read<Queries>, ReadError> {
    let source = input.source;
    let mut queries = QuerySet::new(source);
    records(input, &mut |record| {
        if record.text.is_empty() {
            let found = format!("query {} without words", record.number);
            return Err(malformed(source, record.line, found, "a text under `.W`"));
        }
        let position = queries.len() + 1;
        queries.add(record.line, &position.to_string(), &record.text)
    })?;
    Ok(queries.finish(Notes::default()))
}

/// `query doc code`, or `query doc 0 0` where every line is a relevant document.
pub(super) fn qrels(input: Input<'_>) -> Result<Qrels, ReadError> {
    let mut judgements = Judgements::new(input.source);
    let mut lines = Lines::of(input)?;
    while let Some(line) = lines.next_row()? {
        let columns: Vec<&str> = line.text.split_ascii_whitespace().collect();
        let (query, doc, grade) = match columns[..] {
            [query, doc, code] => (query, doc, grade_of(&line, code)?),
            [query, doc, "0", zero] if zero.parse() == Ok(0.0) => (query, doc, 1),
            _ => {
                let found = format!("`{}`", line.text);
                return Err(line.malformed(found, "`query doc code` or `query doc 0 0`"));
            }
        };
        judgements.add(line.number, number(&line, query)?, number(&line, doc)?, grade)?;
    }
    Ok(judgements.finish())
}

/// Calls `visit` with each record of the file.
fn records(
    input: Input<'_>,
    visit: &mut dyn FnMut(&Record) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut lines = Lines::of(input)?;
    let mut record: Option<Record> = None;
    let mut field = 'I';
    while let Some(line) = lines.next_line()? {
        match mark(line.text) {
            Some(('I', rest)) => {
                record.take().iter().try_for_each(&mut *visit)?;
                record = Some(begin(&line, rest)?);
                field = 'I';
            }
            Some((letter, _)) => field = letter,
            None => add(&line, record.as_mut(), field)?,
        }
    }
    record.iter().try_for_each(visit)
}

/// The letter of a line that begins a record or a field, and what follows it.
fn mark(line: &str) -> Option<(char, &str)> {
    let letter = line.strip_prefix('.')?.chars().next().filter(char::is_ascii_uppercase)?;
    let rest = line[2..].trim();
    // `.I` has its number on the line. Any other mark stands alone: what else starts with a dot is text.
    (rest.is_empty() || (letter == 'I' && line[2..].starts_with(' '))).then_some((letter, rest))
}

fn begin(line: &Line<'_>, number_text: &str) -> Result<Record, ReadError> {
    let number = number(line, number_text)?.to_owned();
    Ok(Record { number, line: line.number, ..Record::default() })
}

fn add(line: &Line<'_>, record: Option<&mut Record>, field: char) -> Result<(), ReadError> {
    match (record, field) {
        (Some(record), _) if record.title.len() + record.text.len() > DOCUMENT => {
            let found = Exceeded::Record(DOCUMENT).to_string();
            return Err(line.malformed(found, "`.I number` before"));
        }
        (Some(record), 'T') => push_words(&mut record.title, line.text),
        (Some(record), 'W') => push_words(&mut record.text, line.text),
        (Some(_), 'I') | (None, _) if !line.text.trim().is_empty() => {
            let found = format!("`{}`", line.text);
            return Err(line.malformed(found, "`.I number` and then a field (`.T`, `.W`, …)"));
        }
        _ => {}
    }
    Ok(())
}

/// A number as an id, without leading zeros.
fn number<'l>(line: &Line<'_>, text: &'l str) -> Result<&'l str, ReadError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(line.malformed(format!("`{text}`"), "a number"));
    }
    let shorter = text.trim_start_matches('0');
    Ok(if shorter.is_empty() { "0" } else { shorter })
}
