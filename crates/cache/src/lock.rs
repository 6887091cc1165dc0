//! A right that one process at a time has, on any number of machines, and that ends with the process.
//!
//! A lock is a file: the operating system lets one process hold it, and releases it when the process ends, however it
//! ends. The file names its owner, for messages and for machines that the system's locks do not reach: those see only
//! the file, and its owner touches it every [`BEAT`] to show that it lives.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::unfinished::Guard;

/// How often an owner touches its locks.
pub(crate) const BEAT: Duration = Duration::from_secs(15);

/// The process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The name of its machine or container.
    pub host: String,
    /// Tells one start of one machine from every other; empty where the system has no such thing.
    pub boot: String,
    /// The number of the process on that machine.
    pub process: u32,
}

impl Owner {
    /// This process.
    pub(crate) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let host = read("/proc/sys/kernel/hostname");
        let boot = read("/proc/sys/kernel/random/boot_id");
        Self { host, boot, process: std::process::id() }
    }

    /// Whether the system's locks say the truth about it: it runs, or ran, under the kernel that runs now.
    fn is_near(&self) -> bool {
        self.boot == Self::this().boot
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.as_str() {
            "" => write!(f, "process {}", self.process),
            host => write!(f, "process {} on {host}", self.process),
        }
    }
}

/// A held lock; given up, and its file removed, when it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    /// The path of the lock's file; `None` once the lock was released.
    path: Option<Guard>,
    file: Arc<File>,
}

/// Somebody else holds the lock.
#[derive(Debug)]
pub(crate) struct Held {
    /// The owner, if the file names one.
    pub(crate) by: Option<Owner>,
    /// The time since its owner last touched the lock.
    pub(crate) silent: Duration,
}

impl Lock {
    /// Takes the lock unless somebody has it. An owner whose lock cannot be seen from here is taken to live until it
    /// was silent for `patience`.
    pub(crate) fn try_take(path: &Path, patience: Duration) -> io::Result<Result<Self, Held>> {
        loop {
            let file =
                File::options().read(true).write(true).create(true).truncate(false).open(path)?;
            let held = Held { by: owner(&file), silent: silence(&file)? };
            let is_visible = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => return Ok(Err(held)),
                Err(TryLockError::Error(error)) if has_no_locks(&error) => false,
                Err(TryLockError::Error(error)) => return Err(error),
            };
            if !is_at(&file, path) {
                continue; // its owner removed it between our opening and our locking
            }
            let is_proof = |owner: &Owner| is_visible && owner.is_near();
            let dead = held.by.as_ref().is_none_or(is_proof) || held.silent >= patience;
            if !dead {
                return Ok(Err(held));
            }
            return Self::begin(path, file).map(Ok);
        }
    }

    fn begin(path: &Path, mut file: File) -> io::Result<Self> {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(&Owner::this())?)?;
        let file = Arc::new(file);
        HELD.lock().expect("no thread died holding the list").push(Arc::downgrade(&file));
        Ok(Self { path: Some(Guard::new(path)), file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file goes while the lock is held, and whoever opened it meanwhile sees that it is gone (`is_at`).
        let Some(path) = self.path.take() else { return };
        match is_at(&self.file, path.path()) {
            true => drop(path),
            false => path.keep(), // another's by now
        }
    }
}

/// All locks of this process; the thread behind it touches each of them every [`BEAT`].
static HELD: LazyLock<Mutex<Vec<Weak<File>>>> = LazyLock::new(|| {
    let beat = || loop {
        std::thread::sleep(BEAT);
        let mut held = HELD.lock().expect("no thread died holding the list");
        held.retain(|file| file.strong_count() > 0);
        for file in held.iter().filter_map(Weak::upgrade) {
            let _ = file.set_modified(SystemTime::now()); // a touch that fails is made up for by the next
        }
    };
    // Without the thread, owners look silent to other machines, and are visible as ever on this one.
    let _ = std::thread::Builder::new().name("nir-locks".into()).spawn(beat);
    Mutex::default()
});

fn owner(mut file: &File) -> Option<Owner> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(1 << 12).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn silence(file: &File) -> io::Result<Duration> {
    // A clock that is behind the file's makes the owner fresh, which is the safe side.
    Ok(file.metadata()?.modified()?.elapsed().unwrap_or_default())
}

/// Whether a file system says that it knows no locks.
fn has_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = 37;
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(ENOLCK)
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    let (there, here) = (fs::metadata(path), file.metadata());
    matches!((there, here), (Ok(there), Ok(here)) if inode(&there) == inode(&here))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn one_at_a_time_and_the_file_goes_with_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let lock = Lock::try_take(&path, DAY).unwrap().unwrap();
        let held = Lock::try_take(&path, DAY).unwrap().unwrap_err();
        assert_eq!(held.by, Some(Owner::this()));
        drop(lock);
        assert!(!path.exists());
        Lock::try_take(&path, DAY).unwrap().unwrap();
    }

    #[test]
    fn what_a_dead_process_of_this_machine_left_is_taken_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let dead = Owner { process: 1, ..Owner::this() };
        fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        Lock::try_take(&path, DAY).unwrap().unwrap();
    }

    #[test]
    fn the_owner_on_another_machine_lives_until_it_was_silent_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let other = Owner { host: "node-7".into(), boot: "another".into(), process: 1 };
        fs::write(&path, serde_json::to_vec(&other).unwrap()).unwrap();
        let held = Lock::try_take(&path, DAY).unwrap().unwrap_err();
        assert_eq!(held.by.unwrap().to_string(), "process 1 on node-7");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - 2 * DAY).unwrap();
        Lock::try_take(&path, DAY).unwrap().unwrap();
    }

    #[test]
    fn of_many_threads_each_has_it_once_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        let once = || loop {
            if let Ok(_lock) = Lock::try_take(&path, DAY).unwrap() {
                use std::sync::atomic::Ordering::SeqCst;
                assert_eq!(inside.fetch_add(1, SeqCst), 0);
                std::thread::yield_now();
                inside.fetch_sub(1, SeqCst);
                break;
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| once()));
            }
        });
    }
}
