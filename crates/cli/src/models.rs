//! Where models come from and how they compute, on the command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use nir_engine::{Options, Sought};
use nir_nn::Precision;

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

impl Args {
    /// Only what is on this machine, in 32 bits on the processor.
    pub(crate) fn at_hand() -> Self {
        let device = "cpu".to_owned();
        Self { device, precision: Precision::F32, models: None, offline: true }
    }

    /// The same for an engine.
    pub(crate) fn options(&self) -> Result<Options> {
        let models = Sought { folder: self.folder()?, offline: self.offline };
        let (device, precision) = (self.device.clone(), self.precision);
        Ok(Options { device, precision, models, ..Options::default() })
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
