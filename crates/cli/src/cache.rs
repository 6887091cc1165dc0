//! The cache: what was built, found again by the digest of everything that decided it.
//!
//! ```text
//! <cache>/vectors/<key>/   recipe.txt  cost.json  what an encoder made of some documents
//! <cache>/indexes/<key>/   recipe.txt  cost.json  the index
//! <cache>/runs/<key>/      recipe.txt  cost.json  run.trec    of a whole method
//! <cache>/stages/<key>/    recipe.txt  cost.json  run.trec    between two stages
//! <cache>/work/<process>-<n>/   what is being built; renamed into place when it is complete
//! ```
//!
//! A folder under its key is complete, because it only gets there by a rename. A process that dies leaves its folder in
//! `work`, where the next one removes it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use nir_core::Digest;

/// A folder of finished things.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    data: nir_data::Cache,
}

/// One finished thing.
#[derive(Debug)]
pub(crate) struct Item {
    /// One of [`KINDS`].
    pub(crate) kind: String,
    /// The folder's name.
    pub(crate) key: String,
    /// What it was made from, in words.
    pub(crate) recipe: String,
    /// Its size on disk.
    pub(crate) bytes: u64,
}

/// The name of the file that says what a folder was made from.
const RECIPE: &str = "recipe.txt";
/// The name of the ranking in a folder of a run.
pub(crate) const RUN: &str = "run.trec";

impl Cache {
    /// `NIR_CACHE`, else the platform's cache folder.
    pub(crate) fn open() -> Result<Self> {
        let data = nir_data::Cache::of_user()?;
        let cache = Self { folder: data.root().to_owned(), data };
        cache.remove_leftovers();
        Ok(cache)
    }

    /// Its part that holds collections.
    pub(crate) fn data(&self) -> &nir_data::Cache {
        &self.data
    }

    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a finished thing, if there is one.
    pub(crate) fn get(&self, kind: &str, key: Digest) -> Option<PathBuf> {
        let place = self.place(kind, key);
        place.is_dir().then_some(place)
    }

    /// Has `make` fill a new folder and puts it in its place when that is done. If another process was faster, its
    /// folder stays: both have the same content.
    pub(crate) fn put(
        &self,
        kind: &str,
        key: Digest,
        recipe: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.place(kind, key);
        let work = Work::begin(&self.folder)?;
        make(&work.0)?;
        write(&work.0.join(RECIPE), recipe)?;
        fs::create_dir_all(place.parent().expect("a place has a kind above it"))
            .with_context(|| show(&place))?;
        match fs::rename(&work.0, &place) {
            Err(_) if place.is_dir() => Ok(place),
            moved => moved.map(|()| place.clone()).with_context(|| show(&place)),
        }
    }

    /// Everything finished, by kind and key.
    pub(crate) fn items(&self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for kind in KINDS {
            for folder in folders(&self.folder.join(kind))? {
                let recipe = fs::read_to_string(folder.join(RECIPE)).unwrap_or_default();
                let key = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                items.push(Item { kind: kind.to_owned(), key, recipe, bytes: size(&folder)? });
            }
        }
        Ok(items)
    }

    /// The run file of every method that was run.
    pub(crate) fn run_files(&self) -> Vec<PathBuf> {
        let folders = folders(&self.folder.join("runs")).unwrap_or_default();
        folders.into_iter().map(|folder| folder.join(RUN)).filter(|path| path.is_file()).collect()
    }

    /// Removes everything of a kind.
    pub(crate) fn clear(&self, kind: &str) -> Result<()> {
        let folder = self.folder.join(kind);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.with_context(|| show(&folder)),
        }
    }

    fn place(&self, kind: &str, key: Digest) -> PathBuf {
        self.folder.join(kind).join(key.short())
    }

    /// What dead processes left; what cannot be removed now is no obstacle.
    fn remove_leftovers(&self) {
        for folder in folders(&self.folder.join("work")).unwrap_or_default() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let process = name.split('-').next().and_then(|process| process.parse::<u32>().ok());
            if process.is_none_or(|process| !is_alive(process)) {
                let _ = fs::remove_dir_all(&folder);
            }
        }
    }
}

/// What can be recomputed, and so cleared.
pub(crate) const KINDS: [&str; 4] = ["vectors", "indexes", "runs", "stages"];

/// A folder under construction, removed if it is dropped before it is renamed.
struct Work(PathBuf);

impl Work {
    fn begin(cache: &Path) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = cache.join("work").join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| show(&folder))?;
        Ok(Self(folder))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a process runs; where that cannot be told, it is taken to run.
fn is_alive(process: u32) -> bool {
    let proc = Path::new("/proc");
    !proc.join("self").exists() || proc.join(process.to_string()).exists()
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent).with_context(|| show(parent))? {
        folders.push(entry?.path());
    }
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

/// Bytes of all files below a folder.
pub(crate) fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| show(folder))? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { size(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}

/// Writes a file; the error names it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).with_context(|| show(path))
}

/// Writes a file that is complete or not there.
pub(crate) fn write_whole(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    Ok(nir_data::write_whole(path, |file| file.write_all(content.as_ref()))?)
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
