//! BEIR: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`.
//! Thakur et al., NeurIPS 2021 (`thakur2021beir`).

use std::borrow::Cow;

use nir_core::{Qrels, Queries};
use serde::Deserialize;

use super::collect::{Judgements, QuerySet, grade};
use super::lines::{Line, Lines};
use super::{DocumentRef, Visit};
use crate::{ReadError, Source};

/// The first line of every BEIR qrels file.
pub(super) const QRELS_HEADER: &str = "query-id\tcorpus-id\tscore";

/// A line of `corpus.jsonl`; other keys (`metadata`) are passed over.
#[derive(Deserialize)]
struct DocumentLine<'l> {
    #[serde(rename = "_id", borrow)]
    doc_id: Cow<'l, str>,
    #[serde(default, borrow)]
    title: Cow<'l, str>,
    #[serde(borrow)]
    text: Cow<'l, str>,
}

/// A line of `queries.jsonl`; other keys (`metadata`) are passed over.
#[derive(Deserialize)]
struct QueryLine<'l> {
    #[serde(rename = "_id", borrow)]
    query_id: Cow<'l, str>,
    #[serde(borrow)]
    text: Cow<'l, str>,
}

pub(super) fn documents(source: &Source, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::open(source)?;
    while let Some(line) = lines.next_line()? {
        let json: DocumentLine<'_> =
            parse(&line, "a JSON object with the strings `_id`, `text` and perhaps `title`")?;
        line.id("doc_id", &json.doc_id)?;
        visit(DocumentRef { doc_id: &json.doc_id, title: &json.title, text: &json.text })
            .map_err(ReadError::Stopped)?;
    }
    Ok(())
}

pub(super) fn queries(source: &Source) -> Result<Queries, ReadError> {
    let mut queries = QuerySet::new(source);
    let mut lines = Lines::open(source)?;
    while let Some(line) = lines.next_line()? {
        let json: QueryLine<'_> = parse(&line, "a JSON object with the strings `_id` and `text`")?;
        queries.add(line.number, &json.query_id, &json.text)?;
    }
    Ok(queries.finish())
}

pub(super) fn qrels(source: &Source) -> Result<Qrels, ReadError> {
    let mut judgements = Judgements::new(source);
    let mut lines = Lines::open(source)?;
    while let Some(line) = lines.next_line()? {
        if line.number == 1 {
            check_header(&line)?;
            continue;
        }
        if line.text.is_empty() {
            continue; // some of BEIR's files hold blank lines
        }
        let [query_id, doc_id, score] = line.columns("`query_id TAB doc_id TAB grade`")?;
        judgements.add(line.number, query_id, doc_id, grade(&line, score)?)?;
    }
    Ok(judgements.finish())
}

fn check_header(line: &Line<'_>) -> Result<(), ReadError> {
    if line.text == QRELS_HEADER {
        return Ok(());
    }
    Err(line.malformed(format!("`{}`", line.text), "the header `query-id TAB corpus-id TAB score`"))
}

fn parse<'l, T: Deserialize<'l>>(line: &Line<'l>, expected: &str) -> Result<T, ReadError> {
    // serde would take an array for the fields of a struct in their order.
    if line.text.starts_with('[') {
        return Err(line.malformed("an array", expected));
    }
    serde_json::from_str(line.text).map_err(|error| {
        let message = error.to_string();
        // Every document is one line to serde_json: only the column says something.
        let reason = message.split(" at line ").next().unwrap_or(&message);
        line.malformed(format!("{reason} (column {})", error.column()), expected)
    })
}
