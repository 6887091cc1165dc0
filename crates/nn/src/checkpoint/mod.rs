//! Where published weights come from: `hf:org/name` at a revision, or `file:path`.
//!
//! The hub's files go into its standard cache, so that downloads of `transformers` or `sentence-transformers` serve here
//! and ours serve there. A commit that is complete needs no network. Downloads are resumed, and a file gets its name
//! only when its hash is the one that the hub promised.
//!
//! ```no_run
//! use nir_nn::checkpoint::{Hub, Wanted};
//!
//! let location = "hf:sentence-transformers/all-MiniLM-L6-v2".parse()?;
//! let wanted = Wanted::new(location, Some("main"))?;
//! let checkpoint = Hub::from_env().open(&wanted, &())?;
//! println!("{} is {}", wanted, checkpoint.commit().expect("the hub has commits"));
//! # Ok::<(), nir_nn::checkpoint::CheckpointError>(())
//! ```

mod blobs;
mod cache;
mod client;
mod download;
mod error;
mod fetch;
mod files;
mod hub;
mod location;
mod promise;
mod remote;
mod report;
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use blobs::Blob;
pub use error::{Asked, CheckpointError};
pub use hub::Hub;
pub use location::{InvalidLocation, Location, Revision, Wanted};
pub use promise::sha256;
pub use report::Report;
pub use settings::{Pace, Patience, Settings, Token};

use error::io_at;
use files::{CONFIG, Layout};

/// A checkpoint on this machine: a folder with the description of a model, its weights and its tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    folder: PathBuf,
    /// The name of the checkpoint in messages.
    place: String,
    commit: Option<String>,
    /// The folder of the encoder inside the checkpoint: empty, or `0_Transformer/`.
    base: String,
    weights: Weights,
    /// The names of all files that belong to the checkpoint, weights included, sorted.
    files: BTreeSet<String>,
}

/// The files that hold the weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weights {
    /// One safetensors file, or the shards that an index names; sorted, never empty.
    Safetensors(Vec<PathBuf>),
    /// `pytorch_model.bin` or its shards, used only where there are no safetensors. A pickle is a program, so it must
    /// be read by a reader that executes nothing.
    PyTorch(Vec<PathBuf>),
}

impl Weights {
    /// The paths of the files, in order.
    pub fn paths(&self) -> &[PathBuf] {
        let (Self::Safetensors(paths) | Self::PyTorch(paths)) = self;
        paths
    }
}

impl Checkpoint {
    /// Opens the checkpoint in `folder`.
    ///
    /// # Errors
    ///
    /// If the folder does not exist, lacks a file that a checkpoint needs, or holds pointers of Git LFS.
    pub fn in_folder(folder: &Path) -> Result<Self, CheckpointError> {
        if !folder.is_dir() {
            return Err(CheckpointError::NoFolder(folder.to_owned()));
        }
        Self::read(folder, format!("`{}`", folder.display()), None)
    }

    /// Opens the checkpoint in the folder that the hub's cache has for a commit.
    fn in_snapshot(folder: &Path, wanted: &Wanted, commit: &str) -> Result<Self, CheckpointError> {
        Self::read(folder, wanted.to_string(), Some(commit.to_owned()))
    }

    fn read(folder: &Path, place: String, commit: Option<String>) -> Result<Self, CheckpointError> {
        let names = names(folder)?;
        let layout = Layout::check(&names, &place)?;
        let of_weights = files::weights(&layout, folder, |name| folder.join(name).is_file())?;
        let files: BTreeSet<String> =
            files::beside_weights(&names).into_iter().chain(of_weights.clone()).collect();
        files.iter().try_for_each(|name| files::check_is_no_pointer(&folder.join(name)))?;
        let paths = of_weights.iter().map(|name| folder.join(name)).collect();
        let weights = match layout.format.is_pickled() {
            true => Weights::PyTorch(paths),
            false => Weights::Safetensors(paths),
        };
        Ok(Self { folder: folder.to_owned(), place, commit, base: layout.base, weights, files })
    }

    /// The name of the checkpoint in messages: `hf:org/name@revision`, or the folder.
    pub fn name(&self) -> &str {
        &self.place
    }

    /// The folder of the checkpoint.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit on the hub; `None` for a folder.
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// The files of the weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The path of `config.json`.
    pub fn config(&self) -> PathBuf {
        self.folder.join(&self.base).join(CONFIG)
    }

    /// The path of a file of the encoder or of its tokenizer, such as `tokenizer.json`; `None` if there is none.
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.beside(&format!("{}{name}", self.base))
    }

    /// The path of a file of the whole checkpoint, such as `modules.json` or `1_Pooling/config.json`; `None` if there
    /// is none.
    pub fn beside(&self, name: &str) -> Option<PathBuf> {
        self.files.contains(name).then(|| self.folder.join(name))
    }

    /// The path of the file in which sentence-transformers keeps the encoder's maximal length and case; `None` if there
    /// is none.
    pub fn limits(&self) -> Option<PathBuf> {
        files::LIMITS.iter().find_map(|name| self.file(name))
    }

    /// The folder of the encoder inside the checkpoint, without a slash: empty, or `0_Transformer`.
    pub fn base(&self) -> &str {
        self.base.trim_end_matches('/')
    }

    /// The names of all files that belong to the checkpoint, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The BLAKE3 digest of the names, lengths and contents of [`Checkpoint::files`]. Two checkpoints with one digest
    /// compute the same, whatever their origin. Reads every byte, on all threads of rayon.
    pub fn digest(&self) -> Result<blake3::Hash, CheckpointError> {
        let mut all = blake3::Hasher::new();
        for name in &self.files {
            let path = self.folder.join(name);
            let mut one = blake3::Hasher::new();
            one.update_mmap_rayon(&path).map_err(io_at(&path))?;
            all.update(&(name.len() as u64).to_le_bytes());
            all.update(name.as_bytes());
            all.update(&one.count().to_le_bytes());
            all.update(one.finalize().as_bytes());
        }
        Ok(all.finalize())
    }
}

/// The names of the files in a folder, and in its folders of modules; an error if the folder does not exist.
fn names(folder: &Path) -> Result<BTreeSet<String>, CheckpointError> {
    let mut names = BTreeSet::new();
    for name in entries(folder)? {
        let path = folder.join(&name);
        if path.is_file() {
            names.insert(name);
        } else if files::is_module(&name) && path.is_dir() {
            let inner = entries(&path)?.into_iter().filter(|inner| path.join(inner).is_file());
            names.extend(inner.map(|inner| format!("{name}/{inner}")));
        }
    }
    Ok(names)
}

/// The names of what a folder contains. Names that are not Unicode are left out, as no file of a checkpoint has one.
fn entries(folder: &Path) -> Result<Vec<String>, CheckpointError> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect);
    let entries: Vec<std::fs::DirEntry> = entries.map_err(io_at(folder))?;
    Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}
