//! CORD-19: `metadata.csv`, whose records name papers on the coronavirus. TREC-COVID searches title and abstract.
//! Wang et al., 2020.
//!
//! The first record names the columns; `cord_uid`, `title` and `abstract` are read, wherever they stand. A paper may have
//! several records under one `cord_uid`: the first of them is the document, and the others are passed over and counted.

use std::borrow::Cow;
use std::collections::HashSet;

use super::collect::named;
use super::csv::{Records, columns};
use super::input::Input;
use super::lines::malformed;
use super::{DocumentRef, Visit};
use crate::notes::Remark;
use crate::{Notes, ReadError, Source};

const COLUMNS: [&str; 3] = ["cord_uid", "title", "abstract"];

pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    let source = input.source;
    let (mut records, mut seen) = (Records::of(input)?, HashSet::new());
    let Some(header) = records.next()? else { return Ok(Notes::default()) };
    let (names, places) = header_of(source, &header)?;
    let mut notes = Notes::default();
    while let Some((line, record)) = records.next()? {
        let row = columns(&record, ',').unwrap_or_default();
        if row.len() != names {
            let found = format!("{} columns", row.len());
            return Err(malformed(source, line, found, format!("{names}, as the first line has")));
        }
        let [doc_id, title, text] = places.map(|place| &*row[place]);
        named(source, line, "doc_id", doc_id)?;
        if !seen.insert(doc_id.to_owned()) {
            notes.add(source, Remark::Repeated, 1, format_args!("is `{doc_id}` at line {line}"));
            continue;
        }
        visit(DocumentRef { doc_id, title, text }).map_err(ReadError::Stopped)?;
    }
    Ok(notes)
}

/// The number of columns, and the places of those that are read.
fn header_of(
    source: &Source,
    (line, header): &(u64, String),
) -> Result<(usize, [usize; 3]), ReadError> {
    let names: Vec<Cow<'_, str>> = columns(header, ',').unwrap_or_default();
    let mut places = [0; 3];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        *place = names.iter().position(|column| column == name).ok_or_else(|| {
            let found = format!("columns without `{name}`: {}", names.join(", "));
            malformed(source, *line, found, "`cord_uid`, `title` and `abstract` among their names")
        })?;
    }
    Ok((names.len(), places))
}
