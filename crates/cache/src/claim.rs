//! One process makes a folder, the others wait for it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::CacheError;
use crate::lock::{BEAT, Lock, Owner};

/// An owner that shows no life for so long is paused, or its machine is gone: nobody waits for it.
const SILENT: Duration = Duration::from_secs(8 * BEAT.as_secs());
/// How long to wait before saying so.
const PATIENT: Duration = Duration::from_secs(2);

/// Waits until nobody else makes what the lock at `path` stands for.
///
/// None if its owner fell silent: then the caller makes it too, and whoever is first gives it its name. `waiting` is
/// told once who is waited for.
pub(crate) fn claim(path: &Path, waiting: impl Fn(&Owner)) -> Result<Option<Lock>, CacheError> {
    let parent = path.parent().expect("a lock lies in a folder");
    fs::create_dir_all(parent).map_err(CacheError::at(parent))?;
    let (begun, mut said, mut pause) = (Instant::now(), false, Duration::from_millis(5));
    loop {
        let held = match Lock::try_take(path, SILENT).map_err(CacheError::at(path))? {
            Ok(lock) => return Ok(Some(lock)),
            Err(held) => held,
        };
        if held.silent >= SILENT {
            return Ok(None);
        }
        if let Some(owner) = held.by.as_ref().filter(|_| !said && begun.elapsed() > PATIENT) {
            waiting(owner);
            said = true;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// The claim if it is free now, or if its owner fell silent; [`Claimed::ByAnother`] where somebody alive holds it.
pub(crate) fn try_claim(path: &Path) -> Result<Claimed, CacheError> {
    let parent = path.parent().expect("a lock lies in a folder");
    fs::create_dir_all(parent).map_err(CacheError::at(parent))?;
    match Lock::try_take(path, SILENT).map_err(CacheError::at(path))? {
        Ok(lock) => Ok(Claimed::Free(Some(lock))),
        Err(held) if held.silent >= SILENT => Ok(Claimed::Free(None)),
        Err(_) => Ok(Claimed::ByAnother),
    }
}

/// The outcome of asking for a claim.
pub(crate) enum Claimed {
    /// The caller may work, under this lock or beside an owner that fell silent.
    Free(Option<Lock>),
    /// Somebody alive is at it.
    ByAnother,
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn nobody_waits_for_an_owner_that_fell_silent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let _held = Lock::try_take(&path, SILENT).unwrap().unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - 2 * SILENT).unwrap();
        assert!(claim(&path, |_| ()).unwrap().is_none());
    }

    #[test]
    fn a_claim_waits_for_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let first = claim(&path, |_| ()).unwrap().unwrap();
        let free = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _second = claim(&path, |_| ()).unwrap().unwrap();
                assert!(free.load(std::sync::atomic::Ordering::SeqCst));
            });
            std::thread::sleep(Duration::from_millis(50));
            free.store(true, std::sync::atomic::Ordering::SeqCst);
            drop(first);
        });
    }
}
