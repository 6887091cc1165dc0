//! `nir gate`: a small comparison, and whether anything moved since its baseline.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use indexmap::IndexMap;
use nir_catalogue::{Comparison, Gate, Provenance};
use nir_data::{Dataset, Manifests, check_output};
use nir_eval::{Measure, Policy, evaluate};
use nir_gate::{
    Baseline, Check, Clock, Costs, Nearness, REFERENCE, Row, StageRatio, Verdict, What, Work,
    annotations, compare, junit, rankings,
};
use nir_report::Question;

use crate::app::App;
use crate::asked::resolve_datasets;
use crate::models;
use crate::named::comparison;
use crate::output::write_whole;
use crate::output::{self, out, outln};
use crate::table::Table;
use crate::threads;
use nir_engine::{
    Column, Engine, Fresh, Library, Pipeline, Target, build, check_not_tuned_on, judged, provenance,
};

/// Run a small comparison again, and fail if measures, rankings or costs have changed since its baseline was written.
///
/// FILE is a comparison with at least one [[gate]] table, such as configs/ci.toml. Every ranking is computed again,
/// whatever the cache holds, and no result is written. Rankings with `rankings = "same"` must be equal to the last bit.
/// Where the baseline's model outputs come from another instruction set or device, scores and measures may differ by a
/// tolerance, which is printed.
///
/// Exit status: 0 if nothing changed, 1 if something did, 2 if the check could not be made.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir gate configs/ci.toml
  nir gate configs/ci.toml --against results --junit gate.xml --github
  nir gate configs/ci.toml --update --reason \"k1 = 1.2, as the paper has it\"")]
pub(crate) struct Args {
    /// The comparison to run: a file, or the name of one that the program carries.
    #[arg(value_name = "FILE")]
    comparison: String,
    /// The folder in which gate/NAME.json is the baseline; if not given, the results of your own folder.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Write the current measures, rankings and costs as the new baseline.
    #[arg(long, requires = "reason")]
    update: bool,
    /// The reason for the new baseline; it is stored in the baseline's file.
    #[arg(long, value_name = "TEXT", requires = "update")]
    reason: Option<String>,
    /// Do not measure time, for a build or a machine that the baseline has no costs of.
    #[arg(long)]
    no_costs: bool,
    /// Also write every check to this file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also print every change as an annotation that GitHub Actions shows in a pull request.
    #[arg(long)]
    github: bool,
    #[command(flatten)]
    threads: threads::Args,
    #[command(flatten)]
    models: models::Args,
}

/// The exit status of an error, as 1 means that something changed.
const CANNOT_TELL: u8 = 2;
/// The number of times each stage is timed in one attempt.
const ROUNDS: usize = 7;
/// The number of attempts while a cost seems to have changed: noise disappears with more samples, a slower search does
/// not.
const ATTEMPTS: usize = 5;

pub(crate) fn run(args: &Args, app: &App) -> ExitCode {
    output::end(gate(args, app), CANNOT_TELL)
}

fn gate(args: &Args, app: &App) -> Result<ExitCode> {
    args.threads.start()?;
    args.junit.iter().try_for_each(|path| check_output(path))?;
    let (library, mut manifests) = (app.library()?, app.home.datasets()?);
    let (mut comparison, methods) = comparison(&args.comparison, &library)?;
    resolve_datasets(&mut comparison, &mut manifests)?;
    let against = Against::find(args, &comparison, app)?;
    let found = Found::new(args, &comparison, &library.with(&methods), &manifests, app)?;
    match &args.reason {
        Some(reason) => update(args, &against, &found, &comparison, reason),
        None => hold(args, &against, &found),
    }
}

/// Compares with the baseline, prints what changed, and gives the exit status.
fn hold(args: &Args, against: &Against, found: &Found<'_>) -> Result<ExitCode> {
    let rows = found.rows(args, |rows| against.is_settled(rows))?;
    let checks = against.checks(&rows)?;
    publish(args, &checks, found)?;
    if let Some(note) = against.other_arithmetic(&rows) {
        outln!("{note}")?;
    }
    verdict(&checks, &against.place)
}

