//! Files of JSON in a checkpoint.

use std::path::Path;

use crate::{Error, Result};

/// Reads a file of JSON; the error names the file.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|error| Error::file(path, error.to_string()))
}
