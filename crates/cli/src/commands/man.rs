//! `nir man`: manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_mangen::Man;

use crate::output::print;

/// Print the manual page of nir, or write the pages of all commands into a folder.
#[derive(clap::Args)]
#[command(after_help = "Example: nir man | man -l -")]
pub(crate) struct Args {
    /// The folder to write nir.1, nir-run.1 and so on into; if not given, the main page is printed.
    folder: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let command = crate::Cli::command();
    match &args.folder {
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            print(page)?;
        }
        Some(folder) => {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            clap_mangen::generate_to(command, folder)
                .with_context(|| folder.display().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
