//! The contents that a commit's links lead to in the hub's cache, whose names are their hashes.

use std::io;
use std::path::{Path, PathBuf};

use super::Checkpoint;
use super::promise::{Promise, is_hash};

/// A file of the hub's cache whose name is the hash of its content.
#[derive(Debug, Clone)]
pub struct Blob {
    path: PathBuf,
    promise: Promise,
}

impl Checkpoint {
    /// The files in the hub's cache that this checkpoint's links point to. A user's own folder has none, and neither
    /// has a cache on a system without symbolic links.
    pub fn blobs(&self) -> Vec<Blob> {
        self.files().filter_map(|name| Blob::behind(&self.folder().join(name))).collect()
    }
}

impl Blob {
    fn behind(link: &Path) -> Option<Self> {
        let target = link.read_link().ok()?;
        let etag = target.file_name()?.to_str().filter(|name| is_hash(name))?.to_owned();
        // Other programs' caches may link absolutely.
        let path = link.parent()?.join(target);
        Some(Self { path, promise: Promise { etag, size: 0 } })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hash that is its name, in hexadecimal: SHA-256 has 64 digits, git's SHA-1 has 40.
    pub fn hash(&self) -> &str {
        &self.promise.etag
    }

    /// Whether the content has the hash that is its name. Reads the whole file.
    pub fn is_right(&self) -> io::Result<bool> {
        Ok(self.promise.hash(&self.path)? == self.promise.etag)
    }

    /// Renames a file whose content is damaged, so that it is fetched again; returns the new path.
    pub fn set_aside(&self) -> io::Result<PathBuf> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".damaged");
        let aside = PathBuf::from(aside);
        // A former one of the same content is as good as this one: nothing reads either.
        std::fs::rename(&self.path, &aside).map(|()| aside)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_changed_content_is_seen_and_set_aside() {
        // printf hello | sha256sum
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join(sha256), folder.path().join("model.safetensors"));
        std::fs::write(&path, "hello").unwrap();
        std::os::unix::fs::symlink(sha256, &link).unwrap();
        let blob = Blob::behind(&link).unwrap();
        assert!(blob.is_right().unwrap());
        std::fs::write(&path, "hellp").unwrap();
        assert!(!blob.is_right().unwrap());
        let aside = blob.set_aside().unwrap();
        assert!(!path.exists() && aside.ends_with(format!("{sha256}.damaged")));
    }

    #[test]
    fn a_plain_file_is_no_such_content() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        assert!(Blob::behind(&folder.path().join("config.json")).is_none());
    }
}
