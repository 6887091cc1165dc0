//! All files of a checkpoint from the hub into the cache.

use super::cache::{RepoCache, make_folder_of};
use super::download::{Download, length};
use super::error::CheckpointError;
use super::files::{self, Layout};
use super::location::{Revision, Wanted};
use super::remote::Remote;

/// Brings all files that belong to the checkpoint into the cache; returns the commit.
pub(super) fn fetch(
    remote: &Remote<'_>,
    cache: &RepoCache,
    wanted: &Wanted,
    revision: &Revision,
) -> Result<String, CheckpointError> {
    let (commit, names) = remote.list(revision)?;
    let layout = Layout::check(&names, &wanted.to_string())?;
    for name in files::beside_weights(&names) {
        fetch_file(remote, cache, &commit, &name)?;
    }
    // The index of shards is here by now.
    let folder = cache.snapshot(&commit);
    for name in files::weights(&layout, &folder, |name| names.contains(name))? {
        fetch_file(remote, cache, &commit, &name)?;
    }
    cache.settle(&commit)?;
    cache.remember(revision, &commit)?;
    Ok(commit)
}

/// Brings one file into the snapshot of the commit.
fn fetch_file(
    remote: &Remote<'_>,
    cache: &RepoCache,
    commit: &str,
    name: &str,
) -> Result<(), CheckpointError> {
    if cache.snapshot(commit).join(name).exists() {
        return Ok(());
    }
    let promise = remote.promised(commit, name)?;
    let target = cache.blob(&promise.etag);
    let _lock = cache.lock(&promise.etag)?;
    // A content that several commits share is there once.
    if length(&target) != Some(promise.size) {
        make_folder_of(&target)?;
        Download::new(remote, commit, name, &promise, target).run()?;
    }
    cache.link(commit, name, &promise.etag)
}
