//! Columns between tabs: MS MARCO passages, documents and queries, ANTIQUE, and most people's own files.

use nir_core::Queries;

use super::collect::QuerySet;
use super::lines::Lines;
use super::{DocumentRef, Visit};

use crate::{ReadError, Source};

/// `doc_id TAB text`
pub(super) fn documents(source: &Source, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::open(source)?;
    while let Some(line) = lines.next_line()? {
        let [doc_id, text] = line.columns("`doc_id TAB text`")?;
        let doc_id = line.id("doc_id", doc_id)?;
        visit(DocumentRef { doc_id, title: "", text }).map_err(ReadError::Stopped)?;
    }
    Ok(())
}

/// `doc_id TAB url TAB title TAB body`
pub(super) fn ms_marco_docs(source: &Source, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let mut lines = Lines::open(source)?;
    while let Some(line) = lines.next_line()? {
        let [doc_id, _url, title, text] = line.columns("`doc_id TAB url TAB title TAB body`")?;
        let doc_id = line.id("doc_id", doc_id)?;
        visit(DocumentRef { doc_id, title, text }).map_err(ReadError::Stopped)?;
    }
    Ok(())
}

/// `query_id TAB text`
pub(super) fn queries(source: &Source) -> Result<Queries, ReadError> {
    let mut queries = QuerySet::new(source);
    let mut lines = Lines::open(source)?;
    while let Some(line) = lines.next_line()? {
        let [query_id, text] = line.columns("`query_id TAB text`")?;
        queries.add(line.number, query_id, text)?;
    }
    Ok(queries.finish())
}
