//! What can go wrong between a text and its vector.

use std::path::PathBuf;

/// The result of the functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error of this crate except those of [`checkpoint`](crate::checkpoint).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),

    /// The weights do not have the sizes that the config states.
    #[error(transparent)]
    Shape(#[from] crate::cpu::ShapeError),

    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// The content of a file is wrong or not supported.
    #[error("{}: {problem}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },

    /// Tensors are missing, left over, or have another shape.
    #[error("{checkpoint}: {problem}")]
    Tensors {
        /// The name of the checkpoint.
        checkpoint: String,
        /// The names of the tensors, and what to do.
        problem: String,
    },

    /// A config asks a checkpoint for something that it does not have; the text says what, and what to do.
    #[error("{0}")]
    Unfit(String),

    /// A model's output is infinite or not a number.
    #[error(
        "the model gives {value} for the text `{text}`: the weights are damaged, or the precision is too low for them; try f32"
    )]
    NotFinite {
        /// The output: NaN or an infinity.
        value: f32,
        /// The beginning of the text.
        text: String,
    },
}

impl Error {
    /// The error for a file with `problem`.
    pub(crate) fn file(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.into() }
    }
}
