//! Folders that are being made, and what dead processes left of theirs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::CacheError;
use crate::lock::Lock;
use crate::unfinished::Guard;

/// An owner that cannot be asked is given up after so long without a sign of life.
const ABANDONED: Duration = Duration::from_hours(24);
const LOCK: &str = "lock";
/// The folder of what is being made; each entry has a lock.
pub(crate) const WORK: &str = "work";
/// The folder of the locks of what is being made.
pub(crate) const CLAIMS: &str = "claims";

/// A folder under construction; removed when it is dropped before it got its name.
#[derive(Debug)]
pub(crate) struct Work {
    // Removed before the lock is given up.
    folder: Guard,
    _lock: Lock,
}

impl Work {
    /// A new, empty folder that nobody else has.
    pub(crate) fn begin(root: &Path) -> Result<Self, CacheError> {
        let parent = root.join(WORK);
        fs::create_dir_all(&parent).map_err(CacheError::at(&parent))?;
        let begin = |folder: &Path| {
            let lock = Lock::try_take(&folder.with_extension(LOCK), ABANDONED)?;
            let lock = lock.map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))?;
            let (folder, ()) = Guard::making(folder, |folder| fs::create_dir(folder))?;
            Ok(Self { folder, _lock: lock })
        };
        let made = tempfile::Builder::new()
            .prefix("")
            .rand_bytes(16)
            .disable_cleanup(true)
            .make_in(&parent, begin);
        Ok(made.map_err(CacheError::at(&parent))?.into_parts().0)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes what dead processes left, and nothing else; what cannot be removed now is no obstacle.
pub(crate) fn sweep(root: &Path) {
    for claim in entries(&root.join(CLAIMS)) {
        drop(Lock::try_take(&claim, ABANDONED)); // a lock that is dropped removes its file
    }
    for path in entries(&root.join(WORK)) {
        if path.extension().is_some_and(|end| end == LOCK) {
            sweep_locked(&path);
        } else if !path.with_extension(LOCK).exists() && is_old(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn sweep_locked(lock: &Path) {
    if let Ok(Ok(_lock)) = Lock::try_take(lock, ABANDONED) {
        let _ = fs::remove_dir_all(lock.with_extension(""));
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// A folder without a lock was left by an older version of this program, which wrote no locks.
fn is_old(folder: &Path) -> bool {
    let age = fs::metadata(folder).and_then(|meta| meta.modified()).map(|time| time.elapsed());
    matches!(age, Ok(Ok(age)) if age > ABANDONED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_leaves_live_work_and_removes_dead() {
        let root = tempfile::tempdir().unwrap();
        let live = Work::begin(root.path()).unwrap();
        fs::write(live.path().join("half"), "of it").unwrap();
        let dead = root.path().join(WORK).join("dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("half"), "of it").unwrap();
        fs::write(dead.with_extension(LOCK), "").unwrap();
        sweep(root.path());
        assert!(live.path().join("half").exists() && !dead.exists());
        drop(live);
        assert_eq!(entries(&root.path().join(WORK)), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_folder_without_a_lock_is_left_for_a_day() {
        let root = tempfile::tempdir().unwrap();
        let old = root.path().join(WORK).join("4711-0");
        fs::create_dir_all(&old).unwrap();
        sweep(root.path());
        assert!(old.exists());
    }

    #[test]
    fn two_works_are_two_folders() {
        let root = tempfile::tempdir().unwrap();
        let works: Vec<Work> = (0..20).map(|_| Work::begin(root.path()).unwrap()).collect();
        let names: std::collections::HashSet<&Path> = works.iter().map(Work::path).collect();
        assert_eq!(names.len(), 20);
    }
}
