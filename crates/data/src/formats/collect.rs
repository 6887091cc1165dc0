//! Queries and judgements as they come, with the checks that every format shares.

use std::collections::HashMap;

use nir_core::{Qrels, Queries, Query};

use super::lines::{Line, malformed};
use crate::names::{check_id, id_rule};
use crate::notes::Remark;
use crate::{Notes, Read, ReadError, Source, grade};

/// The queries that were read so far, and the line of each.
pub(super) struct QuerySet<'s> {
    from: &'s Source,
    queries: Vec<Query>,
    lines: HashMap<String, u64>,
}

impl<'s> QuerySet<'s> {
    pub(super) fn new(from: &'s Source) -> Self {
        Self { from, queries: Vec::new(), lines: HashMap::new() }
    }

    pub(super) fn add(&mut self, line: u64, query_id: &str, text: &str) -> Result<(), ReadError> {
        named(self.from, line, "query_id", query_id)?;
        if let Some(first) = self.lines.insert(query_id.to_owned(), line) {
            let found = format!("`{query_id}` again, first at {first}");
            return Err(malformed(self.from, line, found, "each query_id once"));
        }
        self.queries.push(Query::new(query_id, text));
        Ok(())
    }

    /// The number of queries.
    pub(super) fn len(&self) -> usize {
        self.queries.len()
    }

    /// All queries, with the notes on their file.
    pub(super) fn finish(self, mut notes: Notes) -> Read<Queries> {
        let mut empty = self.queries.iter().filter(|query| query.text.trim().is_empty());
        if let Some(first) = empty.next() {
            let first = format!("is `{}`", first.query_id);
            notes.add(self.from, Remark::EmptyQuery, 1 + empty.count() as u64, first);
        }
        let value =
            Queries::new(self.queries).expect("every query_id was checked when it was added");
        Read { value, notes }
    }
}

/// The judgements that were read so far.
pub(super) struct Judgements<'s> {
    from: &'s Source,
    qrels: Qrels,
}

impl<'s> Judgements<'s> {
    pub(super) fn new(from: &'s Source) -> Self {
        Self { from, qrels: Qrels::default() }
    }

    /// Adds one. The same pair may come twice with one grade, never with two.
    pub(super) fn add(
        &mut self,
        line: u64,
        query_id: &str,
        doc_id: &str,
        grade: i32,
    ) -> Result<(), ReadError> {
        named(self.from, line, "query_id", query_id)?;
        named(self.from, line, "doc_id", doc_id)?;
        match self.qrels.insert(query_id, doc_id, grade) {
            Some(before) if before != grade => {
                let found = format!("grade {grade} after {before} for `{query_id}` and `{doc_id}`");
                Err(malformed(self.from, line, found, "one grade for a pair"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Qrels {
        self.qrels
    }
}

/// Refuses an id that a run file could not hold.
pub(super) fn named(from: &Source, line: u64, what: &str, id: &str) -> Result<(), ReadError> {
    check_id(what, id).map(|_| ()).map_err(|found| malformed(from, line, found, id_rule(what)))
}

/// Reads a grade: a whole number, which may be negative.
pub(super) fn grade_of(line: &Line<'_>, text: &str) -> Result<i32, ReadError> {
    grade::parse(text).ok_or_else(|| line.malformed(format!("grade `{text}`"), grade::EXPECTED))
}
