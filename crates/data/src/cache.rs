//! Where fetched data lives: part of the cache that [`nir_cache`] keeps whole, verified and shared.
//!
//! ```text
//! <cache>/downloads/<file>             official files, verified
//! <cache>/corpora/<corpus>/            documents as a store, and origin.json
//! <cache>/own/<digest>/                the same of a user's own files
//! <cache>/datasets/<dataset>/          queries.jsonl, qrels.txt and origin.json
//! <cache>/licences/<digest>.json       licences that were accepted
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nir_cache::{Found, Name};
use nir_core::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::manifest::Licence;
use crate::{OpenError, write_whole};

pub use nir_cache::CacheError;

/// The folder of all fetched data.
#[derive(Clone)]
pub struct Cache {
    folders: nir_cache::Cache,
}

/// The environment does not tell where the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no folder for the cache: set NIR_CACHE to one")]
pub struct NoCacheFolder;

/// The folder of what the user has fetched and computed: `NIR_CACHE`, else `nir` in the cache folder of the platform.
/// Fails if there is neither.
pub fn cache_folder() -> Result<PathBuf, NoCacheFolder> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    folder_from(&|name| variable(name).map(PathBuf::from)).ok_or(NoCacheFolder)
}

fn folder_from(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(own) = variable("NIR_CACHE") {
        return Some(own);
    }
    let below_home = |path: &str| variable("HOME").map(|home| home.join(path));
    let platform = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        below_home("Library/Caches")
    } else {
        // A relative path there is to be ignored (XDG Base Directory Specification).
        variable("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| below_home(".cache"))
    };
    platform.map(|platform| platform.join("nir"))
}

/// The name of a corpus in the cache.
pub(crate) fn corpus_name(corpus: &str) -> Name {
    Name::new("corpora", corpus)
}

/// The name of a dataset's queries and judgements in the cache.
pub(crate) fn dataset_name(dataset: &str) -> Name {
    Name::new("datasets", dataset)
}

/// The name of candidates of a dataset in the cache.
pub(crate) fn candidates_name(dataset: &str, candidates: &str) -> Name {
    Name::new("candidates", &format!("{dataset}.{candidates}"))
}

/// The name of a user's own documents in the cache, by what is read from which bytes.
pub(crate) fn own_name(key: Digest) -> Name {
    Name::of_digest("own", &key.hex())
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Accepted {
    name: String,
    url: String,
    note: String,
}

impl Accepted {
    fn of(licence: &Licence) -> Self {
        let Licence { name, url, note } = licence.clone();
        Self { name, url, note }
    }
}

impl From<nir_cache::Cache> for Cache {
    fn from(folders: nir_cache::Cache) -> Self {
        Self { folders }
    }
}

impl Cache {
    /// A cache in this folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        nir_cache::Cache::at(root).into()
    }

    /// The cache of the user, in [`cache_folder`]. Fails if the environment does not tell where that is.
    pub fn of_user() -> Result<Self, NoCacheFolder> {
        cache_folder().map(Self::at)
    }

    /// The path of the cache.
    pub fn root(&self) -> &Path {
        self.folders.root()
    }

    /// Everything in it that is made once and verified when it is read.
    pub fn folders(&self) -> &nir_cache::Cache {
        &self.folders
    }

    /// The folder in which official files are kept.
    pub fn downloads(&self) -> PathBuf {
        self.root().join("downloads")
    }

    /// A corpus that was fetched, verified; none if it never was, or is damaged and was set aside.
    pub(crate) fn corpus(&self, name: &str) -> Result<Option<Found>, CacheError> {
        self.folders.get(&corpus_name(name))
    }

    /// The queries and judgements of a dataset, in the same way.
    pub(crate) fn dataset(&self, name: &str) -> Result<Option<Found>, CacheError> {
        self.folders.get(&dataset_name(name))
    }

    /// The folder of a corpus, which exists if it was fetched; its files are not read.
    pub(crate) fn corpus_place(&self, name: &str) -> PathBuf {
        self.folders.place(&corpus_name(name))
    }

    /// The folder of the queries and judgements of a dataset, which exists if they were fetched.
    pub(crate) fn dataset_place(&self, name: &str) -> PathBuf {
        self.folders.place(&dataset_name(name))
    }

    /// Whether a licence was accepted before, word for word.
    pub fn has_accepted(&self, licence: &Licence) -> bool {
        let kept: Option<Accepted> = read_json(&self.acceptance(licence));
        kept.is_some_and(|kept| kept == Accepted::of(licence))
    }

    /// Records that the user accepted a licence.
    pub fn accept(&self, licence: &Licence) -> Result<(), CacheError> {
        write_json(&self.acceptance(licence), &Accepted::of(licence))
    }

    fn acceptance(&self, licence: &Licence) -> PathBuf {
        let mut hasher = Hasher::new("licence");
        hasher.part(&licence.name).part(&licence.url).part(&licence.note);
        self.root().join("licences").join(format!("{}.json", hasher.digest().short()))
    }
}

