//! `nir bench`: search structures measured alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use indexmap::IndexMap;
use nir_catalogue::{Cell, ConfigError, Group, Measured, PerQuery, Point, Sweep};
use nir_core::Run;

use crate::app::App;
use crate::asked::resolve_dataset;
use crate::models;
use crate::named::sweep;
use crate::output::write_whole;
use crate::output::{errln, outln};
use crate::table::Table;
use nir_engine::{Column, Library, Pipeline, Searched, provenance};

/// Measure search structures alone, over vectors that methods have already made.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Index(Index),
}

/// Search over a grid of search structures and their parameters, and record recall, speed, bytes and build time of each
/// point.
///
/// CONFIG names methods, whose vectors are taken, a dataset, and structures; wherever a list stands in place of a
/// parameter, there is one point for each of its values. Each point is searched on one thread, one query after the other,
/// and becomes a result; `nir report CONFIG` draws them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir bench index configs/sweeps/pocket.toml
  nir report configs/sweeps/pocket.toml --out sweep.html
  nir bench index mine.toml --results sweeps/

A sweep:
  dataset = \"pocket\"
  depth   = 10
  rounds  = 3

  [[sweep]]
  method = \"dense/dpr-pocket\"
  exact  = { use = \"flat\", storage = \"f32\" }
  index  = [{ use = \"hnsw\", storage = \"f32\", m = [8, 16], ef_construction = 100, seed = 42, ef = [10, 20, 40] }]")]
struct Index {
    /// The name of a sweep below configs/sweeps, or the path of a sweep file.
    config: String,
    /// Where results are written; into the cache, where `nir report` finds them, if not given.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    #[command(flatten)]
    models: models::Args,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let What::Index(args) = &args.what;
    let library = app.library()?;
    let (mut sweep, mut manifests) = (sweep(&args.config, &library)?, app.home.datasets()?);
    resolve_dataset(&mut sweep, &mut manifests)?;
    let pipelines = pipelines(&sweep, &library)?; // every mistake shows before anything runs
    let engine = app.engine(&args.models)?;
    let column = App::column(&engine, &manifests, sweep.dataset.as_ref())?;
    let results = args.results.clone().unwrap_or_else(|| engine.cache().results());
    let mut head = vec!["structure".to_owned()];
    head.extend(recalls(sweep.depth));
    head.extend(["queries/CPU s", "ms/query", "MiB", "build CPU s"].map(str::to_owned));
    let mut table = Table::new(head);
    for (group, pipelines) in sweep.groups.iter().zip(&pipelines) {
        let mut exact: Option<Run> = None;
        for (point, pipeline) in group.points.iter().zip(pipelines) {
            let searched = engine.search(pipeline, &column.target, sweep.rounds)?;
            let exact = exact.get_or_insert_with(|| searched.run.clone());
            let of = Measurement { sweep: &sweep, point, pipeline, column: &column, exact };
            if point == &group.points[0] && !searched.is_exact {
                let message = format!("`{}` misses documents: `exact` must not", point.label);
                return Err(sweep.source.error_at(group.method.span(), message).into());
            }
            let (cell, per_query) = of.result(searched);
            table.row(row(&cell));
            keep(&results, &cell, &per_query)?;
        }
    }
    outln!("{}: {} queries\n\n{table}", column.data.name, column.target.queries.len())?;
    errln!("report: nir report {} --out sweep.html", args.config);
    Ok(ExitCode::SUCCESS)
}

/// The pipelines of every group of the sweep, one for each point; an error names the line of the sweep's file.
pub(crate) fn pipelines(sweep: &Sweep, library: &Library) -> Result<Vec<Vec<Pipeline>>> {
    let of_group = |group: &Group| {
        let method = library.method(group.method.as_ref(), sweep.source.folder())?;
        let one = |point: &Point| {
            let applied = sweep.applied(group, point, &method)?;
            library.read(&applied).map_err(|error| placed(&error, sweep, group, point))
        };
        group.points.iter().map(one).collect()
    };
    sweep.groups.iter().map(of_group).collect()
}

/// Turns an error about a method that a sweep made into an error at the line of the sweep it came from.
fn placed(error: &anyhow::Error, sweep: &Sweep, group: &Group, point: &Point) -> anyhow::Error {
    let message = error.downcast_ref::<ConfigError>().map(|error| error.message.clone());
    let message = message.unwrap_or_else(|| error.to_string());
    sweep.source.error_at(group.method.span(), format!("`{}`: {message}", point.label)).into()
}

/// One point of a sweep after its search, with everything that its result records.
struct Measurement<'a> {
    sweep: &'a Sweep,
    point: &'a Point,
    pipeline: &'a Pipeline,
    column: &'a Column,
    exact: &'a Run,
}

