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
    /// The file does not exist or cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A line does not have the form that the format asks for.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Reading stopped: a disk, a truncated or a damaged archive.
    #[error("{from}:{line}: {error}{}", next_step(.error))]
    Io {
        /// The file that was read.
        from: Source,
        /// The number of the line at which reading stopped.
        line: u64,
        /// The error of the operating system or the decompressor.
        error: std::io::Error,
    },
    /// The archive does not have the member that was asked for.
    #[error("{archive}: no member `{member}`: expected one of {}", listed(.members))]
    NoMember {
        /// The path of the archive.
        archive: PathBuf,
        /// The name of the member that was asked for.
        member: String,
        /// The names of the members that it has.
        members: Vec<String>,
    },
    /// An archive was given where a file is needed.
    #[error("{archive}: an archive holds several files: name one as `{archive}!{member}`")]
    NeedsMember {
        /// The path of the archive.
        archive: PathBuf,
        /// The name of one of its members.
        member: String,
    },
    /// The archive cannot be read.
    #[error("{archive}: {error}")]
    Archive {
        /// The path of the archive.
        archive: PathBuf,
        /// The error of the reader.
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
        /// The names or endings by which the format is recognised.
        expected: &'static str,
    },
    /// The caller stopped reading, with this error.
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

/// What to do about a file that ended too early; the error of a limit says so itself.
fn next_step(error: &std::io::Error) -> &'static str {
    match is_exceeded(error) {
        true => "",
        false => "; if the file was downloaded, delete it and fetch it again",
    }
}

const LISTED: usize = 10;

/// The first few names, in backticks.
fn listed(names: &[String]) -> String {
    let mut list: Vec<String> =
        names.iter().take(LISTED).map(|name| format!("`{}`", start(name))).collect();
    if names.len() > LISTED {
        list.push(format!("{} more", names.len() - LISTED));
    }
    list.join(", ")
}
