//! TREC's two files: qrels (`query_id 0 doc_id grade`) and runs (`query_id Q0 doc_id rank score tag`).
//!
//! Qrels under BEIR's header and runs of MS MARCO's own three columns (`query_id doc_id rank`) are read too. What trec_eval reads is read the same
//! way; what it would misread in silence (a score that is no number, a document found twice) is refused with its line.

mod qrels;
mod run;
mod score;
mod seen;
mod write;

use std::io::BufRead;
use std::path::Path;

use crate::bounds::JUDGEMENT_LINE;
use crate::lines::{Stop, TextLine, for_each_line};
use crate::names::{check_id, id_rule};
use crate::{Malformed, OpenError};

pub(crate) use qrels::qrels_from;
pub use qrels::read_qrels;
pub use run::read_run;
pub use write::{write_msmarco_run, write_qrels, write_run, write_run_lines};

/// A file of judgements or results that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrecError {
    /// The file could not be opened, or reading it failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A line does not have the form that the format asks for.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A line that is wrong: what was found, and what was expected.
struct Wrong {
    line: u64,
    found: String,
    expected: String,
}

/// The error for a line that has another form.
fn wrong<T>(line: u64, found: impl Into<String>, expected: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { line, found: found.into(), expected: expected.into() })
}

/// Refuses names that cannot be told from others or that no run could hold; `line` is the one they stand on.
#[inline]
fn check_ids(line: TextLine<'_>, query_id: &str, doc_id: &str) -> Result<(), Wrong> {
    // Columns end at ASCII white space, and a pass over lines refuses control characters: the rest is not ASCII.
    if line.ascii { Ok(()) } else { check_other_ids(line.number, query_id, doc_id) }
}

#[cold]
fn check_other_ids(line: u64, query_id: &str, doc_id: &str) -> Result<(), Wrong> {
    for (what, id) in [("query_id", query_id), ("doc_id", doc_id)] {
        check_id(what, id).or_else(|found| wrong(line, found, id_rule(what)))?;
    }
    Ok(())
}

/// Calls `each` with every line; `path` names the file in errors.
fn read_lines(
    reader: &mut dyn BufRead,
    path: &Path,
    each: impl FnMut(TextLine<'_>) -> Result<(), Wrong>,
) -> Result<(), TrecError> {
    for_each_line(reader, JUDGEMENT_LINE, each).map_err(|stop| match stop {
        Stop::Read(source) => OpenError { path: path.to_owned(), source }.into(),
        Stop::Text(line) => Malformed::new(path, line, "bytes that are not UTF-8", NOT_UTF8).into(),
        Stop::Control(line, control) => {
            let found = format!("the control character U+{:04X}", u32::from(control));
            Malformed::new(path, line, found, expected_for(control)).into()
        }
        Stop::Long(line, exceeded) => {
            Malformed::new(path, line, exceeded.to_string(), "lines of a few columns").into()
        }
        Stop::Line(Wrong { line, found, expected }) => {
            Malformed::new(path, line, found, expected).into()
        }
    })
}

/// What is expected in place of bytes that are not UTF-8, and how to convert them.
const NOT_UTF8: &str =
    "text in UTF-8 (`iconv -f UTF-16 -t UTF-8` or `iconv -f LATIN1 -t UTF-8` makes it of others)";

/// What is expected in place of a control character.
fn expected_for(control: char) -> &'static str {
    match control {
        '\r' => "lines that end with LF or CR LF (`tr '\\r' '\\n'` makes them)",
        '\0' => {
            "text in UTF-8 without control characters; `iconv -f UTF-16 -t UTF-8` makes it of UTF-16"
        }
        _ => "text without control characters",
    }
}
