//! A line that is not what its format says.

use std::path::PathBuf;

/// One malformed line: where it is, what stands there and what should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: expected {expected}, found {found}")]
pub struct Malformed {
    /// The file, with the member where it is an archive.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What stands there.
    pub found: String,
    /// What the format asks for.
    pub expected: String,
}