/// Writes the current state as the new baseline and prints what that changes. It takes more samples than a comparison
/// does, because a baseline is used for a long time.
fn update(
    args: &Args,
    against: &Against,
    found: &Found<'_>,
    comparison: &Comparison,
    reason: &str,
) -> Result<ExitCode> {
    let rows = found.rows(args, |_| false)?;
    // What does not fit is what the update replaces.
    publish(args, &against.checks(&rows).unwrap_or_default(), found)?;
    let mut baseline = Baseline {
        comparison: comparison.source.path().to_owned(),
        reason: reason.to_owned(),
        rows: rows.into_iter().map(|(row, _)| row).collect(),
    };
    if let Some(before) = &against.before {
        baseline.keep_costs_of(before);
    }
    write_whole(&against.place, baseline.text())?;
    outln!("baseline: {}", against.place.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The baseline of a comparison, and its path.
struct Against {
    place: PathBuf,
    /// `None` before the first update, and where `--update` replaces a file that cannot be read.
    before: Option<Baseline>,
}

impl Against {
    fn find(args: &Args, comparison: &Comparison, app: &App) -> Result<Self> {
        let own = || app.home.folder().map(|folder| folder.join("results"));
        let folder = args.against.clone().or_else(own);
        let folder = folder.context(
            "no folder of your own, with a nir.toml, was found here or above: name the baseline's folder with --against",
        )?;
        let place = Baseline::path(&folder, comparison.source.path());
        let before = match read_baseline(&place) {
            Err(error) if !args.update => return Err(error),
            before => before.unwrap_or_default(),
        };
        if before.is_none() && !args.update {
            bail!(
                "{}: there is no baseline; make one with --update --reason \"the first\"",
                place.display()
            );
        }
        Ok(Self { place, before })
    }

    fn checks(&self, rows: &[(Row, &Gate)]) -> Result<Vec<Check>> {
        let Some(before) = &self.before else { return Ok(Vec::new()) };
        compare(before, rows, &build()).with_context(|| self.place.display().to_string())
    }

    /// Describes where the baseline's models were computed by another instruction set or device, so that a tolerance
    /// applies.
    fn other_arithmetic(&self, rows: &[(Row, &Gate)]) -> Option<String> {
        let before = self.before.as_ref()?;
        rows.iter().find_map(|(now, _)| {
            let (precision, now_by) = (now.precision.as_ref()?, now.computed_by());
            let was_by = before.row(&now.dataset, &now.method)?.computed_by();
            let Nearness { scores, measures } = Nearness::of(precision);
            (was_by != now_by).then(|| {
                format!(
                    "models: {was_by} computed the baseline, {now_by} this: scores of the best ten may differ by {scores:e} of the largest, measures by {measures}"
                )
            })
        })
    }

    /// Whether more samples cannot change the outcome: no cost seems to have changed, or there is no baseline.
    fn is_settled(&self, rows: &[(Row, &Gate)]) -> bool {
        let has_moved =
            |check: &Check| matches!(check.what, What::Cost(..)) && check.verdict == Verdict::Moved;
        !self.checks(rows).is_ok_and(|checks| checks.iter().any(has_moved))
    }
}

/// The baseline, if there is one.
fn read_baseline(path: &Path) -> Result<Option<Baseline>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(Some(Baseline::parse(path, &text)?))
}

/// One method over one dataset, as it runs now.
struct Cell<'a> {
    gate: &'a Gate,
    /// The path of the method's config, which annotations point to.
    file: String,
    target: Arc<Target>,
    fresh: Fresh,
    /// Measures and rankings of this cell, without costs.
    row: Row,
}

/// Every cell that a comparison names, as it runs now.
struct Found<'a> {
    cells: Vec<Cell<'a>>,
    engine: Engine,
}

impl<'a> Found<'a> {
    fn new(
        args: &Args,
        comparison: &'a Comparison,
        library: &Library,
        manifests: &Manifests,
        app: &App,
    ) -> Result<Self> {
        let question = Question::of(comparison)?;
        let gated = pipelines(comparison, library)?;
        let engine = app.engine(&args.models)?;
        if !engine.backend().device().is_cpu() && !args.no_costs {
            bail!("costs are CPU seconds, which say nothing of another device: add --no-costs");
        }
        let mut cells = Vec::new();
        for name in &question.datasets {
            let Column { data: dataset, target, .. } = engine.dataset(manifests.get(name)?)?;
            let target = Arc::new(target);
            for (pipeline, gate) in &gated {
                check_not_tuned_on(pipeline, &dataset)?;
                let fresh = engine.run_anew(pipeline, &target)?;
                let row = row(pipeline, &dataset, &fresh, &question.measures)?;
                let file = pipeline.method.source.path().to_owned();
                cells.push(Cell { gate, file, target: Arc::clone(&target), fresh, row });
            }
        }
        Ok(Self { cells, engine })
    }

