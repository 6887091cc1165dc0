//! What is being made, so that it can be removed when the process is told to end.
//!
//! A file or folder under construction has a [`Guard`]. Dropping the guard removes what is there, so an error leaves
//! nothing behind. No destructor runs when a signal ends the process: the program's handler calls [`remove_all`]
//! first.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Everything that has a guard now.
static BEING_MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// The right to make a file or folder, and the duty to remove it unless it is finished.
#[derive(Debug)]
#[must_use = "what is being made is removed when its guard is dropped"]
pub struct Guard {
    path: PathBuf,
}

impl Guard {
    /// Takes `path`, which is this process's alone to make: whatever lies there is removed when the guard is dropped or
    /// the process is told to end.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = absolute(&path.into());
        being_made().insert(path.clone());
        Self { path }
    }

    /// Has `make` create `path`, and takes it if that succeeds: what another process had made there before is not
    /// taken. No signal comes between the two.
    pub fn making<T>(
        path: &Path,
        make: impl FnOnce(&Path) -> io::Result<T>,
    ) -> io::Result<(Self, T)> {
        let mut all = being_made();
        let made = make(path)?;
        let path = absolute(path);
        all.insert(path.clone());
        Ok((Self { path }, made))
    }

    /// Does one short step of the making. No signal comes in the middle of it, and none is done after a signal: what a
    /// step makes is never left behind.
    pub fn step<T>(&self, step: impl FnOnce() -> T) -> T {
        let _no_signal = being_made();
        step()
    }

    /// The path that is being written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Marks the path as finished, so that it is not removed.
    pub fn keep(self) {
        being_made().remove(&self.path);
        std::mem::forget(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A leftover here has no reader, and the error that led here is the one worth telling.
        let _ = remove(&self.path);
        being_made().remove(&self.path);
    }
}

/// Removes everything that is being made; nothing can be begun after this. For a process that is about to end.
pub fn remove_all() {
    let all = being_made();
    all.iter().for_each(|path| drop(remove(path)));
    // Other threads are at work until the process ends: they wait where they would begin something.
    std::mem::forget(all);
}

/// Does not return if [`remove_all`] was called: what fails then fails because of it, and is not worth a word.
pub fn wait_if_ending() {
    drop(being_made());
}

/// Other threads may be writing into a folder while it is removed.
const ATTEMPTS: usize = 20;

fn remove(path: &Path) -> io::Result<()> {
    let once = || match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    (1..ATTEMPTS).find_map(|_| once().ok()).map_or_else(once, Ok)
}

/// The working folder may change before the guard ends.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn being_made() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // A set of paths is right whatever a thread that panicked was doing.
    BEING_MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_removed_file_or_folder() {
        let root = tempfile::tempdir().unwrap();
        let (file, folder, kept) =
            (root.path().join("file"), root.path().join("folder"), root.path().join("kept"));
        let guards = [&file, &folder, &kept].map(Guard::new);
        fs::write(&file, "half").unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("half"), "").unwrap();
        fs::write(&kept, "whole").unwrap();
        let [one, two, three] = guards;
        drop((one, two));
        three.keep();
        assert!(!file.exists() && !folder.exists());
        assert_eq!(fs::read(&kept).unwrap(), b"whole");
        assert!(!being_made().iter().any(|path| path.starts_with(root.path())));
    }

    #[test]
    fn what_was_there_before_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("of another");
        fs::write(&path, "kept").unwrap();
        let refused = Guard::making(&path, |path| fs::File::create_new(path));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }
}
