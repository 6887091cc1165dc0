//! Everything that can go wrong between a file and what it says.

use std::path::PathBuf;

use nir_core::BoxError;

use crate::bounds::is_exceeded;
use crate::names::start;
use crate::trec::TrecError;
use crate::{Malformed, OpenError, Source};

/// A file that could not be read as the format it should have.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not there or not readable.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A line is not what the format says.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Reading stopped: a disk, a truncated or a damaged archive.
    #[error("{from}:{line}: {error}{}", next_step(.error))]
    Io {
        /// What was being read.
        from: Source,
        /// The line at which it stopped.
        line: u64,
        /// What the system or the decompressor said.
        error: std::io::Error,
    },
    /// The archive does not hold what was asked for.
    #[error("{archive}: no member `{member}`: expected one of {}", listed(.members))]
    NoMember {
        /// The archive.
        archive: PathBuf,
        /// The member asked for.
        member: String,
        /// What it holds.
        members: Vec<String>,
    },
    /// An archive stands where a file is needed.
    #[error("{archive}: an archive holds several files: name one as `{archive}!{member}`")]
    NeedsMember {
        /// The archive.
        archive: PathBuf,
        /// One of its members.
        member: String,
    },
    /// The archive cannot be read.
    #[error("{archive}: {error}")]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// Why not.
        error: BoxError,
    },
    /// The file is not parquet, or not the parquet that was expected.
    #[error("{from}: {error}")]
    Parquet {
        /// The file.
        from: Source,
        /// What is wrong with it.
        error: BoxError,
    },
    /// A file of which neither content nor name says how to read it.
    #[error("{from}: neither content nor name tells the format: expected one of {expected}")]
    UnknownFormat {
        /// The file.
        from: Source,
        /// The names or endings that tell.
        expected: &'static str,
    },
    /// Whoever was reading wanted no more.
    #[error(transparent)]
    Stopped(BoxError),
}

impl From<TrecError> for ReadError {
    fn from(error: TrecError) -> Self {
        match error {
            TrecError::Open(error) => Self::Open(error),
            TrecError::Malformed(error) => Self::Malformed(error),
        }
    }
}

/// What to do about a file that broke off; a limit says so itself.
fn next_step(error: &std::io::Error) -> &'static str {
    match is_exceeded(error) {
        true => "",
        false => "; if the file was downloaded, delete it and fetch it again",
    }
}

const LISTED: usize = 10;

/// The first few names in backticks.
fn listed(names: &[String]) -> String {
    let mut list: Vec<String> =
        names.iter().take(LISTED).map(|name| format!("`{}`", start(name))).collect();
    if names.len() > LISTED {
        list.push(format!("{} more", names.len() - LISTED));
    }
    list.join(", ")
}
