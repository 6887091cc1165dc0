//! The `nir` command: one file a subcommand, in `commands`.

// They panic where they cannot print: see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cache;
mod checkpoint;
mod commands;
mod compare;
mod engine;
mod input;
mod memory;
mod models;
mod names;
mod output;
mod progress;
mod root;
mod signals;
mod table;
mod terminal;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use nir_index::Simd;

use output::errln;

/// Run the methods of a curated list of papers on information retrieval, and measure them.
#[derive(Parser)]
#[command(name = "nir", version, arg_required_else_help = true, infer_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<commands::run::Args>),
    Search(Box<commands::search::Args>),
    Encode(commands::encode::Args),
    Explain(commands::explain::Args),
    Eval(commands::eval::Args),
    List(commands::list::Args),
    Show(commands::show::Args),
    Check(commands::check::Args),
    Datasets(commands::datasets::Args),
    Fetch(commands::fetch::Args),
    Sample(commands::sample::Args),
    Train(commands::train::Args),
    Bench(commands::bench::Args),
    Results(commands::results::Args),
    Report(commands::report::Args),
    Gate(Box<commands::gate::Args>),
    Coverage(commands::coverage::Args),
    Book(commands::book::Args),
    New(commands::new::Args),
    Doctor(commands::doctor::Args),
    Cache(commands::cache::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// What clap ends with as well: the command was not begun.
const NOT_BEGUN: u8 = 2;

fn main() -> ExitCode {
    if let Err(problem) = Simd::check() {
        errln!("error: {problem}");
        return ExitCode::from(NOT_BEGUN);
    }
    match Cli::try_parse() {
        Ok(cli) => output::end(signals::listen().context("signals").and_then(|()| run(cli)), 1),
        Err(message) => output::usage(&message),
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(args) => commands::run::run(&args),
        Command::Search(args) => commands::search::run(&args),
        Command::Encode(args) => commands::encode::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Eval(args) => commands::eval::run(args),
        Command::List(args) => commands::list::run(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Datasets(args) => commands::datasets::run(&args),
        Command::Fetch(args) => commands::fetch::run(&args),
        Command::Sample(args) => commands::sample::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Results(args) => commands::results::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Gate(args) => Ok(commands::gate::run(&args)),
        Command::Coverage(args) => commands::coverage::run(&args),
        Command::Book(args) => commands::book::run(&args),
        Command::New(args) => commands::new::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Cache(args) => commands::cache::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    }
}