impl Measurement<'_> {
    /// The result of the point, and its recall for each query.
    fn result(&self, searched: Searched) -> (Cell, PerQuery) {
        let (dataset, method) = (&self.column.data, &self.pipeline.method);
        let per_query = self.recall(&searched.run);
        let origin = dataset.origin.kind().to_owned();
        let cell = Cell {
            method: self.point.name.clone(),
            name: self.point.label.clone(),
            paper: method.card.paper.clone(),
            dataset: dataset.name.clone(),
            scope: self.column.scope.clone(),
            documents: dataset.corpus.len(),
            queries: self.column.target.queries.len(),
            policy: "share of what exhaustive search over the same vectors finds".to_owned(),
            measures: means(&per_query),
            claims: Vec::new(),
            precision: searched.origins.precision.clone(),
            provenance: provenance(self.pipeline, dataset.digest.hex(), origin, &searched.origins),
            cost: searched.cost,
        };
        (cell, per_query)
    }

    /// The recall against the exact search for each query, at every cutoff.
    fn recall(&self, found: &Run) -> PerQuery {
        let cutoffs = cutoffs(self.sweep.depth);
        let pairs = || found.iter().zip(self.exact.iter());
        let values = |&cutoff: &usize| {
            pairs().map(|(found, exact)| found.recall(exact, cutoff)).collect::<Vec<f64>>()
        };
        let queries = self.column.target.queries.iter();
        PerQuery {
            measures: recalls(self.sweep.depth).collect(),
            queries: queries.map(|query| query.query_id.clone()).collect(),
            values: cutoffs.iter().map(values).collect(),
        }
    }
}

fn means(per_query: &PerQuery) -> IndexMap<String, Measured> {
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let measured = |value| Measured { value, tied_queries: 0, worst: value, best: value };
    let values = per_query.values.iter().map(|values| measured(mean(values)));
    per_query.measures.iter().cloned().zip(values).collect()
}

/// The cutoffs of recall: the depth of the sweep, and 10 where the depth is larger.
fn cutoffs(depth: usize) -> Vec<usize> {
    if depth > 10 { vec![depth, 10] } else { vec![depth] }
}

fn recalls(depth: usize) -> impl Iterator<Item = String> {
    cutoffs(depth).into_iter().map(|cutoff| format!("recall@{cutoff}"))
}

fn row(cell: &Cell) -> Vec<String> {
    let stage = &cell.cost.stages[0];
    let speed = stage.cpu.map(|cpu| format!("{:.0}", cell.queries as f64 / cpu.run));
    let mut row = vec![cell.label()];
    row.extend(cell.measures.values().map(|measured| format!("{:.4}", measured.value)));
    row.extend([
        speed.unwrap_or_default(),
        format!("{:.3}", cell.cost.latency.p50_ms),
        format!("{:.1}", stage.bytes as f64 / f64::from(1 << 20)),
        stage.cpu.map(|cpu| format!("{:.2}", cpu.build)).unwrap_or_default(),
    ]);
    row
}

fn keep(results: &Path, cell: &Cell, per_query: &PerQuery) -> Result<()> {
    let path = results.join(cell.path());
    write_whole(&path.with_extension("queries.tsv"), per_query.to_string())?;
    write_whole(&path, serde_json::to_string_pretty(cell)? + "\n")
}
