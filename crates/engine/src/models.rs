//! Where weights come from: a folder of models, the program, the hub's cache, or the hub.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use nir_core::{Hasher, Progress, Task};
use nir_nn::checkpoint::{Checkpoint, Hub, Report, Settings, Wanted, sha256};

use crate::cache::{self, Cache};
use crate::home::Home;

/// The places where weights are looked for.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    /// A folder with models as `ORG/NAME` or `NAME`, which is searched before the hub's cache and the hub.
    pub folder: Option<PathBuf>,
    /// Whether no server may be asked.
    pub offline: bool,
}

/// Opens checkpoints; each is opened once.
pub struct Models {
    home: Home,
    cache: Cache,
    folder: Option<PathBuf>,
    hub: Hub,
    progress: Arc<dyn Progress>,
    opened: Mutex<HashMap<Wanted, Checkpoint>>,
    /// The SHA-256 digests that were asked for so far.
    hashes: Mutex<HashMap<PathBuf, String>>,
}

impl Models {
    /// Looks for weights in the places of `sought`; `home` has the weights that the program carries.
    ///
    /// # Errors
    ///
    /// If `sought` names a folder of models that does not exist, as it would be ignored otherwise.
    pub fn new(
        home: &Home,
        cache: &Cache,
        sought: Sought,
        progress: Arc<dyn Progress>,
    ) -> Result<Self> {
        if let Some(folder) = sought.folder.as_ref().filter(|folder| !folder.is_dir()) {
            bail!(
                "`{}` is no folder: expected one that has models as ORG/NAME or NAME",
                folder.display()
            );
        }
        let settings = Settings::from_env();
        let offline = settings.offline || sought.offline;
        Ok(Self {
            home: home.clone(),
            cache: cache.clone(),
            folder: sought.folder,
            hub: Hub::new(Settings { offline, ..settings }),
            progress,
            opened: Mutex::default(),
            hashes: Mutex::default(),
        })
    }

    /// Opens a checkpoint, after fetching it if it is in none of the places.
    ///
    /// # Errors
    ///
    /// If it is in none of them, cannot be fetched, or is incomplete.
    pub fn open(&self, wanted: &Wanted) -> Result<Checkpoint> {
        let mut opened = self.opened.lock().expect("no thread died opening a checkpoint");
        if let Some(checkpoint) = opened.get(wanted) {
            return Ok(checkpoint.clone());
        }
        let checkpoint = match (self.beside(wanted), wanted) {
            (Some(folder), _) => Checkpoint::in_folder(&folder)?,
            (None, Wanted::Pocket(name)) => Checkpoint::in_folder(&self.pocket(name)?)?,
            (None, _) => self.of_hub(wanted)?,
        };
        opened.insert(wanted.clone(), checkpoint.clone());
        Ok(checkpoint)
    }

    /// Opens a checkpoint from the hub's cache after verifying it, or fetches it from the hub.
    fn of_hub(&self, wanted: &Wanted) -> Result<Checkpoint> {
        let open = || self.hub.open(wanted, &Announced::new(&*self.progress));
        let checkpoint = open()?;
        if self.is_right(&checkpoint)? {
            return Ok(checkpoint);
        }
        // What was damaged is fetched anew, and checked on its way in.
        let again = open()?;
        ensure!(
            again.files().eq(checkpoint.files()),
            "{wanted}: a damaged file was set aside, and the hub was not asked for it; run once without --offline"
        );
        Ok(again)
    }

    /// The SHA-256 digest of a file, in hexadecimal; each file is read once.
    pub fn sha256(&self, path: &Path) -> Result<String> {
        let mut hashes = self.hashes.lock().expect("no thread died reading a file");
        if let Some(hash) = hashes.get(path) {
            return Ok(hash.clone());
        }
        let hash = sha256(path)?;
        hashes.insert(path.to_owned(), hash.clone());
        Ok(hash)
    }

    /// The name of the weights in a result: `hf:org/name@commit`, as a branch may change; or `folder:org/name` for a
    /// folder among the user's models that was used instead, whose commit is not known and whose path differs between
    /// machines.
    pub fn name_of(&self, wanted: &Wanted, checkpoint: &Checkpoint) -> String {
        match (checkpoint.commit(), wanted) {
            (Some(commit), _) => format!("{}@{commit}", wanted.location()),
            (None, Wanted::Hub { .. }) => format!("folder:{}", self.below(checkpoint.folder())),
            (None, _) => wanted.to_string(),
        }
    }

    /// The path of a folder relative to the user's models, with `/` between its parts.
    fn below(&self, folder: &Path) -> String {
        let models = self.folder.as_deref().unwrap_or(Path::new(""));
        let parts = folder.strip_prefix(models).unwrap_or(folder).components();
        let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }

    /// The folder of the checkpoint among the user's models, if it is there.
    fn beside(&self, wanted: &Wanted) -> Option<PathBuf> {
        let (Wanted::Hub { repo, .. }, Some(folder)) = (wanted, &self.folder) else {
            return None;
        };
        let name = repo.rsplit('/').next().unwrap_or(repo);
        [folder.join(repo), folder.join(name)].into_iter().find(|folder| folder.is_dir())
    }

    /// The folder of a model that comes with the program: in the user's own folder, or a copy in the cache.
    fn pocket(&self, name: &str) -> Result<PathBuf> {
        if let Some(folder) = self.home.model(name) {
            return Ok(folder);
        }
        let files = nir_data::embedded_files(&format!("pocket/models/{name}"));
        ensure!(!files.is_empty(), "`pocket:{name}` is none of the models that come with nir");
        let mut hasher = Hasher::new("pocket model");
        for (name, bytes) in &files {
            hasher.part(name).part(bytes);
        }
        let found =
            self.cache.make("models", hasher.digest(), &format!("pocket:{name}"), |folder| {
                files.iter().try_for_each(|(name, bytes)| cache::write(&folder.join(name), bytes))
            })?;
        Ok(found.path().to_owned())
    }

    /// Whether the contents of a checkpoint in the hub's cache have the hashes that are their names. They are read if
    /// that has not happened since the machine started, or if they have changed since. What is damaged is set aside.
    fn is_right(&self, checkpoint: &Checkpoint) -> Result<bool> {
        let folders = self.cache.folders();
        let mut all_right = true;
        for blob in checkpoint.blobs() {
            let read = |_: &Path| blob.is_right();
            if !folders.is_verified(blob.path(), blob.hash(), read)? {
                let aside = blob.set_aside().with_context(|| blob.path().display().to_string())?;
                let (path, aside) = (blob.path().display(), aside.display());
                folders.tell(&format!(
                    "{path} is damaged: its content has another hash; set aside as {aside}"
                ));
                all_right = false;
            }
        }
        Ok(all_right)
    }
}

/// Passes the progress of downloads on to the engine's progress.
struct Announced<'a> {
    progress: &'a dyn Progress,
    task: Mutex<Option<Box<dyn Task>>>,
}

impl<'a> Announced<'a> {
    fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, task: Mutex::new(None) }
    }
}

impl Report for Announced<'_> {
    fn begin(&self, what: &str, total_bytes: u64) {
        let task = self.progress.begin(&format!("fetching {what}"), "bytes", total_bytes);
        *self.task.lock().expect("no thread died drawing") = Some(task);
    }

    fn advance(&self, bytes: u64) {
        if let Some(task) = &*self.task.lock().expect("no thread died drawing") {
            task.advance(bytes);
        }
    }
}
