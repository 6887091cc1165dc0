//! The cache of the command: what was built, found again by the digest of everything that decided it.
//!
//! [`nir_cache`] keeps it whole, verified and shared; here are the kinds of things in it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nir_cache::{CacheError, Found, Name};
use nir_core::Digest;

use crate::output::errln;

/// The folders of finished things.
#[derive(Clone)]
pub(crate) struct Cache {
    data: nir_data::Cache,
}

/// A kind of thing in the cache.
pub(crate) struct Kind {
    /// The name of its folder.
    pub(crate) folder: &'static str,
    /// What it holds, in words.
    pub(crate) what: &'static str,
    /// Whether nir makes it again by itself when it is wanted.
    pub(crate) again: bool,
    /// Whether an algorithm, a structure or an encoder made it, whose version it names.
    pub(crate) made: bool,
    /// Whether each thing of it has a manifest to be held to.
    pub(crate) finished: bool,
}

/// The name of the ranking in a folder of a run.
pub(crate) const RUN: &str = "run.trec";

/// All that the cache holds; what is in none of these folders is not the program's.
#[rustfmt::skip]
pub(crate) const KINDS: [Kind; 14] = [
    Kind { folder: "vectors",   again: true,  made: true,  finished: true,  what: "what encoders made of documents" },
    Kind { folder: "indexes",   again: true,  made: true,  finished: true,  what: "inverted indexes and other search structures" },
    Kind { folder: "runs",      again: true,  made: true,  finished: true,  what: "rankings" },
    Kind { folder: "stages",    again: true,  made: true,  finished: true,  what: "rankings between two stages" },
    Kind { folder: "own",       again: true,  made: false, finished: true,  what: "your own documents, imported" },
    Kind { folder: "models",    again: true,  made: false, finished: true,  what: "models that come with the program, unpacked" },
    Kind { folder: "corpora",   again: false, made: false, finished: true,  what: "documents of datasets" },
    Kind { folder: "datasets",  again: false, made: false, finished: true,  what: "queries and judgements of datasets" },
    Kind { folder: "downloads", again: false, made: false, finished: false, what: "files as they were fetched" },
    Kind { folder: "licences",  again: false, made: false, finished: false, what: "licences that you accepted" },
    Kind { folder: "damaged",   again: true,  made: false, finished: false, what: "what was found damaged and set aside" },
    Kind { folder: "work",      again: true,  made: false, finished: false, what: "what is being made, and what killed programs left" },
    Kind { folder: "claims",    again: true,  made: false, finished: false, what: "who makes what at the moment" },
    Kind { folder: "verified",  again: true,  made: false, finished: false, what: "which files were read through since the machine started" },
];

impl Cache {
    /// `NIR_CACHE`, else the platform's cache folder. What a user should know of it goes to standard error.
    pub(crate) fn open() -> Result<Self> {
        let folders = nir_cache::Cache::at(nir_data::cache_folder()?)
            .telling(Arc::new(|sentence| errln!("cache: {sentence}")));
        folders.sweep();
        Ok(Self { data: folders.into() })
    }

    /// Its part that holds collections.
    pub(crate) fn data(&self) -> &nir_data::Cache {
        &self.data
    }

    /// All of it.
    pub(crate) fn folders(&self) -> &nir_cache::Cache {
        self.data.folders()
    }

    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folders().root()
    }

    /// Whether there is a finished thing; what it holds is not looked at.
    pub(crate) fn has(&self, kind: &str, key: Digest) -> bool {
        self.folders().has(&Name::of_digest(kind, &key.hex()))
    }

    /// A finished thing, verified, or made now in a new folder.
    pub(crate) fn make(
        &self,
        kind: &str,
        key: Digest,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Found> {
        self.folders().make(&Name::of_digest(kind, &key.hex()), recipe, fill)
    }

    /// Every run file, verified, with the digest of its ranking.
    pub(crate) fn run_files(&self) -> Result<Vec<(String, PathBuf)>, CacheError> {
        let mut files = Vec::new();
        for name in self.folders().names("runs")? {
            let Some(found) = self.folders().get(&name)? else { continue };
            if let Some(record) = found.record(RUN) {
                files.push((record.blake3.clone(), found.file(RUN)));
            }
        }
        Ok(files)
    }
}

/// Writes a file; the error names it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).with_context(|| path.display().to_string())
}

/// Writes a file that is complete or not there.
pub(crate) fn write_whole(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    Ok(nir_data::write_whole(path, |file| file.write_all(content.as_ref()))?)
}
