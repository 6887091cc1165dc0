//! `nir completions`: for a shell.

use std::io;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

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
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "nir", &mut io::stdout());
    Ok(ExitCode::SUCCESS)
}
