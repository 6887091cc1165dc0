//! Where weights come from: a folder of models, the program, the hub's cache, or the hub.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};
use nir_core::{Hasher, Progress, Task};
use nir_nn::checkpoint::{Checkpoint, Hub, Report, Settings, Wanted, sha256};
use nir_nn::{Backend, Precision};

use crate::cache::{self, Cache};
use crate::output::errln;
use crate::root::Root;

/// Where models come from and how they compute.
#[derive(clap::Args)]
#[command(next_help_heading = "Models")]
#[group(id = "models-from")]
pub(crate) struct Args {
    /// Where models compute: cpu, or cuda:0 in a program built with that feature.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// How exactly: f32 (the reference), bf16, f16, or int8 on a CPU. A result in another precision than f32 is kept apart.
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    precision: Precision,
    /// A folder of models, ORG/NAME or NAME, that is looked into before the hub and its cache; `NIR_MODELS` if not given.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Use what is there and ask no server.
    #[arg(long)]
    offline: bool,
}

/// Opens checkpoints, each once.
pub(crate) struct Models {
    folder: Option<PathBuf>,
    hub: Hub,
    progress: Arc<dyn Progress>,
    opened: Mutex<HashMap<Wanted, Checkpoint>>,
    /// The sha256 of files that were asked for.
    hashes: Mutex<HashMap<PathBuf, String>>,
}

impl Args {
    /// Only what is on this machine, in 32 bits on the processor.
    pub(crate) fn at_hand() -> Self {
        let device = "cpu".to_owned();
        Self { device, precision: Precision::F32, models: None, offline: true }
    }

    pub(crate) fn backend(&self) -> Result<Backend> {
        Ok(Backend::new(&self.device, self.precision)?)
    }

    pub(crate) fn models(&self, progress: Arc<dyn Progress>) -> Result<Models> {
        let folder = self.folder()?;
        let settings = Settings::from_env();
        let offline = settings.offline || self.offline;
        let hub = Hub::new(Settings { offline, ..settings });
        Ok(Models { folder, hub, progress, opened: Mutex::default(), hashes: Mutex::default() })
    }

    /// The user's own models; a folder that is named and not there would be passed over in silence.
    fn folder(&self) -> Result<Option<PathBuf>> {
        let of_environment = || std::env::var_os("NIR_MODELS").filter(|path| !path.is_empty());
        let (named_by, folder) = match &self.models {
            Some(folder) => ("--models", Some(folder.clone())),
            None => ("NIR_MODELS", of_environment().map(PathBuf::from)),
        };
        if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
            bail!(
                "{named_by} names `{}`, which is no folder: expected one that has models as ORG/NAME or NAME",
                folder.display()
            );
        }
        Ok(folder)
    }
}

impl Models {
    /// The files of a checkpoint, fetched if they are nowhere yet.
    pub(crate) fn open(&self, wanted: &Wanted) -> Result<Checkpoint> {
        let mut opened = self.opened.lock().expect("no thread died opening a checkpoint");
        if let Some(checkpoint) = opened.get(wanted) {
            return Ok(checkpoint.clone());
        }
        let checkpoint = match (self.beside(wanted), wanted) {
            (Some(folder), _) => Checkpoint::in_folder(&folder)?,
            (None, Wanted::Pocket(name)) => Checkpoint::in_folder(&pocket(name)?)?,
            (None, _) => self.of_hub(wanted)?,
        };
        opened.insert(wanted.clone(), checkpoint.clone());
        Ok(checkpoint)
    }

    /// From the hub's cache, verified, or from the hub.
    fn of_hub(&self, wanted: &Wanted) -> Result<Checkpoint> {
        let open = || self.hub.open(wanted, &Announced::new(&*self.progress));
        let checkpoint = open()?;
        if is_right(&checkpoint)? {
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

    /// The sha256 of a file, in hexadecimal; read once.
    pub(crate) fn sha256(&self, path: &Path) -> Result<String> {
        let mut hashes = self.hashes.lock().expect("no thread died reading a file");
        if let Some(hash) = hashes.get(path) {
            return Ok(hash.clone());
        }
        let hash = sha256(path)?;
        hashes.insert(path.to_owned(), hash.clone());
        Ok(hash)
    }

    /// What a result calls the weights: `hf:org/name@commit`, as the branch that a config may name moves; or
    /// `folder:org/name`, the folder among the user's models that was taken in its place, of which nobody knows which
    /// commit it is and which lies elsewhere on every machine.
    pub(crate) fn name_of(&self, wanted: &Wanted, checkpoint: &Checkpoint) -> String {
        match (checkpoint.commit(), wanted) {
            (Some(commit), _) => format!("{}@{commit}", wanted.location()),
            (None, Wanted::Hub { .. }) => format!("folder:{}", self.below(checkpoint.folder())),
            (None, _) => wanted.to_string(),
        }
    }

    /// The path of a folder below that of the user's models, with `/` between its parts.
    fn below(&self, folder: &Path) -> String {
        let models = self.folder.as_deref().unwrap_or(Path::new(""));
        let parts = folder.strip_prefix(models).unwrap_or(folder).components();
        let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }

    /// Its folder among the models that the user has beside the hub's cache.
    fn beside(&self, wanted: &Wanted) -> Option<PathBuf> {
        let (Wanted::Hub { repo, .. }, Some(folder)) = (wanted, &self.folder) else {
            return None;
        };
        let name = repo.rsplit('/').next().unwrap_or(repo);
        [folder.join(repo), folder.join(name)].into_iter().find(|folder| folder.is_dir())
    }
}

/// The folder of one of the models that come with the program: that of the checkout, or a copy in the cache.
fn pocket(name: &str) -> Result<PathBuf> {
    let inside = format!("pocket/models/{name}");
    if let Some(root) = Root::find()?.folder() {
        return Ok(root.join("datasets").join(inside));
    }
    let files = nir_data::embedded_files(&inside);
    ensure!(!files.is_empty(), "`pocket:{name}` is none of the models that come with nir");
    let mut hasher = Hasher::new("pocket model");
    for (name, bytes) in &files {
        hasher.part(name).part(bytes);
    }
    let found =
        Cache::open()?.make("models", hasher.digest(), &format!("pocket:{name}"), |folder| {
            files.iter().try_for_each(|(name, bytes)| cache::write(&folder.join(name), bytes))
        })?;
    Ok(found.path().to_owned())
}

/// Reads what the hub's cache holds of a checkpoint where that was not done since the machine started, or it changed
/// since: the names of its contents are their hashes. What is damaged is set aside; whether all was right.
fn is_right(checkpoint: &Checkpoint) -> Result<bool> {
    let cache = Cache::open()?;
    let mut all_right = true;
    for blob in checkpoint.blobs() {
        let read = |_: &Path| blob.is_right();
        if !cache.folders().is_verified(blob.path(), blob.hash(), read)? {
            let aside = blob.set_aside().with_context(|| blob.path().display().to_string())?;
            let (path, aside) = (blob.path().display(), aside.display());
            errln!("cache: {path} is damaged: its content has another hash; set aside as {aside}");
            all_right = false;
        }
    }
    Ok(all_right)
}

/// The hub's progress on the terminal.
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
