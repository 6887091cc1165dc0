//! What was built and is kept, found again by the digest of everything that decided it.
//!
//! [`nir_cache`] keeps it whole, verified and shared; here are the kinds of things in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nir_cache::{CacheError, Found, Name};
use nir_core::Digest;

/// A function that receives a sentence for the user.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// The folders of everything that is kept between runs.
#[derive(Clone)]
pub struct Cache {
    data: nir_data::Cache,
}

/// A kind of entry in the cache.
pub struct Kind {
    /// The name of the folder of this kind.
    pub folder: &'static str,
    /// What an entry of this kind holds, in words.
    pub what: &'static str,
    /// Whether nir makes an entry again by itself when it is needed.
    pub again: bool,
    /// Whether an algorithm, a structure or an encoder makes the entries; then they record its version.
    pub made: bool,
    /// Whether each entry has a manifest with digests that it can be checked against.
    pub finished: bool,
}

/// The name of the file with the ranking in the folder of a run.
pub const RUN: &str = "run.trec";

/// The name of the folder of results.
const RESULTS: &str = "results";

/// All kinds of entries. Other folders in the cache's folder do not belong to nir.
#[rustfmt::skip]
pub const KINDS: [Kind; 18] = [
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
    Kind { folder: "candidates", again: false, made: false, finished: true, what: "candidates that are handed out with datasets" },
    Kind { folder: "downloads", again: false, made: false, finished: false, what: "files as they were fetched" },
    Kind { folder: "licences",  again: false, made: false, finished: false, what: "licences that you accepted" },
    Kind { folder: RESULTS,     again: true,  made: false, finished: false, what: "results of sweeps over search structures" },
    Kind { folder: "damaged",   again: true,  made: false, finished: false, what: "what was found damaged and set aside" },
    Kind { folder: "work",      again: true,  made: false, finished: false, what: "what is being made, and what killed programs left" },
    Kind { folder: "claims",    again: true,  made: false, finished: false, what: "who makes what at the moment" },
    Kind { folder: "verified",  again: true,  made: false, finished: false, what: "which files were read through since the machine started" },
];

impl Cache {
    /// The cache in the folder that `NIR_CACHE` names, else in the cache folder of the platform. Fails if there is
    /// neither.
    pub fn open() -> Result<Self> {
        Ok(Self::at(&nir_data::cache_folder()?))
    }

    /// The cache in a folder, which need not exist yet. Nobody is told what happens to it (such as a damaged entry that
    /// is made again) unless [`Cache::telling`] is used.
    pub fn at(folder: &Path) -> Self {
        Self::of(nir_cache::Cache::at(folder.to_owned()))
    }

    /// Where results of sweeps are kept if no other folder is named.
    pub fn results(&self) -> PathBuf {
        self.folders().root().join(RESULTS)
    }

    /// The same cache, which passes sentences for the user to `tell`.
    #[must_use]
    pub fn telling(self, tell: Tell) -> Self {
        Self::of(self.folders().clone().telling(tell))
    }

    fn of(folders: nir_cache::Cache) -> Self {
        folders.sweep();
        Self { data: folders.into() }
    }

    /// The part of the cache that holds collections.
    pub fn data(&self) -> &nir_data::Cache {
        &self.data
    }

    /// The folders with all entries.
    pub fn folders(&self) -> &nir_cache::Cache {
        self.data.folders()
    }

    /// The path of the cache.
    pub fn folder(&self) -> &Path {
        self.folders().root()
    }

    /// Whether there is an entry; its content is not read.
    pub fn has(&self, kind: &str, key: Digest) -> bool {
        self.folders().has(&Name::of_digest(kind, &key.hex()))
    }

    /// The entry, after it was checked against its digests; `None` if there is none or it was damaged.
    pub fn get(&self, kind: &str, key: Digest) -> Result<Option<Found>> {
        Ok(self.folders().get(&Name::of_digest(kind, &key.hex()))?)
    }

    /// Like [`Cache::make`], but returns `None` if another process is making the entry at this moment.
    pub fn make_unless_claimed(
        &self,
        kind: &str,
        key: Digest,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Option<Found>> {
        self.folders().make_unless_claimed(&Name::of_digest(kind, &key.hex()), recipe, fill)
    }

    /// The entry, after it was checked against its digests; if there is none, `fill` makes it in a new folder.
    ///
    /// - `kind`: the name of the folder of its kind
    /// - `key`: the digest of everything that decides its content
    /// - `recipe`: a text that describes it, for `nir cache`
    /// - `fill`: writes the files into the folder that it is given
    pub fn make(
        &self,
        kind: &str,
        key: Digest,
        recipe: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Found> {
        self.folders().make(&Name::of_digest(kind, &key.hex()), recipe, fill)
    }

    /// The run files of all entries, checked, with the digests of their rankings.
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

/// Writes a file; the error names its path.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).with_context(|| path.display().to_string())
}
