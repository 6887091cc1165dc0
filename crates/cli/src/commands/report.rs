//! `nir report`: a comparison to publish, from results that are there.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use nir_catalogue::Method;
use nir_engine::Library;
use nir_report::{Format, Question};

use crate::app::App;
use crate::models;
use crate::named::{comparison_name, is_sweep, method_of, sweep};
use crate::page;

/// Write a comparison as one page, or as a table for a paper, from results that are there.
///
/// WHAT is as in `nir run`: a comparison, or methods with --on; or a sweep of `nir bench index`. Nothing runs and nothing
/// is fetched: numbers come from the results folder; texts, labels and rankings from the cache, where they are there.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir report configs/quickstart.toml --out report.html
  nir report configs/lexical.toml --format latex
  nir report lexical/bm25 hybrid/rrf-bm25-rm3 --on pocket --out reports/")]
pub(crate) struct Args {
    /// A comparison, or methods; the first method is the baseline.
    #[arg(required = true)]
    what: Vec<String>,
    /// Datasets, where WHAT names methods.
    #[arg(long, value_delimiter = ',', value_name = "DATASET")]
    on: Vec<String>,
    /// What to show, where WHAT names methods: measures that the results record (repeatable).
    #[arg(long = "measure", short, value_name = "MEASURE")]
    measures: Vec<String>,
    /// A file, whose extension is the format if --format is not given; or a folder (dir/), which gets all five; standard
    /// output if not given.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to write it: html, markdown, latex, csv or json.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The folder of results; of your own folder, else of the cache, if not given.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let results = app.results(args.results.as_ref())?;
    let (question, methods) = question(args, &library, app)?;
    let report = page::make(&question, &results, &library.with(&methods), app)?;
    page::write(&report, args.out.as_deref(), args.format)?;
    Ok(ExitCode::SUCCESS)
}

/// What is asked, and the methods that it asks about, where no comparison names them.
fn question(args: &Args, library: &Library, app: &App) -> Result<(Question, Vec<Method>)> {
    if let [what] = &args.what[..]
        && let Some(comparison) = library.comparisons.get(comparison_name(what))
    {
        if !args.on.is_empty() || !args.measures.is_empty() {
            bail!(
                "`{what}` says itself which datasets and measures it takes; --on and --measure are for methods"
            );
        }
        return Ok((Question::of(comparison)?, Vec::new()));
    }
    if let [what] = &args.what[..]
        && (library.sweeps.contains_key(comparison_name(what)) || is_sweep(what))
    {
        return Ok((Question::of_sweep(&sweep(what, library)?), Vec::new()));
    }
    if args.on.is_empty() {
        bail!(
            "on which dataset? Add --on pocket; `nir list --methods` shows methods, configs/*.toml are comparisons"
        );
    }
    let engine = app.engine(&models::Args::at_hand())?;
    let methods = args.what.iter().map(|what| method_of(what, library, engine.models()));
    let methods = methods.collect::<Result<Vec<Method>>>()?;
    let names = methods.iter().map(|method| method.name.clone()).collect();
    let measures = args.measures.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    Ok((Question::by_hand(&args.what, names, args.on.clone(), measures), methods))
}
