//! Where fetched data lives.
//!
//! ```text
//! <cache>/downloads/<file>             official files, verified
//! <cache>/corpora/<corpus>/            documents as a store, and origin.json
//! <cache>/datasets/<dataset>/          queries.jsonl, qrels.txt and origin.json
//! <cache>/licences/<digest>.json       licences that were accepted
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nir_core::Hasher;
use serde::{Deserialize, Serialize};

use crate::manifest::Licence;

/// The folder of all fetched data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// The cache could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct CacheError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The environment does not say where the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no folder for the cache: set NIR_CACHE to one")]
pub struct NoCacheFolder;

/// Where fetched and computed things of the user are kept: `NIR_CACHE`, else `nir` in the platform's cache folder.
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

#[derive(Serialize, Deserialize)]
struct Accepted {
    name: String,
    url: String,
    note: String,
}

impl Cache {
    /// A cache in this folder, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The cache of the user, in [`cache_folder`].
    pub fn of_user() -> Result<Self, NoCacheFolder> {
        cache_folder().map(Self::at)
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where official files are kept.
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    pub(crate) fn corpus(&self, name: &str) -> PathBuf {
        self.root.join("corpora").join(name)
    }

    pub(crate) fn dataset(&self, name: &str) -> PathBuf {
        self.root.join("datasets").join(name)
    }

    /// Whether a licence was accepted before, word for word.
    pub fn has_accepted(&self, licence: &Licence) -> bool {
        self.acceptance(licence).exists()
    }

    /// Records that a licence was accepted.
    pub fn accept(&self, licence: &Licence) -> Result<(), CacheError> {
        let Licence { name, url, note } = licence.clone();
        write_json(&self.acceptance(licence), &Accepted { name, url, note })
    }

    fn acceptance(&self, licence: &Licence) -> PathBuf {
        let mut hasher = Hasher::new("licence");
        hasher.part(&licence.name).part(&licence.url).part(&licence.note);
        self.root.join("licences").join(format!("{}.json", hasher.digest().short()))
    }
}

/// Attaches the path to what the system said.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    |source| CacheError { path, source }
}

/// Writes a file as a whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CacheError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(at(folder))?;
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(at(path))
}

/// Reads what [`write_json`] wrote; `None` where it is not there or of another version.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A folder that gets its name only when all of it is there.
pub(crate) struct Unfinished {
    folder: tempfile::TempDir,
    target: PathBuf,
    _lock: File,
}

impl Unfinished {
    /// Begins what will be `target`; waits while another process makes the same.
    pub(crate) fn begin(target: PathBuf) -> Result<Self, CacheError> {
        let parent = target.parent().unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let lock_path = parent.join(format!(".{name}.lock"));
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        lock.lock().map_err(at(&lock_path))?;
        let folder = tempfile::Builder::new().prefix(".new-").tempdir_in(&parent);
        Ok(Self { folder: folder.map_err(at(&parent))?, target, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives it its name; what had that name before is gone.
    pub(crate) fn finish(self) -> Result<(), CacheError> {
        if self.target.exists() {
            fs::remove_dir_all(&self.target).map_err(at(&self.target))?;
        }
        fs::rename(self.folder.keep(), &self.target).map_err(at(&self.target))
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
}
