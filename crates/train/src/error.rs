//! What can go wrong between a recipe and its weights.

use std::path::{Path, PathBuf};

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),

    /// The network cannot be built or run.
    #[error(transparent)]
    Network(#[from] nir_nn::Error),

    /// The folder of a checkpoint is not one.
    #[error(transparent)]
    Checkpoint(#[from] nir_nn::checkpoint::CheckpointError),

    /// Documents or queries cannot be read.
    #[error(transparent)]
    Read(#[from] nir_data::ReadError),
    /// A file of texts that can be read and is not plain.
    #[error(
        "{0}: texts to train on have one `name TAB text` a line and no empty text; take the rest out"
    )]
    Texts(String),

    /// A run or judgements cannot be read.
    #[error(transparent)]
    Trec(#[from] nir_data::trec::TrecError),

    /// A file cannot be opened or written.
    #[error(transparent)]
    Open(#[from] nir_data::OpenError),

    /// A run cannot be measured.
    #[error(transparent)]
    Eval(#[from] nir_eval::EvalError),

    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A line of a file is not what it should be.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What was found and what was expected.
        problem: String,
    },

    /// What a recipe asks for does not fit together.
    #[error("{0}")]
    Unfit(String),

    /// The loss is not a finite number.
    #[error(
        "step {step}: the loss is {loss}; lower `optimiser.rate`, lengthen `optimiser.warm_up` or lower `optimiser.clip`"
    )]
    Diverged {
        /// The step, from 0.
        step: usize,
        /// NaN or an infinity.
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
