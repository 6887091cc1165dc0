//! Where weights come from: a folder of models, the program, the hub's cache, or the hub.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use nir_core::{Hasher, Progress, Task};
use nir_data::Cache;
use nir_nn::checkpoint::{Checkpoint, Hub, Report, Settings, Wanted};
use nir_nn::{Backend, Precision};

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

    pub(crate) fn models(&self, progress: Arc<dyn Progress>) -> Models {
        let of_environment = || std::env::var_os("NIR_MODELS").map(PathBuf::from);
        let folder = self.models.clone().or_else(of_environment);
        let settings = Settings::from_env();
        let offline = settings.offline || self.offline;
        let hub = Hub::new(Settings { offline, ..settings });
        Models { folder, hub, progress, opened: Mutex::default() }
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
            (None, _) => self.hub.open(wanted, &Announced::new(&*self.progress))?,
        };
        opened.insert(wanted.clone(), checkpoint.clone());
        Ok(checkpoint)
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
    let digest = hasher.digest().hex();
    let models = Cache::of_user()?.root().join("models");
    let folder = models.join(format!("pocket-{name}-{}", &digest[..16]));
    if !folder.is_dir() {
        unpack(&files, &models, &folder)?;
    }
    Ok(folder)
}

/// Writes the files beside the folder, which then takes its name: it is whole or not there.
fn unpack(files: &[(&str, &[u8])], models: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(models).with_context(|| models.display().to_string())?;
    let beside = models.join(format!(".unpacking-{}", std::process::id()));
    fs::create_dir_all(&beside)?;
    for (name, bytes) in files {
        fs::write(beside.join(name), bytes).with_context(|| beside.display().to_string())?;
    }
    match fs::rename(&beside, folder) {
        // Another process was first: its files are the same.
        Err(_) if folder.is_dir() => Ok(fs::remove_dir_all(&beside)?),
        renamed => renamed.with_context(|| folder.display().to_string()),
    }
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
