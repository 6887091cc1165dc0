//! Columns between tabs: MS MARCO passages, documents and queries, ANTIQUE, and most people's own files.
//!
//! A first line such as `id TAB text TAB title` names the columns, in any order, and is not a row. Quotes mean nothing:
//! they are part of the text.

use nir_core::Queries;

use super::collect::QuerySet;
use super::header::{self, Fields, Header, Names};
use super::input::Input;
use super::lines::{Line, Lines};
use super::{AddText, DocumentRef, Visit};
use crate::notes::Remark;
use crate::{Notes, Read, ReadError, Source};

/// Reads documents: `doc_id TAB text`, or the columns that a header names.
pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    let expected = "`doc_id TAB text`; if there are more columns, a first line must name them: `id TAB text TAB title`";
    rows(input, &header::DOCUMENTS, expected, &mut |line, Fields { id, title, text }| {
        let doc_id = line.id("doc_id", id)?;
        visit(DocumentRef { doc_id, title, text }).map_err(ReadError::Stopped)
    })
}

/// Reads MS MARCO documents: `doc_id TAB url TAB title TAB body`.
pub(super) fn ms_marco_docs(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    let (source, mut notes) = (input.source, Notes::default());
    let mut lines = Lines::of(input)?;
    let mut first = true;
    while let Some(line) = lines.next_row()? {
        let [doc_id, url, title, text] = line.columns("`doc_id TAB url TAB title TAB body`")?;
        if std::mem::take(&mut first) && (url, title) == ("url", "title") {
            note_header(&mut notes, source, &line);
            continue;
        }
        let doc_id = line.id("doc_id", doc_id)?;
        visit(DocumentRef { doc_id, title, text }).map_err(ReadError::Stopped)?;
    }
    lines.note(&mut notes);
    Ok(notes)
}

/// Reads queries: `query_id TAB text`, or the columns that a header names.
pub(super) fn queries(input: Input<'_>) -> Result<Read<Queries>, ReadError> {
    let mut queries = QuerySet::new(input.source);
    let expected = "`query_id TAB text`";
    let notes = rows(input, &header::QUERIES, expected, &mut |line, Fields { id, text, .. }| {
        queries.add(line.number, id, text)
    })?;
    Ok(queries.finish(notes))
}

/// Reads texts for queries or documents: `query_id TAB text`, or the columns that a header names.
pub(super) fn texts(input: Input<'_>, add: &mut AddText<'_>) -> Result<Notes, ReadError> {
    let expected = "`query_id TAB text` or `doc_id TAB text`";
    rows(input, &header::TEXTS, expected, &mut |line, Fields { id, text, .. }| {
        let id = line.id("query_id or doc_id", id)?;
        add(id, text, Some(line.number));
        Ok(())
    })
}

fn rows(
    input: Input<'_>,
    names: &Names,
    expected: &str,
    row: &mut dyn FnMut(&Line<'_>, Fields<'_>) -> Result<(), ReadError>,
) -> Result<Notes, ReadError> {
    let (source, mut notes) = (input.source, Notes::default());
    let mut lines = Lines::of(input)?;
    let mut header = None;
    let mut first = true;
    while let Some(line) = lines.next_row()? {
        if std::mem::take(&mut first) {
            header = Header::of(&line, names)?;
            if header.is_some() {
                note_header(&mut notes, source, &line);
                continue;
            }
        }
        row(&line, fields(&line, header.as_ref(), expected)?)?;
    }
    lines.note(&mut notes);
    Ok(notes)
}

fn note_header(notes: &mut Notes, source: &Source, line: &Line<'_>) {
    let names = line.text.replace('\t', " TAB ");
    notes.add(source, Remark::Header, 1, format_args!("is `{names}`"));
}

fn fields<'l>(
    line: &Line<'l>,
    header: Option<&Header>,
    expected: &str,
) -> Result<Fields<'l>, ReadError> {
    if let Some(header) = header {
        return header.fields(line);
    }
    let [id, text] = line.columns(expected)?;
    Ok(Fields { id, title: "", text })
}
