//! Why there is no checkpoint, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::location::{InvalidLocation, Wanted};
use super::settings::Settings;

/// Why a checkpoint could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The location or the revision in the config is not well-formed.
    #[error(transparent)]
    Location(#[from] InvalidLocation),
    /// The folder that `file:` names does not exist.
    #[error("`file:{}`: there is no such folder; give the folder that has the checkpoint's config.json", .0.display())]
    NoFolder(PathBuf),
    /// A model that comes with the program was asked of the hub.
    #[error(
        "`pocket:{0}` comes with the program and is not on the hub; give its folder as `file:path`"
    )]
    Pocket(String),
    /// There is no `config.json`.
    #[error(
        "{place} has no config.json, so it is no checkpoint of a transformer; it has {}",
        list(found)
    )]
    NoConfig {
        /// The folder or the repository.
        place: String,
        /// The names of the files that are there.
        found: Vec<String>,
    },
    /// There are no weights in a format that can be read.
    #[error(
        "{place} has no weights that can be read (model.safetensors, model.safetensors.index.json with its shards, \
         pytorch_model.bin, or pytorch_model.bin.index.json with its shards); it has {}",
        list(found)
    )]
    NoWeights {
        /// The folder or the repository.
        place: String,
        /// The names of the files that are there.
        found: Vec<String>,
    },
    /// A file is a pointer of Git LFS, as in a repository that was cloned without Git LFS.
    #[error(
        "{}: is a pointer of Git LFS and not the file itself{}; run `git lfs pull` in its repository, or fetch the file \
         from where the repository is",
        path.display(),
        size.map(|size| format!(", which has {size} bytes")).unwrap_or_default()
    )]
    Pointer {
        /// The path of the pointer.
        path: PathBuf,
        /// The size in bytes of the file that it stands for, if the pointer states it.
        size: Option<u64>,
    },
    /// Shards are missing, or `model.safetensors.index.json` cannot be understood.
    #[error("{}: {problem}; the copy or the repository is incomplete", path.display())]
    Index {
        /// The path of the index.
        path: PathBuf,
        /// What is wrong with the index.
        problem: String,
    },
    /// The network is off, and the cache does not hold the checkpoint.
    #[error(
        "{} is not complete in the cache {} and the network is off; fetch it once without HF_HUB_OFFLINE, copy the \
         cache from a machine that has it, or give its folder as `file:path`",
        .0.wanted,
        .0.cache.display()
    )]
    Offline(Box<Asked>),
    /// The hub cannot be reached, and the cache does not hold the checkpoint.
    #[error(
        "{}: {} cannot be reached ({cause}) and the cache {} does not have it; try again with a network, copy the \
         cache from a machine that has it, or give its folder as `file:path`",
        asked.wanted,
        asked.endpoint,
        asked.cache.display()
    )]
    Unreachable {
        /// The request.
        asked: Box<Asked>,
        /// The error of the connection.
        cause: String,
    },
    /// The hub refused access: the model is gated or private, or the token was not accepted.
    #[error(
        "{}: {} refused with {status}{}; if the model is gated, accept its licence at {}; {}",
        asked.wanted,
        asked.endpoint,
        said(message),
        asked.page(),
        asked.advice()
    )]
    Refused {
        /// The request.
        asked: Box<Asked>,
        /// The HTTP status, 401 or 403.
        status: u16,
        /// The hub's own message.
        message: String,
    },
    /// The hub has no repository of this name that the user may see.
    #[error(
        "{}: {} has no such repository that you may see; check the spelling; {}",
        .0.wanted,
        .0.endpoint,
        .0.advice()
    )]
    NoRepository(Box<Asked>),
    /// The repository has no such commit or branch.
    #[error(
        "{}: the repository has no such revision; its commits are listed at {}/commits/main",
        .0.wanted,
        .0.page()
    )]
    NoRevision(Box<Asked>),
    /// The hub's answer cannot be used.
    #[error("{}: {} gave no `{file}`: {problem}; try again later", asked.wanted, asked.endpoint)]
    Answer {
        /// The request.
        asked: Box<Asked>,
        /// The file or listing that was asked for.
        file: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The connection broke too often.
    #[error(
        "{}: `{file}` ended after {received} of {total} bytes ({cause}); what came is kept, start again to go on from \
         there",
        asked.wanted
    )]
    Cut {
        /// The request.
        asked: Box<Asked>,
        /// The name of the file.
        file: String,
        /// The number of bytes that have arrived.
        received: u64,
        /// The length of the file in bytes.
        total: u64,
        /// The last error of the connection.
        cause: String,
    },
    /// The bytes that arrived do not have the hash that the hub announced.
    #[error(
        "{}: `{file}` arrived damaged: its {hash} is {actual}, {} says {expected}; it was removed, start again; if it \
         happens again, something between here and the hub changes files",
        asked.wanted,
        asked.endpoint
    )]
    Damaged {
        /// The request.
        asked: Box<Asked>,
        /// The name of the file.
        file: String,
        /// The kind of hash: `sha256` or `git sha1`.
        hash: &'static str,
        /// The hash of what arrived.
        actual: String,
        /// The hash that the hub announced.
        expected: String,
    },
    /// The disk has less free space than the file needs.
    #[error(
        "{}: `{file}` needs {needed} more bytes, and {} has {free} free, of which {spare} stay so; free some space, or \
         let HF_HUB_CACHE name a folder on another disk",
        asked.wanted,
        asked.cache.display()
    )]
    NoRoom {
        /// The request.
        asked: Box<Asked>,
        /// The name of the file.
        file: String,
        /// The number of bytes still to be downloaded.
        needed: u64,
        /// The number of free bytes on the disk.
        free: u64,
        /// The number of bytes that must remain free.
        spare: u64,
    },
    /// The disk became full while the file was written.
    #[error("{}: the disk is full; free some space and start again, what is there is kept", .0.display())]
    DiskFull(PathBuf),
    /// An operation on a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The settings do not describe a server that can be asked.
    #[error("cannot talk to `{endpoint}`: {problem}; check HF_ENDPOINT")]
    Endpoint {
        /// The address of the hub.
        endpoint: String,
        /// What is wrong with the address.
        problem: String,
    },
}

/// A request to the hub: what was asked for, and where. All errors of the hub include it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The repository and its revision.
    pub wanted: Wanted,
    /// The address of the hub.
    pub endpoint: String,
    /// The folder of the hub's cache.
    pub cache: PathBuf,
    /// Whether a token was sent with the request.
    pub with_token: bool,
    /// The file from which a token would have been read.
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

    /// The address of the model's page on the hub.
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

/// Turns an error of the file system into an error that names `path`.
pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            CheckpointError::DiskFull(path)
        }
        _ => CheckpointError::Io { path, source },
    }
}

/// The first twelve names, and how many more there are; repositories of checkpoints in training have thousands.
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
