//! TREC's two files: qrels (`query_id 0 doc_id grade`) and runs (`query_id Q0 doc_id rank score tag`).
//!
//! Runs of MS MARCO's own three columns (`query_id doc_id rank`) are read too. What trec_eval reads is read the same
//! way; what it would misread in silence (a score that is no number, a document found twice) is refused with its line.

mod qrels;
mod run;
mod score;
mod write;

use std::io;
use std::path::Path;

use crate::{Malformed, OpenError};

pub(crate) use qrels::qrels_from;
pub use qrels::read_qrels;
pub use run::read_run;
pub use write::{write_msmarco_run, write_qrels, write_run};

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

/// What stops a pass over the lines, before the file's name is known.
enum Stop {
    Read(io::Error),
    /// What was found, and what was expected.
    Line(u64, String, String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl Stop {
    fn in_file(self, path: &Path) -> TrecError {
        match self {
            Self::Read(source) => OpenError { path: path.to_owned(), source }.into(),
            Self::Line(line, found, expected) => Malformed::new(path, line, found, expected).into(),
        }
    }
}

/// A line that is wrong.
fn wrong<T>(line: u64, found: impl Into<String>, expected: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Line(line, found.into(), expected.into()))
}

/// A name as text.
fn name(line: u64, bytes: &[u8]) -> Result<&str, Stop> {
    std::str::from_utf8(bytes)
        .or_else(|_| wrong(line, quoted(bytes), "a name in UTF-8: convert the file"))
}

/// The user's bytes, as an error shows them.
fn quoted(bytes: &[u8]) -> String {
    format!("`{}`", String::from_utf8_lossy(bytes))
}
