//! `nir completions`: for a shell.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::output::print;

/// Print the completion script of a shell to standard output.
#[derive(clap::Args)]
#[command(
    after_help = "Example: nir completions bash > ~/.local/share/bash-completion/completions/nir"
)]
pub(crate) struct Args {
    /// The shell that the script is for.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "nir", &mut script);
    print(script)?;
    Ok(ExitCode::SUCCESS)
}
