//! TREC's two files: qrels (`query_id 0 doc_id grade`) and runs (`query_id Q0 doc_id rank score tag`).
//!
//! Runs of MS MARCO's own three columns (`query_id doc_id rank`) are read too. What trec_eval reads is read the same
//! way; what it would misread in silence (a score that is no number, a document found twice) is refused with its line.

mod qrels;
mod run;
mod score;
mod seen;
mod write;

use std::io::BufRead;
use std::path::Path;

use crate::lines::{Stop, for_each_line};
use crate::{Malformed, OpenError};

pub(crate) use qrels::qrels_from;
pub use qrels::read_qrels;
pub use run::read_run;
pub use write::{write_msmarco_run, write_qrels, write_run, write_run_lines};

/// A file of judgements or results that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrecError {
    /// It could not be opened, or reading it broke off.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A line is not what the format says.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A line that is wrong: what was found, and what was expected.
struct Wrong {
    line: u64,
    found: String,
    expected: String,
}

/// A line that is wrong.
fn wrong<T>(line: u64, found: impl Into<String>, expected: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { line, found: found.into(), expected: expected.into() })
}

/// Calls `each` with the number and the text of every line; `path` names the file in errors.
fn read_lines(
    reader: &mut dyn BufRead,
    path: &Path,
    each: impl FnMut(u64, &str) -> Result<(), Wrong>,
) -> Result<(), TrecError> {
    for_each_line(reader, each).map_err(|stop| match stop {
        Stop::Read(source) => OpenError { path: path.to_owned(), source }.into(),
        Stop::Text(line) => {
            Malformed::new(path, line, "bytes that are not UTF-8", "text in UTF-8").into()
        }
        Stop::Line(Wrong { line, found, expected }) => {
            Malformed::new(path, line, found, expected).into()
        }
    })
}