/// Turns an error of the file system into an error that names `path`.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    CacheError::at(path)
}

/// Writes a file of JSON; it is complete or does not exist.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CacheError> {
    write_whole(path, |file| Ok(serde_json::to_writer_pretty(file, value)?))
        .map_err(|OpenError { path, source }| CacheError { path, source })
}

/// Reads what [`write_json`] wrote; `None` where it is not there or of another version.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A folder that gets its name only when all of it is there.
///
/// For a folder `d`, `.d.lock` is held while it is made, and `.d.new` is where. A killed process leaves `.d.new`
/// behind; its lock ended with it, so the next one knows the leftover for what it is and removes it.
pub(crate) struct Unfinished {
    folder: PathBuf,
    target: PathBuf,
    _lock: File,
}

impl Unfinished {
    /// Begins what will be `target`; waits while another process makes the same.
    pub(crate) fn begin(target: PathBuf) -> Result<Self, CacheError> {
        let parent = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(at(parent))?;
        let lock = lock(&sibling(&target, "lock"))?;
        let folder = sibling(&target, "new");
        remove(&folder)?;
        fs::create_dir(&folder).map_err(at(&folder))?;
        Ok(Self { folder, target, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Gives the folder its name; a folder that had the name before is moved away first and then removed.
    pub(crate) fn finish(self) -> Result<(), CacheError> {
        let old = sibling(&self.target, "old");
        remove(&old)?;
        if self.target.exists() {
            fs::rename(&self.target, &old).map_err(at(&self.target))?;
        }
        fs::rename(&self.folder, &self.target).map_err(at(&self.target))?;
        remove(&old)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing more can be done about a leftover here; the next one removes it or says why it cannot.
        let _ = remove(&self.folder);
    }
}

/// Waits until no other process holds the lock; it ends with the process, however that ends.
pub(crate) fn lock(path: &Path) -> Result<File, CacheError> {
    let file = File::create(path).map_err(at(path))?;
    file.lock().map_err(at(path))?;
    Ok(file)
}

/// The path `.name.end` beside `target`.
fn sibling(target: &Path, end: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{end}"))
}

fn remove(folder: &Path) -> Result<(), CacheError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Option<PathBuf> {
        folder_from(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_folder_is_the_users_choice_then_the_platforms() {
        let all = [("NIR_CACHE", "/own"), ("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/ada")];
        assert_eq!(folder(&all), Some("/own".into()));
        assert_eq!(folder(&all[1..]), Some("/xdg/nir".into()));
        assert_eq!(folder(&all[2..]), Some("/home/ada/.cache/nir".into()));
        assert_eq!(folder(&[]), None);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_was_there_stays_until_the_end() {
        let root = tempfile::TempDir::new().unwrap();
        let target = root.path().join("d");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("old"), "").unwrap();
        fs::create_dir(root.path().join(".d.new")).unwrap();
        fs::write(root.path().join(".d.new/leftover"), "").unwrap();

        let unfinished = Unfinished::begin(target.clone()).unwrap();
        fs::write(unfinished.path().join("new"), "").unwrap();
        assert!(target.join("old").exists());
        unfinished.finish().unwrap();
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&target), ["new"]);
        assert_eq!(names(root.path()), [".d.lock", "d"]);
    }
}
