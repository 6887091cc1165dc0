//! What can be wrong with an index on disk.

use std::path::{Path, PathBuf};

use nir_kernels::FrameError;

/// Why an index could not be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A function of tantivy failed.
    #[error("{path}: {source}")]
    Tantivy {
        /// The folder of the index.
        path: PathBuf,
        /// The error of tantivy.
        source: Box<tantivy::TantivyError>,
    },
    /// The folder for a new index is not empty.
    #[error(
        "{path}: an index is built in a new folder, and this one has files; delete them or name another"
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no index, or a build that never finished.
    #[error("{path}: not a finished index (no `{missing}`); delete the folder and build it again")]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// The name of the file that a complete build writes last.
        missing: &'static str,
    },
    /// A file has another kind or version than this program reads.
    #[error("{path}: expected `{expected}`, found `{found}`; build the index again")]
    Format {
        /// The path of the file.
        path: PathBuf,
        /// The kind and version that this program reads.
        expected: String,
        /// The kind and version of the file.
        found: String,
    },
    /// A file is damaged.
    #[error("{path}: {what}; delete the index and build it again")]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// Which part of it is wrong.
        what: String,
    },
    /// A vector is of another width than its matrix, or a query than the index.
    #[error("{path}: expected {expected} components, found {found}")]
    Dimension {
        /// The path of the matrix.
        path: PathBuf,
        /// The number of components of the matrix's rows.
        expected: usize,
        /// The number of components of the vector.
        found: usize,
    },
    /// A vector has a component that its number format cannot store.
    #[error(
        "{path}: row {row} has the component {value}; expected a number between -{most} and {most}"
    )]
    Component {
        /// The path of the matrix.
        path: PathBuf,
        /// The number of the row.
        row: usize,
        /// The component.
        value: f32,
        /// The largest value that the format can store.
        most: f32,
    },
    /// Two files that belong together do not fit each other.
    #[error("{path}: {what}; build them again from the same vectors")]
    Mismatch {
        /// The path of the file that does not fit.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// A weight of a document cannot be stored.
    #[error(
        "document {document}, dimension {dimension}: {what}; give each dimension once, with a finite weight above zero"
    )]
    Posting {
        /// The row of the document.
        document: usize,
        /// The number of the dimension.
        dimension: u32,
        /// What is wrong with the weight.
        what: String,
    },
    /// There are more documents than row numbers.
    #[error("{documents} documents are more than one index holds ({most})")]
    TooLarge {
        /// The number of documents.
        documents: usize,
        /// The largest number that is supported.
        most: usize,
    },
}

impl From<FrameError> for IndexError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io { path, source } => Self::Io { path, source },
            FrameError::Format { path, expected, found } => Self::Format { path, expected, found },
            FrameError::Damaged { path, what } => Self::Damaged { path, what },
        }
    }
}

impl IndexError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn tantivy(path: &Path) -> impl FnOnce(tantivy::TantivyError) -> Self + '_ {
        move |source| Self::Tantivy { path: path.to_owned(), source: Box::new(source) }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
