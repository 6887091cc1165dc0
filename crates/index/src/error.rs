//! What can be wrong with an index on disk.

use std::path::{Path, PathBuf};

use nir_kernels::FrameError;

/// An index could not be built or opened.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// tantivy failed.
    #[error("{path}: {source}")]
    Tantivy {
        /// The folder of the index.
        path: PathBuf,
        /// Why.
        source: Box<tantivy::TantivyError>,
    },
    /// There is something in the folder already.
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
        /// The file that a build writes last.
        missing: &'static str,
    },
    /// A file is of another kind or of another version.
    #[error("{path}: expected `{expected}`, found `{found}`; build the index again")]
    Format {
        /// The file.
        path: PathBuf,
        /// Kind and version this program reads.
        expected: String,
        /// Kind and version of the file.
        found: String,
    },
    /// A file is damaged.
    #[error("{path}: {what}; delete the index and build it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A vector is of another width than its matrix, or a query than the index.
    #[error("{path}: expected {expected} components, found {found}")]
    Dimension {
        /// The file of the matrix.
        path: PathBuf,
        /// How many the matrix has.
        expected: usize,
        /// How many the vector has.
        found: usize,
    },
    /// A vector has a component that cannot be stored.
    #[error(
        "{path}: row {row} has the component {value}; expected a number between -{most} and {most}"
    )]
    Component {
        /// The file of the matrix.
        path: PathBuf,
        /// The row.
        row: usize,
        /// The component.
        value: f32,
        /// The largest that this storage has.
        most: f32,
    },
    /// Files that belong together do not fit.
    #[error("{path}: {what}; build them again from the same vectors")]
    Mismatch {
        /// The file that does not fit.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// A posting cannot be stored.
    #[error(
        "document {document}, dimension {dimension}: {what}; give each dimension once, with a finite weight above zero"
    )]
    Posting {
        /// The row of the document.
        document: usize,
        /// The dimension.
        dimension: u32,
        /// What is wrong with it.
        what: String,
    },
    /// More documents than a row can name.
    #[error("{documents} documents are more than one index holds ({most})")]
    TooLarge {
        /// How many there are.
        documents: usize,
        /// How many there may be.
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
