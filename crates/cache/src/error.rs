//! The error of a cache that cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

/// The error of a file or folder of the cache that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct CacheError {
    /// The path of the file or folder.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

impl CacheError {
    /// Gives a function for `map_err` that adds `path` to an error of the operating system.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self { path, source }
    }
}
