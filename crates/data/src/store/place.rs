//! Where a store is built and how it gets its name.
//!
//! For a store `d`, `.d.lock` is held while it is imported, `.d.importing` is the folder in which that happens, and
//! the last step renames the folder to `d`. A killed import leaves the folder behind under its other name; the lock
//! ends with the process, so whoever holds it next knows the folder for a leftover and removes it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The right to import into one folder; given up when dropped, with whatever was not published.
pub(super) struct Place {
    dir: PathBuf,
    parent: PathBuf,
    building: PathBuf,
    _lock: File,
}

impl Place {
    /// Waits until no other process imports into this folder.
    pub(super) fn reserve(dir: &Path) -> Result<Self, StoreError> {
        let dir = std::path::absolute(dir).map_err(|error| StoreError::io(dir, error))?;
        let parent = dir.parent().unwrap_or(&dir).to_owned();
        fs::create_dir_all(&parent).map_err(|error| StoreError::io(&parent, error))?;
        let lock = lock(&sibling(&dir, ".lock"))?;
        let building = sibling(&dir, ".importing");
        remove(&building).map_err(|error| StoreError::io(&building, error))?;
        fs::create_dir(&building).map_err(|error| StoreError::io(&building, error))?;
        Ok(Self { dir, parent, building, _lock: lock })
    }

    /// The folder to write into.
    pub(super) fn building(&self) -> &Path {
        &self.building
    }

    /// Gives the finished folder its name durably, so that it survives a power failure.
    pub(super) fn publish(&self) -> Result<(), StoreError> {
        sync(&self.building)?;
        fs::rename(&self.building, &self.dir)
            .map_err(|error| StoreError::io(&self.building, error))?;
        sync(&self.parent)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing more can be done about a leftover here; the next import removes it or says why it cannot.
        let _ = remove(&self.building);
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |error| StoreError::io(path, error);
    let file = File::options().create(true).append(true).open(path).map_err(io)?;
    file.lock().map_err(io)?;
    Ok(file)
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the entries of a folder durable on disk.
fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(|error| StoreError::io(dir, error))
}

/// The path `.name<suffix>` beside `dir`.
fn sibling(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(dir.file_name().unwrap_or_default());
    name.push(suffix);
    dir.with_file_name(name)
}
