//! `nir report`: a comparison to publish, from results that are there.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use nir_catalogue::Method;
use nir_engine::{Column, Engine, Library};
use nir_nn::Precision;
use nir_report::{Format, Measured, Question};

use crate::app::App;
use crate::models;
use crate::named::{comparison_name, is_sweep, method_of, sweep};
use crate::page;

/// Write a comparison as a page or as a table for a paper, from results that exist already.
///
/// WHAT is a comparison, or methods together with --on, as in `nir run`; or a sweep of `nir bench index`. Nothing is
/// run or fetched. What this machine has run comes from its cache, with what it cost here and with every measure that is
/// asked for; the rest comes from the folder of results, and with --results all of it does.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir report configs/quickstart.toml --out report.html
  nir report configs/lexical.toml --format latex
  nir report lexical/bm25 hybrid/rrf-bm25-rm3 --on pocket --out reports/")]
pub(crate) struct Args {
    /// A comparison, or methods; the first method is the baseline.
    #[arg(required = true)]
    what: Vec<String>,
    /// The names of datasets, separated by commas; required where WHAT names methods.
    #[arg(long, value_delimiter = ',', value_name = "DATASET")]
    on: Vec<String>,
    /// The measures to show where WHAT names methods: any measure of what this machine has run; of other results those that
    /// they record (repeatable).
    #[arg(long = "measure", short, value_name = "MEASURE")]
    measures: Vec<String>,
    /// The file to write, in the format of its extension unless --format is given; or a folder (dir/), which gets all
    /// five formats. If not given, standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The format: html, markdown, latex, csv or json.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Take results from this folder alone, and not what this machine has run. If not given: what this machine has run,
    /// then results/ of your own folder, or of the cache if you have no folder.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Run models where two methods are shown side by side, to tell the parts of their scores; without it only methods without
    /// a model tell them.
    #[arg(long)]
    explain: bool,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let results = app.results(args.results.as_ref())?;
    let (question, methods) = question(args, &library, app)?;
    let library = library.with(&methods);
    let (mut measured, columns) = match args.results {
        Some(_) => (Vec::new(), Vec::new()),
        None => this_machine(&question, &library, app)?,
    };
    measured.extend(page::kept(&question, &results, &measured)?);
    let (question, results, library) = (&question, results.as_path(), &library);
    let (measured, columns, explain) = (&measured[..], &columns[..], args.explain);
    let of = page::Make { question, results, measured, columns, library, explain };
    page::write(&page::make(&of, app)?, args.out.as_deref(), args.format)?;
    Ok(ExitCode::SUCCESS)
}

/// What this machine has run of a question, in whichever precision, and the datasets that it has.
fn this_machine(
    question: &Question,
    library: &Library,
    app: &App,
) -> Result<(Vec<Measured>, Vec<Column>)> {
    let of = |precision| app.engine(&models::Args::at_hand().with_precision(precision));
    let engines = Precision::ALL.into_iter().map(of).collect::<Result<Vec<Engine>>>()?;
    let manifests = app.home.datasets()?;
    let open = |name: &String| engines[0].dataset(manifests.get(name).ok()?).ok();
    let columns: Vec<Column> = question.datasets.iter().filter_map(open).collect();
    // The points of a sweep are no methods of the library: their results are in the folder.
    let methods = question.methods.iter().filter_map(|name| library.methods.get(name));
    let pipelines = methods.map(|method| library.read(method)).collect::<Result<Vec<_>>>()?;
    Ok((page::at_hand(question, &engines, &pipelines, &columns)?, columns))
}

/// The question that the arguments ask, and the methods in it that no comparison names.
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
