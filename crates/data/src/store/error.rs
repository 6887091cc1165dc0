//! What can be wrong with a store or an import.

use std::path::{Path, PathBuf};

use nir_core::BoxError;

/// A store that could not be imported or opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system could not read or write a file.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is nothing, or something else, where a store should be.
    #[error(
        "{dir}: not a store: {reason}; if an import should have made it, delete the folder and import again"
    )]
    NotAStore {
        /// The folder.
        dir: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// Part of the store is missing, cut off or of another version.
    #[error("{path}: expected {expected}, found {found}; delete {dir} and import again")]
    Damaged {
        /// The store.
        dir: PathBuf,
        /// The file in it.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What a good store has.
        expected: String,
    },
    /// Import makes a new folder, and there is one already.
    #[error("{dir}: exists already; open it, or delete it to import again")]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// Two documents have one name.
    #[error(
        "`{doc_id}` names two documents, number {first} and number {second} (lines, where a document is a line): \
         a doc_id must be unique"
    )]
    DuplicateDocId {
        /// The name they share.
        doc_id: String,
        /// Which document had it first, from 1.
        first: u64,
        /// Which had it again.
        second: u64,
    },
    /// A `DocNo` has 32 bits.
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
