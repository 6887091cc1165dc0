//! What can be wrong with a store or an import.

use std::path::{Path, PathBuf};

use nir_core::BoxError;

/// Why a store could not be imported or opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// There is nothing, or something else, where a store should be.
    #[error(
        "{dir}: not a store: {reason}; if an import should have made it, delete the folder and import again"
    )]
    NotAStore {
        /// The path of the folder.
        dir: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Part of the store is missing, cut off or of another version.
    #[error("{path}: found {found}, expected {expected}; delete {dir} and import again")]
    Damaged {
        /// The path of the store.
        dir: PathBuf,
        /// The path of the file in it.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Import makes a new folder, and there is one already.
    #[error("{dir}: exists already; open it, or delete it to import again")]
    Exists {
        /// The path of the folder.
        dir: PathBuf,
    },
    /// Two documents have the same id.
    #[error(
        "`{doc_id}` names two documents, number {first} and number {second} (lines, where a document is a line): \
         a doc_id must be unique"
    )]
    DuplicateDocId {
        /// The id that they share.
        doc_id: String,
        /// The number of the first document with this id, counted from 1.
        first: u64,
        /// The number of the second one.
        second: u64,
    },
    /// There are more documents than a `DocNo` of 32 bits can number.
    #[error("a collection has at most {} documents; split it", u32::MAX)]
    TooManyDocuments,
    /// The documents could not be read.
    #[error(transparent)]
    Fill(BoxError),
}

impl StoreError {
    pub(super) fn io(path: &Path, error: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    pub(super) fn damaged(
        dir: &Path,
        path: &Path,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let (found, expected) = (found.into(), expected.into());
        Self::Damaged { dir: dir.to_owned(), path: path.to_owned(), found, expected }
    }
}
