//! One repository in the hub's standard cache, which `huggingface_hub` and everything upon it share.
//!
//! ```text
//! models--org--name/
//!   blobs/<etag>               a file's content, by its hash: sha256 for large files, git's sha1 for others
//!   blobs/<etag>.incomplete    the start of one
//!   snapshots/<commit>/<file>  links into blobs
//!   refs/<branch>              the commit that a branch pointed to
//!   .no_exist/<commit>/<file>  empty: the commit has no such file
//!   trees/<commit>.json        all files of the commit, as `huggingface_hub` 2 notes them
//! .locks/models--org--name/<etag>.lock
//! ```

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo};
use serde::Deserialize;

use super::error::{CheckpointError, io_at};
use super::files;
use super::location::Revision;

/// The paths of one repository in the hub's cache.
pub(super) struct RepoCache {
    names: CacheRepo,
    root: PathBuf,
    locks: PathBuf,
}

/// The content of `trees/<commit>.json`: sizes and hashes by file name. Only the names are used.
#[derive(Deserialize)]
struct Tree {
    files: serde_json::Map<String, serde_json::Value>,
}

impl RepoCache {
    pub(super) fn new(cache: &Path, repo: &str) -> Self {
        let repo = Repo::model(repo.to_owned());
        let name = repo.folder_name();
        let names = Cache::new(cache.to_owned()).repo(repo);
        Self { names, root: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    /// The folder of the files of a commit; it may not exist.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.names.pointer_path(commit)
    }

    /// The path of the content with this hash; it may not exist.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// The commit that a revision names; for a branch, the commit that it pointed to when the hub was last asked.
    /// `None` if that is not known.
    pub(super) fn commit(&self, revision: &Revision) -> Option<String> {
        let branch = match revision {
            Revision::Commit(commit) => return Some(commit.clone()),
            Revision::Branch(branch) => branch,
        };
        let text = std::fs::read_to_string(self.root.join("refs").join(branch)).ok()?;
        match text.trim().parse().ok()? {
            Revision::Commit(commit) => Some(commit),
            Revision::Branch(_) => None,
        }
    }

    /// Records which commit a branch points to.
    pub(super) fn remember(
        &self,
        revision: &Revision,
        commit: &str,
    ) -> Result<(), CheckpointError> {
        match revision {
            Revision::Commit(_) => Ok(()),
            Revision::Branch(branch) => write(&self.root.join("refs").join(branch), commit),
        }
    }

    /// Whether it is known of every file that belongs to a checkpoint either that it is here or that the commit has no
    /// such file. Another tool may have filled the cache and left out small files that it did not need.
    pub(super) fn is_settled(&self, commit: &str) -> bool {
        let (snapshot, absent) = (self.snapshot(commit), self.absent(commit));
        let tree = self.tree(commit);
        let unlisted =
            |name: &str| tree.as_ref().is_some_and(|tree| !tree.files.contains_key(name));
        let settled = |name: &&str| {
            snapshot.join(name).exists() || absent.join(name).exists() || unlisted(name)
        };
        files::KNOWN.iter().all(settled)
    }

    /// The list of all files of the commit, if `huggingface_hub` 2 has recorded it.
    fn tree(&self, commit: &str) -> Option<Tree> {
        let path = self.root.join("trees").join(format!("{commit}.json"));
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Records which of the files that belong to a checkpoint the commit does not have.
    pub(super) fn settle(&self, commit: &str) -> Result<(), CheckpointError> {
        let (snapshot, absent) = (self.snapshot(commit), self.absent(commit));
        let mut unknown = files::KNOWN.iter().filter(|name| !snapshot.join(name).exists());
        unknown.try_for_each(|name| write(&absent.join(name), ""))
    }

    fn absent(&self, commit: &str) -> PathBuf {
        self.root.join(".no_exist").join(commit)
    }

    /// Waits until no other process downloads the same content. `huggingface_hub` uses the same lock. The operating
    /// system releases it when the process ends.
    pub(super) fn lock(&self, etag: &str) -> Result<File, CheckpointError> {
        let path = self.locks.join(format!("{etag}.lock"));
        make_folder_of(&path)?;
        let file = File::create(&path).map_err(io_at(&path))?;
        match file.lock() {
            // Some network file systems have no locks. Two downloads at once would then damage the part, which its hash
            // shows.
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(io_at(&path)(error)),
            _ => Ok(file),
        }
    }

    /// Links a content into the snapshot of a commit under its file name.
    pub(super) fn link(&self, commit: &str, name: &str, etag: &str) -> Result<(), CheckpointError> {
        let pointer = self.snapshot(commit).join(name);
        make_folder_of(&pointer)?;
        // Made aside and renamed: a name that exists is complete, also for those who read meanwhile.
        let aside = self.snapshot(commit).join(format!("{name}.{}.link", std::process::id()));
        remove(&aside)?;
        let up = "../".repeat(2 + name.matches('/').count());
        point(&aside, &format!("{up}blobs/{etag}"), &self.blob(etag)).map_err(io_at(&aside))?;
        std::fs::rename(&aside, &pointer).map_err(io_at(&pointer))
    }
}

#[cfg(unix)]
fn point(pointer: &Path, relative: &str, _blob: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, pointer)
}

/// Copies the file, as `huggingface_hub` does, because symbolic links need a privilege on Windows.
#[cfg(not(unix))]
fn point(pointer: &Path, _relative: &str, blob: &Path) -> std::io::Result<()> {
    std::fs::copy(blob, pointer).map(drop)
}

/// Removes a file; it is no error if there is none.
pub(super) fn remove(path: &Path) -> Result<(), CheckpointError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_at(path)(error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), CheckpointError> {
    make_folder_of(path)?;
    std::fs::write(path, text).map_err(io_at(path))
}

/// Creates the folder that the file `path` belongs into.
pub(super) fn make_folder_of(path: &Path) -> Result<(), CheckpointError> {
    let folder = path.parent().expect("a file of the cache is in a folder");
    std::fs::create_dir_all(folder).map_err(io_at(folder))
}
