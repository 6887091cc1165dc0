//! The `nir` command as a library: one file a subcommand, in `commands`.
//!
//! A program with algorithms of its own is this much:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     nir_cli::main(nir_methods::Registry::builtin()) // .with::<mine::Config>()
//! }
//! ```
//!
//! `examples/own-method` is one.

// They panic where they cannot print: see `output`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod app;
mod asked;
mod commands;
mod compare;
mod input;
mod memory;
mod models;
mod named;
mod output;
mod own;
mod page;
mod progress;
mod signals;
mod table;
mod terminal;
mod threads;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use nir_engine::Home;
use nir_index::Simd;
use nir_methods::Registry;

use app::App;
use output::errln;

/// Run the methods of a curated list of papers on information retrieval, and measure them.
#[derive(Parser)]
#[command(name = "nir", version, arg_required_else_help = true, infer_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The folder of your own configs, datasets and results; if not given, the nearest folder with a nir.toml, from the
    /// working folder upwards.
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
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
    Tune(Box<commands::tune::Args>),
    Bench(commands::bench::Args),
    Results(commands::results::Args),
    Report(commands::report::Args),
    Compare(commands::compare::Args),
    Gate(Box<commands::gate::Args>),
    Coverage(commands::coverage::Args),
    Book(commands::book::Args),
    New(commands::new::Args),
    Doctor(commands::doctor::Args),
    Cache(commands::cache::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// The exit status for a command that could not begin; clap uses the same one for a wrong command line.
const NOT_BEGUN: u8 = 2;

/// Runs the `nir` command with the algorithms of `registry`: reads the arguments, does what they ask, and returns the
/// exit status of the program.
pub fn main(registry: Registry) -> ExitCode {
    if let Err(problem) = Simd::check() {
        errln!("error: {problem}");
        return ExitCode::from(NOT_BEGUN);
    }
    match Cli::try_parse() {
        Ok(cli) => output::end(begin(cli, registry), 1),
        Err(message) => output::usage(&message),
    }
}

fn begin(cli: Cli, registry: Registry) -> anyhow::Result<ExitCode> {
    signals::listen().context("signals")?;
    let home = Home::find(cli.root.as_deref())?;
    run(cli.command, &App { registry, home })
}

fn run(command: Command, app: &App) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => commands::run::run(&args, app),
        Command::Search(args) => commands::search::run(&args, app),
        Command::Encode(args) => commands::encode::run(&args, app),
        Command::Explain(args) => commands::explain::run(&args, app),
        Command::Eval(args) => commands::eval::run(args),
        Command::List(args) => commands::list::run(&args, app),
        Command::Show(args) => commands::show::run(&args, app),
        Command::Check(args) => commands::check::run(&args, app),
        Command::Datasets(args) => commands::datasets::run(&args, app),
        Command::Fetch(args) => commands::fetch::run(&args, app),
        Command::Sample(args) => commands::sample::run(&args, app),
        Command::Train(args) => commands::train::run(&args),
        Command::Tune(args) => commands::tune::run(&args, app),
        Command::Bench(args) => commands::bench::run(&args, app),
        Command::Results(args) => commands::results::run(&args, app),
        Command::Report(args) => commands::report::run(&args, app),
        Command::Compare(args) => commands::compare::run(&args, app),
        Command::Gate(args) => Ok(commands::gate::run(&args, app)),
        Command::Coverage(args) => commands::coverage::run(&args, app),
        Command::Book(args) => commands::book::run(&args, app),
        Command::New(args) => commands::new::run(&args, app),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Cache(args) => commands::cache::run(&args, app),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Man(args) => commands::man::run(&args),
    }
}