    /// All rows with their costs. They are timed until `settled` holds, or until [`ATTEMPTS`] are used up.
    fn rows(
        &self,
        args: &Args,
        settled: impl Fn(&[(Row, &'a Gate)]) -> bool + Sync,
    ) -> Result<Vec<(Row, &'a Gate)>> {
        if args.no_costs {
            return Ok(self.cells.iter().map(|cell| (cell.row.clone(), cell.gate)).collect());
        }
        self.engine.hushed(|| self.timed(settled))
    }

    fn timed(
        &self,
        settled: impl Fn(&[(Row, &'a Gate)]) -> bool + Sync,
    ) -> Result<Vec<(Row, &'a Gate)>> {
        let works: Vec<_> =
            self.cells.iter().map(|cell| cell.fresh.works(&cell.target)).collect::<Result<_>>()?;
        let stages: Vec<Vec<&str>> = works
            .iter()
            .map(|works| works.iter().map(|work| work.algorithm.as_str()).collect())
            .collect();
        let again = works.iter().flatten().map(|work| Box::new(|| work.again()) as Work<'_, _>);
        let again: Vec<_> = again.collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        pool.install(|| {
            let mut clock = Clock::new(again)?;
            for _ in 1..ATTEMPTS {
                (0..ROUNDS).try_for_each(|_| clock.round())?;
                let rows = self.with_costs(&stages, &clock.ratios());
                if settled(&rows) {
                    return Ok(rows);
                }
            }
            (0..ROUNDS).try_for_each(|_| clock.round())?;
            Ok(self.with_costs(&stages, &clock.ratios()))
        })
    }

    /// The rows with costs filled in; `ratios` has one number for each stage of `stages`, row after row.
    fn with_costs(&self, stages: &[Vec<&str>], ratios: &[f64]) -> Vec<(Row, &'a Gate)> {
        let mut ratios = ratios.iter();
        let with_costs = |(cell, stages): (&Cell<'a>, &Vec<&str>)| {
            let ratio =
                |(&stage, &ratio): (&&str, &f64)| StageRatio { stage: stage.to_owned(), ratio };
            let stages = stages.iter().zip(ratios.by_ref()).map(ratio).collect();
            let mut row = cell.row.clone();
            row.costs.insert(build(), costs(&row, stages));
            (row, cell.gate)
        };
        self.cells.iter().zip(stages).map(with_costs).collect()
    }

    /// The path of the config of a method.
    fn file(&self, method: &str) -> String {
        let cell = self.cells.iter().find(|cell| cell.row.method == method);
        cell.map_or_else(String::new, |cell| cell.file.clone())
    }
}

fn pipelines<'a>(
    comparison: &'a Comparison,
    library: &Library,
) -> Result<Vec<(Pipeline, &'a Gate)>> {
    let gated = |name| {
        let gate = comparison.gate(name)?;
        Ok((library.pipeline(name.as_ref())?, gate))
    };
    comparison.methods.iter().map(gated).collect()
}

fn row(pipeline: &Pipeline, dataset: &Dataset, fresh: &Fresh, measures: &[Measure]) -> Result<Row> {
    let evaluation = evaluate(judged(dataset), &fresh.run, measures, Policy::default())?;
    let measured = evaluation.measured.iter();
    let origin = dataset.origin.kind().to_owned();
    Ok(Row {
        method: pipeline.method.name.clone(),
        dataset: dataset.name.clone(),
        policy: evaluation.policy.to_string(),
        precision: fresh.origins.precision.clone(),
        measures: measured.map(|one| (one.measure.to_string(), one.value)).collect(),
        costs: IndexMap::new(),
        provenance: provenance(pipeline, dataset.digest.hex(), origin, &fresh.origins),
        rankings: rankings(&fresh.run, fresh.origins.precision.is_some()),
    })
}

fn costs(row: &Row, stages: Vec<StageRatio>) -> Costs {
    let Provenance { commit, cpu, date, .. } = &row.provenance;
    Costs {
        reference: REFERENCE.to_owned(),
        commit: commit.clone(),
        cpu: cpu.clone(),
        date: date.clone(),
        stages,
    }
}

/// Prints the table, and writes the JUnit file and the annotations if they were asked for.
fn publish(args: &Args, checks: &[Check], found: &Found<'_>) -> Result<()> {
    if checks.iter().any(|check| check.verdict != Verdict::Held) {
        outln!("{}", table(checks))?;
    }
    if args.github {
        out!("{}", annotations(checks, |method| found.file(method)))?;
    }
    match &args.junit {
        Some(path) => write_whole(path, junit(&args.comparison, checks)?),
        None => Ok(()),
    }
}

/// A table of the checks that did not pass.
fn table(checks: &[Check]) -> Table {
    let mut table = Table::new(["dataset", "method", "what", "was", "is", "allowed", ""]);
    for check in checks.iter().filter(|check| check.verdict != Verdict::Held) {
        let Check { dataset, method, what, was, now, allowed, verdict } = check;
        let (what, verdict) = (what.to_string(), verdict.to_string());
        table.row([dataset, method, &what, was, now, allowed, &verdict]);
    }
    table
}

fn verdict(checks: &[Check], place: &Path) -> Result<ExitCode> {
    let moved = checks.iter().filter(|check| check.verdict == Verdict::Moved).count();
    let place = place.display();
    if moved == 0 {
        outln!("nothing moved: {} checks against {place}", checks.len())?;
        return Ok(ExitCode::SUCCESS);
    }
    outln!("{moved} of {} checks moved against {place}", checks.len())?;
    outln!("if that is right, write it down: --update --reason \"…\"")?;
    Ok(ExitCode::FAILURE)
}
