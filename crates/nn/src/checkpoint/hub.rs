//! From what a config asks for to a checkpoint on this machine.

use super::Checkpoint;
use super::cache::RepoCache;
use super::error::{Asked, CheckpointError};
use super::fetch::fetch;
use super::location::{Revision, Wanted};
use super::remote::Remote;
use super::report::Report;
use super::settings::Settings;

/// The Hugging Face hub, together with its cache on this machine.
#[derive(Debug, Clone)]
pub struct Hub {
    settings: Settings,
}

impl Hub {
    /// A hub with the given settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// A hub with the settings of the environment, see [`Settings::from_env`].
    pub fn from_env() -> Self {
        Self::new(Settings::from_env())
    }

    /// The settings in use.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens a checkpoint after fetching the files that the cache lacks.
    ///
    /// A commit that is complete in the cache needs no network. A branch is asked for each time, and
    /// [`Checkpoint::commit`] says what it was. Where the network is off or away, the cache serves: the commit, or the
    /// one that the branch pointed to when it was last fetched.
    pub fn open(
        &self,
        wanted: &Wanted,
        report: &dyn Report,
    ) -> Result<Checkpoint, CheckpointError> {
        match wanted {
            Wanted::Folder(path) => Checkpoint::in_folder(path),
            Wanted::Pocket(name) => Err(CheckpointError::Pocket(name.clone())),
            Wanted::Hub { repo, revision } => self.open_repo(wanted, repo, revision, report),
        }
    }

    fn open_repo(
        &self,
        wanted: &Wanted,
        repo: &str,
        revision: &Revision,
        report: &dyn Report,
    ) -> Result<Checkpoint, CheckpointError> {
        let cache = RepoCache::new(&self.settings.cache, repo);
        let cached = cache.commit(revision);
        let open = |commit: &str| Checkpoint::in_snapshot(&cache.snapshot(commit), wanted, commit);
        let as_it_is = || cached.as_deref().and_then(|commit| open(commit).ok());
        if wanted.is_pinned()
            && cached.as_ref().is_some_and(|commit| cache.is_settled(commit))
            && let Some(checkpoint) = as_it_is()
        {
            return Ok(checkpoint);
        }
        if self.settings.offline {
            return as_it_is()
                .ok_or_else(|| CheckpointError::Offline(Asked::new(wanted, &self.settings)));
        }
        let remote = Remote::new(&self.settings, wanted, repo, report)?;
        match fetch(&remote, &cache, wanted, revision) {
            Ok(commit) => open(&commit),
            Err(error @ CheckpointError::Unreachable { .. }) => as_it_is().ok_or(error),
            Err(error) => Err(error),
        }
    }
}
