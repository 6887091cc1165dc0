//! Where models come from and how they compute, on the command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use nir_engine::{Options, Sought};
use nir_nn::Precision;

/// Options of every command that runs models: where they come from, and how they compute.
#[derive(clap::Args)]
#[command(next_help_heading = "Models")]
#[group(id = "models-from")]
pub(crate) struct Args {
    /// The device that models compute on: cpu, or cuda:0 in a program that was built with the feature `cuda`.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// The precision of models: f32 (the reference), bf16, f16, or int8 on a CPU. Results in another precision than f32
    /// are kept separately.
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    precision: Precision,
    /// A folder of models as ORG/NAME or NAME, which is searched before the hub's cache and the hub; if not given,
    /// NIR_MODELS.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Use only models that are on this machine, and contact no server.
    #[arg(long)]
    offline: bool,
}

impl Args {
    /// The options of a command that asks for none: only models on this machine, in f32 on the CPU.
    pub(crate) fn at_hand() -> Self {
        let device = "cpu".to_owned();
        Self { device, precision: Precision::F32, models: None, offline: true }
    }

    /// The same options with models in `precision`.
    pub(crate) fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same options as a value for the engine; an error if the device or the folder is unusable.
    pub(crate) fn options(&self) -> Result<Options> {
        let models = Sought { folder: self.folder()?, offline: self.offline };
        let (device, precision) = (self.device.clone(), self.precision);
        Ok(Options { device, precision, models, ..Options::default() })
    }

    /// The folder of the user's own models. A folder that is named and does not exist is an error, as it would be
    /// ignored otherwise.
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
