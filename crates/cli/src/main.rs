//! The `nir` command: one file a subcommand, in `commands`.

mod commands;
mod datasets;
mod progress;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Run the methods of a curated list of papers on information retrieval, and measure them.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, infer_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Datasets(commands::datasets::Args),
    Fetch(commands::fetch::Args),
    Sample(commands::sample::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Datasets(args) => commands::datasets::run(&args),
        Command::Fetch(args) => commands::fetch::run(&args),
        Command::Sample(args) => commands::sample::run(&args),
    }
}
