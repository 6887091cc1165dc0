//! `nir sample`: draws a sample of a dataset and writes its manifest.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use nir_data::{Cache, Dataset, Drawn, SampleRule, SampleRun, draw, write_sample};

use crate::app::App;
use crate::input::check_standard_input;
use crate::output::outln;
use crate::table::grouped;

/// Draw a sample of a dataset, and write it as a manifest with two lists of ids, without any text.
///
/// The same seed always draws the same sample. The sample is fetched with `nir fetch` like any other dataset.
#[derive(clap::Args)]
#[command(after_help = "Example:
  nir sample msmarco-passage-dev --queries 500 --judged --run bm25.trec:100 --random 50000 --seed 1 \\
             --out datasets/msmarco-passage-500.toml")]
pub(crate) struct Args {
    /// The dataset to draw from; it must have been fetched.
    dataset: String,
    /// The number of queries to draw, or `all`.
    #[arg(long, value_name = "N|all")]
    queries: HowMany,
    /// Include every document that is judged for the drawn queries.
    #[arg(long)]
    judged: bool,
    /// Include the first DEPTH documents of a run for the drawn queries (repeatable).
    #[arg(long = "run", value_name = "FILE:DEPTH")]
    runs: Vec<RunDepth>,
    /// The number of further documents to draw at random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    random: usize,
    /// The seed of all random choices, a whole number.
    #[arg(long, value_name = "S")]
    seed: u64,
    /// The manifest to write; the lists of ids are written beside it.
    #[arg(long, value_name = "datasets/NAME.toml")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy)]
struct HowMany(Option<usize>);

impl FromStr for HowMany {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "all" => Ok(Self(None)),
            Ok(number) => Ok(Self(Some(number))),
            Err(_) => Err("expected a number or `all`".to_owned()),
        }
    }
}

#[derive(Debug, Clone)]
struct RunDepth {
    path: PathBuf,
    depth: usize,
}

impl FromStr for RunDepth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.rsplit_once(':').and_then(|(path, depth)| Some((path, depth.parse().ok()?)));
        let (path, depth) = parts.ok_or("expected FILE:DEPTH, such as bm25.trec:100")?;
        Ok(Self { path: path.into(), depth })
    }
}

/// Draws the sample, writes its three files and prints a summary.
pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let (folder, name) = place(&args.out)?;
    check_standard_input(args.runs.iter().map(|run| ("--run", run.path.as_path())))?;
    let (manifests, cache) = (app.home.datasets()?, Cache::of_user()?);
    if manifests.get(&name).is_ok() {
        bail!("there is a dataset `{name}` already; give the sample another name");
    }
    let parent = manifests.get(&args.dataset)?;
    let dataset = Dataset::open(&cache, parent)?;
    let runs: Vec<SampleRun> = args.runs.iter().map(read).collect::<Result<_>>()?;
    let rule = SampleRule {
        queries: args.queries.0,
        judged: args.judged,
        random: args.random,
        seed: args.seed,
    };
    let drawn = draw(&dataset, &rule, &runs)?;
    write_sample(folder, &name, parent, &drawn)?;
    outln!("{}", describe(&name, &drawn))?;
    Ok(ExitCode::SUCCESS)
}

/// The folder and the name of the manifest to write; an error if the path does not end in `NAME.toml`.
fn place(out: &Path) -> Result<(&Path, String)> {
    let name = out.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if out.extension().is_none_or(|end| end != "toml") || name.is_empty() {
        bail!("{}: expected datasets/NAME.toml", out.display());
    }
    Ok((out.parent().unwrap_or(Path::new("")), name.to_owned()))
}

fn read(run: &RunDepth) -> Result<SampleRun> {
    let name = run.path.file_name().context("a run is a file")?.to_string_lossy().into_owned();
    let read = nir_data::trec::read_run(&run.path)?;
    Ok(SampleRun { name, depth: run.depth, run: read })
}

fn describe(name: &str, drawn: &Drawn) -> String {
    format!(
        "{name}: {} documents, {} queries, {} judgements; {} judged documents are outside\nrule: {}",
        grouped(drawn.documents.len()),
        grouped(drawn.queries.len()),
        grouped(drawn.judgements),
        grouped(drawn.judged_outside),
        drawn.rule
    )
}
