//! Why there is no checkpoint, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::location::{InvalidLocation, Wanted};
use super::settings::Settings;

/// Why a checkpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The config's words are wrong.
    #[error(transparent)]
    Location(#[from] InvalidLocation),
    /// The folder of `file:` is not there.
    #[error("`file:{}`: there is no such folder; give the folder that has the checkpoint's config.json", .0.display())]
    NoFolder(PathBuf),
    /// The hub has no model of the program.
    #[error(
        "`pocket:{0}` comes with the program and is not on the hub; give its folder as `file:path`"
    )]
    Pocket(String),
    /// No `config.json`.
    #[error(
        "{place} has no config.json, so it is no checkpoint of a transformer; it has {}",
        list(found)
    )]
    NoConfig {
        /// The folder or the repository.
        place: String,
        /// What is there instead.
        found: Vec<String>,
    },
    /// No weights that we can read.
    #[error(
        "{place} has no weights that can be read (model.safetensors, model.safetensors.index.json with its shards, \
         pytorch_model.bin, or pytorch_model.bin.index.json with its shards); it has {}",
        list(found)
    )]
    NoWeights {
        /// The folder or the repository.
        place: String,
        /// What is there instead.
        found: Vec<String>,
    },
    /// A clone without Git LFS.
    #[error(
        "{}: is a pointer of Git LFS and not the file itself{}; run `git lfs pull` in its repository, or fetch the file \
         from where the repository is",
        path.display(),
        size.map(|size| format!(", which has {size} bytes")).unwrap_or_default()
    )]
    Pointer {
        /// The file.
        path: PathBuf,
        /// How long the file itself is.
        size: Option<u64>,
    },
    /// Shards are missing or `model.safetensors.index.json` makes no sense.
    #[error("{}: {problem}; the copy or the repository is incomplete", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Offline, and not in the cache.
    #[error(
        "{} is not complete in the cache {} and the network is off; fetch it once without HF_HUB_OFFLINE, copy the \
         cache from a machine that has it, or give its folder as `file:path`",
        .0.wanted,
        .0.cache.display()
    )]
    Offline(Box<Asked>),
    /// The hub cannot be reached, and the cache does not have it.
    #[error(
        "{}: {} cannot be reached ({cause}) and the cache {} does not have it; try again with a network, copy the \
         cache from a machine that has it, or give its folder as `file:path`",
        asked.wanted,
        asked.endpoint,
        asked.cache.display()
    )]
    Unreachable {
        /// By whom, and where.
        asked: Box<Asked>,
        /// What the transport said.
        cause: String,
    },
    /// Gated, private, or a token that is not accepted.
    #[error(
        "{}: {} refused with {status}{}; if the model is gated, accept its licence at {}; {}",
        asked.wanted,
        asked.endpoint,
        said(message),
        asked.page(),
        asked.advice()
    )]
    Refused {
        /// By whom, and where.
        asked: Box<Asked>,
        /// 401 or 403.
        status: u16,
        /// What the hub said.
        message: String,
    },
    /// No such repository.
    #[error(
        "{}: {} has no such repository that you may see; check the spelling; {}",
        .0.wanted,
        .0.endpoint,
        .0.advice()
    )]
    NoRepository(Box<Asked>),
    /// No such commit or branch.
    #[error(
        "{}: the repository has no such revision; its commits are listed at {}/commits/main",
        .0.wanted,
        .0.page()
    )]
    NoRevision(Box<Asked>),
    /// The hub answered with something of no use.
    #[error("{}: {} gave no `{file}`: {problem}; try again later", asked.wanted, asked.endpoint)]
    Answer {
        /// By whom, and where.
        asked: Box<Asked>,
        /// Which file or listing.
        file: String,
        /// What came.
        problem: String,
    },
    /// The connection broke too often.
    #[error(
        "{}: `{file}` ended after {received} of {total} bytes ({cause}); what came is kept, start again to go on from \
         there",
        asked.wanted
    )]
    Cut {
        /// By whom, and where.
        asked: Box<Asked>,
        /// Which file.
        file: String,
        /// How many bytes are there.
        received: u64,
        /// How many there should be.
        total: u64,
        /// What the transport said.
        cause: String,
    },
    /// Other bytes than the hub's own listing promises.
    #[error(
        "{}: `{file}` arrived damaged: its {hash} is {actual}, {} says {expected}; it was removed, start again; if it \
         happens again, something between here and the hub changes files",
        asked.wanted,
        asked.endpoint
    )]
    Damaged {
        /// By whom, and where.
        asked: Box<Asked>,
        /// Which file.
        file: String,
        /// `sha256` or `git sha1`.
        hash: &'static str,
        /// Of what came.
        actual: String,
        /// Of what should have come.
        expected: String,
    },
    /// The disk has less room than the file needs.
    #[error(
        "{}: `{file}` needs {needed} more bytes, and {} has {free} free, of which {spare} stay so; free some space, or \
         let HF_HUB_CACHE name a folder on another disk",
        asked.wanted,
        asked.cache.display()
    )]
    NoRoom {
        /// By whom, and where.
        asked: Box<Asked>,
        /// Which file.
        file: String,
        /// How many bytes are to come.
        needed: u64,
        /// How many the disk has.
        free: u64,
        /// How many of them stay free.
        spare: u64,
    },
    /// The disk is full.
    #[error("{}: the disk is full; free some space and start again, what is there is kept", .0.display())]
    DiskFull(PathBuf),
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file it failed on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The settings make no client.
    #[error("cannot talk to `{endpoint}`: {problem}; check HF_ENDPOINT")]
    Endpoint {
        /// The hub's address.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What was asked for and of whom: the part that every message of the hub shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The repository and its revision.
    pub wanted: Wanted,
    /// The hub's address.
    pub endpoint: String,
    /// Where the cache is.
    pub cache: PathBuf,
    /// Whether a token was sent.
    pub with_token: bool,
    /// Where a token's file is looked for.
    pub token_file: PathBuf,
}

impl Asked {
    pub(super) fn new(wanted: &Wanted, settings: &Settings) -> Box<Self> {
        Box::new(Self {
            wanted: wanted.clone(),
            endpoint: settings.endpoint.clone(),
            cache: settings.cache.clone(),
            with_token: settings.token.is_some(),
            token_file: settings.token_file.clone(),
        })
    }

    /// Where people read about the model.
    fn page(&self) -> String {
        match &self.wanted {
            Wanted::Hub { repo, .. } => format!("{}/{repo}", self.endpoint),
            Wanted::Folder(path) => path.display().to_string(),
            Wanted::Pocket(name) => name.clone(),
        }
    }

    fn advice(&self) -> String {
        match self.with_token {
            true => "a token was sent: check that its account has access and that it may read this repository".into(),
            false => format!(
                "no token was found in HF_TOKEN or {}: make one at {}/settings/tokens and put it in either",
                self.token_file.display(),
                self.endpoint
            ),
        }
    }
}

/// The error of the file system at `path`.
pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            CheckpointError::DiskFull(path)
        }
        _ => CheckpointError::Io { path, source },
    }
}

/// The first dozen names; repositories of checkpoints in training have thousands.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names {
        [] => "no file at all".to_owned(),
        names if names.len() <= SHOWN => names.join(", "),
        names => format!("{}, and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" (`{message}`)") }
}
