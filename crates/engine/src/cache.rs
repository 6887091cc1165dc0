//! What was built and is kept, found again by the digest of everything that decided it.
//!
//! [`nir_cache`] keeps it whole, verified and shared; here are the kinds of things in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nir_cache::{CacheError, Found, Name};
use nir_core::Digest;

use crate::engine::Tell;

/// The folders of finished things.
#[derive(Clone)]
pub struct Cache {
    data: nir_data::Cache,
}

/// A kind of thing in the cache.
pub struct Kind {
    /// The name of its folder.
    pub folder: &'static str,
    /// What it holds, in words.
    pub what: &'static str,
    /// Whether nir makes it again by itself when it is wanted.
    pub again: bool,
    /// Whether an algorithm, a structure or an encoder made it, whose version it names.
    pub made: bool,
    /// Whether each thing of it has a manifest to be held to.
    pub finished: bool,
}

/// The name of the ranking in a folder of a run.
pub const RUN: &str = "run.trec";

/// The name of the folder of results.
const RESULTS: &str = "results";

/// All that the cache holds; what is in none of these folders is not the program's.
#[rustfmt::skip]
pub const KINDS: [Kind; 17] = [
    Kind { folder: "expanded",  again: true,  made: true,  finished: true,  what: "documents as expanders wrote them anew" },
    Kind { folder: "vectors",   again: true,  made: true,  finished: true,  what: "what encoders made of documents" },
    Kind { folder: "indexes",   again: true,  made: true,  finished: true,  what: "inverted indexes and other search structures" },
    Kind { folder: "runs",      again: true,  made: true,  finished: true,  what: "rankings" },
    Kind { folder: "stages",    again: true,  made: true,  finished: true,  what: "rankings between two stages" },
    Kind { folder: "journals",  again: true,  made: false, finished: false, what: "what runs that were stopped had reranked" },
    Kind { folder: "own",       again: true,  made: false, finished: true,  what: "your own documents, imported" },
    Kind { folder: "models",    again: true,  made: false, finished: true,  what: "models that come with the program, unpacked" },
    Kind { folder: "corpora",   again: false, made: false, finished: true,  what: "documents of datasets" },
    Kind { folder: "datasets",  again: false, made: false, finished: true,  what: "queries and judgements of datasets" },
    Kind { folder: "downloads", again: false, made: false, finished: false, what: "files as they were fetched" },
    Kind { folder: "licences",  again: false, made: false, finished: false, what: "licences that you accepted" },
    Kind { folder: RESULTS,     again: true,  made: false, finished: false, what: "results of sweeps over search structures" },
    Kind { folder: "damaged",   again: true,  made: false, finished: false, what: "what was found damaged and set aside" },
    Kind { folder: "work",      again: true,  made: false, finished: false, what: "what is being made, and what killed programs left" },
    Kind { folder: "claims",    again: true,  made: false, finished: false, what: "who makes what at the moment" },
    Kind { folder: "verified",  again: true,  made: false, finished: false, what: "which files were read through since the machine started" },
];

impl Cache {
    /// `NIR_CACHE`, else the platform's cache folder.
    pub fn open() -> Result<Self> {
        Ok(Self::at(&nir_data::cache_folder()?))
    }

    /// The cache in a folder, which need not be there yet. What a user should know of it (something was found damaged and
    /// is made anew) is said where [`Cache::telling`] has it go.
    pub fn at(folder: &Path) -> Self {
        Self::of(nir_cache::Cache::at(folder.to_owned()))
    }

    /// Where results of sweeps are kept if no other folder is named.
    pub fn results(&self) -> PathBuf {
        self.folders().root().join(RESULTS)
    }

    /// The same, with a place for the sentences that a user should read.
    #[must_use]
    pub fn telling(self, tell: Tell) -> Self {
        Self::of(self.folders().clone().telling(tell))
    }

    fn of(folders: nir_cache::Cache) -> Self {
        folders.sweep();
        Self { data: folders.into() }
    }

    /// Its part that holds collections.
    pub fn data(&self) -> &nir_data::Cache {
        &self.data
    }

    /// All of it.
    pub fn folders(&self) -> &nir_cache::Cache {
        self.data.folders()
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.folders().root()
    }

    /// Whether there is a finished thing; what it holds is not looked at.
    pub fn has(&self, kind: &str, key: Digest) -> bool {
        self.folders().has(&Name::of_digest(kind, &key.hex()))
    }

    /// A finished thing, verified, if there is one.
    pub fn get(&self, kind: &str, key: Digest) -> Result<Option<Found>> {
        Ok(self.folders().get(&Name::of_digest(kind, &key.hex()))?)
    }

    /// As [`Cache::make`], but none where another process makes it at this moment.
    pub fn make_unless_claimed(
        &self,
        kind: &str,
        key: Digest,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Option<Found>> {
        self.folders().make_unless_claimed(&Name::of_digest(kind, &key.hex()), recipe, fill)
    }

    /// A finished thing, verified, or made now in a new folder.
    pub fn make(
        &self,
        kind: &str,
        key: Digest,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Found> {
        self.folders().make(&Name::of_digest(kind, &key.hex()), recipe, fill)
    }

    /// Every run file, verified, with the digest of its ranking.
    pub fn run_files(&self) -> Result<Vec<(String, PathBuf)>, CacheError> {
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
