//! The `nir` command: one file a subcommand, in `commands`.

mod commands;

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
    Eval(commands::eval::Args),
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
        Command::Eval(args) => commands::eval::run(args),
    }
}
