//! What can go wrong between a text and its vector.

use std::path::PathBuf;

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error of this crate but those of fetching.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),

    /// Weights do not fit the sizes that the config gives.
    #[error(transparent)]
    Shape(#[from] crate::cpu::ShapeError),

    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A file is not what its name says.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },

    /// Tensors are missing, left over or of another shape.
    #[error("{checkpoint}: {problem}")]
    Tensors {
        /// Which checkpoint.
        checkpoint: String,
        /// Which tensors, and what to do.
        problem: String,
    },

    /// What a config asks of a checkpoint does not fit it.
    #[error("{0}")]
    Unfit(String),

    /// A model's output is not a finite number.
    #[error(
        "the model gives {value} for the text `{text}`: the weights are damaged, or the precision is too low for them; try f32"
    )]
    NotFinite {
        /// NaN or an infinity.
        value: f32,
        /// The beginning of the text.
        text: String,
    },
}

impl Error {
    /// A file with something wrong in it.
    pub(crate) fn file(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::File { path: path.into(), problem: problem.into() }
    }
}
