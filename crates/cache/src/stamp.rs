//! Which large files were read through and found right, and how they would show that they changed since.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lock::Owner;

/// What changes when a file does: its inode, its length, the time of its content and that of anything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp(u64, u64, i128, i128);

impl Stamp {
    #[cfg(unix)]
    pub(crate) fn of(meta: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanos =
            |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let (content, any) =
            (nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec()));
        Self(meta.ino(), meta.len(), content, any)
    }

    #[cfg(not(unix))]
    pub(crate) fn of(meta: &Metadata) -> Self {
        let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH);
        let nanos = meta.modified().ok().and_then(|time| since(time).ok()).unwrap_or_default();
        Self(0, meta.len(), nanos.as_nanos() as i128, 0)
    }
}

/// The stamps of the large files of one folder, as they were when they were last read through.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verified {
    /// Another start of the machine reads everything again.
    boot: String,
    /// Ties the stamps to what was expected.
    key: String,
    stamps: BTreeMap<String, Stamp>,
}

impl Verified {
    pub(crate) fn new(key: &str) -> Self {
        Self { boot: Owner::this().boot, key: key.to_owned(), stamps: BTreeMap::new() }
    }

    /// The stamps that were stored for this key since the machine started; none otherwise.
    pub(crate) fn read(path: &Path, key: &str) -> Self {
        let new = Self::new(key);
        let kept: Option<Self> =
            fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        kept.filter(|kept| (&kept.boot, &kept.key) == (&new.boot, &new.key)).unwrap_or(new)
    }

    pub(crate) fn has(&self, file: &str, stamp: &Stamp) -> bool {
        self.stamps.get(file) == Some(stamp)
    }

    pub(crate) fn add(&mut self, file: &str, stamp: Stamp) {
        self.stamps.insert(file.to_owned(), stamp);
    }

    /// Keeps it if it says something; where that cannot be done, the files are read again next time.
    pub(crate) fn write(&self, path: &Path) {
        let Some(parent) = path.parent().filter(|_| !self.stamps.is_empty()) else { return };
        let _ = fs::create_dir_all(parent);
        let written = tempfile::Builder::new().prefix(".").make_in(parent, |beside| {
            fs::write(beside, serde_json::to_vec(self).expect("numbers and strings are JSON"))
        });
        let _ = written.map(|written| written.into_temp_path().persist(path));
    }
}

/// The path at which the stamps of a folder are stored.
pub(crate) fn place(root: &Path, kind: &str, folder: &str) -> PathBuf {
    root.join("verified").join(format!("{kind}-{folder}"))
}
