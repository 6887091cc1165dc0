//! What can go wrong between a recipe and its weights.

use std::path::{Path, PathBuf};

/// The result of the functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),

    /// The network could not be built or run.
    #[error(transparent)]
    Network(#[from] nir_nn::Error),

    /// A folder does not hold a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] nir_nn::checkpoint::CheckpointError),

    /// Documents or queries could not be read.
    #[error(transparent)]
    Read(#[from] nir_data::ReadError),
    /// A file of texts is not in the one plain form that training accepts, although other commands could read it.
    #[error(
        "{0}: texts to train on have one `name TAB text` a line and no empty text; take the rest out"
    )]
    Texts(String),

    /// A run or judgements could not be read.
    #[error(transparent)]
    Trec(#[from] nir_data::trec::TrecError),

    /// A file could not be opened or written.
    #[error(transparent)]
    Open(#[from] nir_data::OpenError),

    /// A run could not be measured.
    #[error(transparent)]
    Eval(#[from] nir_eval::EvalError),

    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// A line of a file does not have the expected form.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, counted from 1.
        line: usize,
        /// What was found and what was expected.
        problem: String,
    },

    /// Values of a recipe contradict each other or its files; the text says which, and what to do.
    #[error("{0}")]
    Unfit(String),

    /// The loss is infinite or not a number.
    #[error(
        "step {step}: the loss is {loss}; lower `optimiser.rate`, lengthen `optimiser.warm_up` or lower `optimiser.clip`"
    )]
    Diverged {
        /// The number of the step, counted from 0.
        step: usize,
        /// The loss: NaN or an infinity.
        loss: f32,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn line(path: &Path, line: usize, problem: impl Into<String>) -> Self {
        Self::Line { path: path.to_owned(), line, problem: problem.into() }
    }
}
