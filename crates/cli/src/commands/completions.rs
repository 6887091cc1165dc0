//! `nir completions`: for a shell.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::output::print;

/// Print completions for a shell.
#[derive(clap::Args)]
#[command(
    after_help = "Example: nir completions bash > ~/.local/share/bash-completion/completions/nir"
)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "nir", &mut script);
    print(script)?;
    Ok(ExitCode::SUCCESS)
}
