//! `nir report`: a comparison to publish, from results that are there.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use nir_engine::{Column, Engine, Library};
use nir_nn::Precision;
use nir_report::{Format, Measured};

use crate::app::App;
use crate::asked::{self, Asked};
use crate::models;
use crate::page;

/// Write a comparison as a page or as a table for a paper, from results that exist already.
///
/// WHAT is a comparison, or methods together with --on, as in `nir run`; or a sweep of `nir bench index`. Nothing is
/// run or fetched. What this machine has run comes from its cache, with what it cost here and with every measure that is
/// asked for; the rest comes from the folder of results, and with --results all of it does.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir report configs/quickstart.toml --out report.html
  nir report mine/comparison.toml --format latex
  nir report lexical/bm25 hybrid/rrf-bm25-rm3 --on pocket --out reports/")]
pub(crate) struct Args {
    #[command(flatten)]
    asked: asked::Args,
    /// The file to write, in the format of its extension unless --format is given; or a folder (dir/), which gets all
    /// formats. If not given, standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The format: html, markdown, latex, csv, json or svg (a picture of effectiveness against time).
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Take results from this folder alone, and not what this machine has run. If not given: what this machine has run,
    /// then results/ of your own folder.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Run models where two methods are shown side by side, to tell the parts of their scores; without it only methods without
    /// a model tell them.
    #[arg(long)]
    explain: bool,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let engine = app.engine(&models::Args::at_hand())?;
    let library = app.library()?;
    let asked = args.asked.asked(&library, engine.models(), app.home.datasets()?, &[])?;
    let library = library.with(&asked.methods);
    let folders = app.all_results(args.results.as_ref())?;
    let (mut measured, columns) = match args.results {
        Some(_) => (Vec::new(), Vec::new()),
        None => this_machine(&asked, &library, app)?,
    };
    page::add_kept(&asked.question, &folders, &mut measured)?;
    let of = page::Make {
        question: &asked.question,
        results: &folders,
        measured: &measured,
        columns: &columns,
        manifests: &asked.manifests,
        library: &library,
        explain: args.explain,
    };
    page::write(&page::make(&of, app)?, args.out.as_deref(), args.format)?;
    Ok(ExitCode::SUCCESS)
}

/// What this machine has run of a question, in whichever precision, and the datasets that it has.
fn this_machine(
    asked: &Asked,
    library: &Library,
    app: &App,
) -> Result<(Vec<Measured>, Vec<Column>)> {
    let of = |precision| app.engine(&models::Args::at_hand().with_precision(precision));
    let engines = Precision::ALL.into_iter().map(of).collect::<Result<Vec<Engine>>>()?;
    let open = |name: &String| engines[0].dataset(asked.manifests.get(name).ok()?).ok();
    let columns: Vec<Column> = asked.question.datasets.iter().filter_map(open).collect();
    // The points of a sweep are no methods: their results are in the folder.
    let pipelines = asked.methods.iter().map(|method| library.read(method));
    let pipelines = pipelines.collect::<Result<Vec<_>>>()?;
    Ok((page::at_hand(&asked.question, &engines, &pipelines, &columns)?, columns))
}
