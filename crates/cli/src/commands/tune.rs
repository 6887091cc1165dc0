//! `nir tune`: a method's parameters chosen on training queries.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use nir_catalogue::Method;
use nir_engine::{Column, Engine, Grid, Library, Point, TUNED, cross_validate, fingerprint, folds};
use nir_eval::significance::{Differences, Settings};
use nir_eval::{Evaluation, Measure};

use crate::app::App;
use crate::compare::differences;
use crate::models;
use crate::named::method_of;
use crate::output::{errln, outln, write_whole};
use crate::own;
use crate::table::Table;

/// Choose a method's parameters by a measure on training queries, and write the method with the best of them.
///
/// METHOD is a method, or the file of one with lists in place of values (k1 = [0.9, 1.2]); every combination of values is run.
/// What the choice is worth is told by cross-validation: each query is measured by the values that are best on the queries of
/// the other folds. The file that is written names its training queries, and nir refuses to measure it on any of them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir tune lexical/bm25 --try k1=0.6..1.6:0.2 --try b=0.3,0.5,0.75 --on pocket --out tuned.toml
  nir tune mine.toml --on msmarco-passage-mini-dev --measure RR@10 --folds 10 --out tuned.toml
  nir tune feedback/bm25-rm3 --try rm3.terms=5,10,20 --on pocket --out tuned.toml
  nir tune mine.toml --corpus docs.tsv --queries q.tsv --qrels qrels.txt --random 20 --seed 1 --out tuned.toml")]
pub(crate) struct Args {
    /// The name of a method, or the file of your own.
    method: String,
    /// The training queries: a dataset, by name or by the path of a manifest.
    #[arg(long, value_name = "DATASET", required_unless_present = "corpus")]
    on: Option<String>,
    #[command(flatten)]
    own: own::Args,
    /// Values to try for a parameter, listed (k1=0.9,1.2) or in steps (b=0.3..0.9:0.1), beside the lists in the file
    /// (repeatable). All parameters of this name get the same value; `rm3.terms` names that of one algorithm, `query.max_length`
    /// that of one table.
    #[arg(long = "try", value_name = "NAME=VALUES")]
    tried: Vec<String>,
    /// The measure whose mean decides; the dataset's first if not given.
    #[arg(long, short, value_name = "MEASURE")]
    measure: Option<Measure>,
    /// Run this many combinations, drawn at random, instead of all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    random: Option<u32>,
    /// The number of folds of the cross-validation, at least 2.
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..))]
    folds: u32,
    /// The seed of folds and of random combinations, a whole number.
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// The config to write (NAME.toml). Beside it come NAME.curve.tsv, the mean of every combination, and NAME.queries.tsv, the
    /// training queries with what each was measured.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    models: models::Args,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    check_out(&args.out)?;
    let (library, engine) = (app.library()?, app.engine(&args.models)?);
    let method = method_of(&args.method, &library, engine.models())?;
    let grid = Grid::new(&method, &args.tried, &library)?;
    let random = args.random.map(|most| (most as usize, args.seed));
    let points = grid.points(random, &library)?;
    let column = column(args, app, &engine)?;
    let base = grid.base(&library)?;
    let tuned = Tuned::new(args, &engine, &library, &column, &base, &points)?;
    outln!("{}", tuned.text(&grid, &points)?)?;
    tuned.write(args, &grid, &points)
}

/// The config must be new, so that nothing of the user's is lost.
fn check_out(out: &Path) -> Result<()> {
    ensure!(
        out.extension().is_some_and(|extension| extension == "toml"),
        "{}: expected the name of a config, NAME.toml",
        out.display()
    );
    ensure!(
        !out.exists(),
        "{}: is there already, and is not overwritten; name another file with --out",
        out.display()
    );
    Ok(())
}

fn column(args: &Args, app: &App, engine: &Engine) -> Result<Column> {
    if let Some(own) = args.own.column(engine)? {
        return Ok(own);
    }
    let mut manifests = app.home.datasets()?;
    let name = manifests.resolve(args.on.as_deref().unwrap_or_default(), Path::new(""))?;
    App::column(engine, &manifests, &name)
}

/// What every point is worth, and what was chosen.
struct Tuned<'a> {
    column: &'a Column,
    measure: Measure,
    /// In the order of `values[point]`.
    query_ids: Vec<String>,
    values: Vec<Vec<f64>>,
    /// What the method is worth as it stood.
    base: Vec<f64>,
    folds: Vec<Vec<usize>>,
    best: usize,
}

impl<'a> Tuned<'a> {
    fn new(
        args: &Args,
        engine: &Engine,
        library: &Library,
        column: &'a Column,
        base: &Method,
        points: &[Point],
    ) -> Result<Self> {
        let dataset = &column.data;
        ensure!(
            dataset.is_judged(),
            "{}: there are no judgements and no answers to choose by",
            dataset.name
        );
        let measure = match args.measure {
            Some(measure) => measure,
            None => dataset.card.measures.first().context("a dataset has a measure")?.parse()?,
        };
        let measured = |method: &Method| -> Result<Evaluation> {
            let pipeline = library.read(method)?;
            let finished = engine.rank(&pipeline, &column.target)?;
            Ok(engine.measure(&pipeline, column, finished, &[measure])?.evaluation)
        };
        let value = |evaluation: Evaluation| {
            let first = evaluation.measured.into_iter().next();
            first.map(|measured| measured.per_query).context("one measure was asked for")
        };
        let as_it_stood = measured(base)?;
        let names = as_it_stood.queries.iter().map(|query| query.query_id.clone());
        let (query_ids, base) = (names.collect::<Vec<_>>(), value(as_it_stood)?);
        let mut values = Vec::new();
        for (number, point) in points.iter().enumerate() {
            errln!("{} of {} combinations", number + 1, points.len());
            values.push(value(measured(&point.method)?)?);
        }
        let count = args.folds as usize;
        ensure!(
            query_ids.len() >= 2 * count,
            "{} judged queries are too few for {count} folds: expected at least two for each, or fewer --folds",
            query_ids.len()
        );
        let folds = folds(query_ids.len(), count, args.seed);
        let all: Vec<usize> = (0..query_ids.len()).collect();
        let best = nir_engine::best(&values, &all);
        Ok(Self { column, measure, query_ids, values, base, folds, best })
    }

    fn mean(&self, point: usize) -> f64 {
        mean(&self.values[point])
    }

    /// The best points, and what the choice is worth.
    fn text(&self, grid: &Grid, points: &[Point]) -> Result<String> {
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|&a, &b| self.mean(b).total_cmp(&self.mean(a)));
        let (name, measure) = (&self.column.data.name, self.measure.to_string());
        let mut table = Table::new(["combination", &measure]);
        for &point in order.iter().take(SHOWN) {
            table.row([grid.words(&points[point].values), format!("{:.4}", self.mean(point))]);
        }
        let mut text = format!(
            "{name}: {} queries, {} combinations\n\n{table}",
            self.query_ids.len(),
            points.len()
        );
        if points.len() > SHOWN {
            let _ = writeln!(text, "… and {} more", points.len() - SHOWN);
        }
        let _ = writeln!(text, "\n{}", self.worth(grid, points));
        Ok(text)
    }

    /// Cross-validated values against those of the method as it stood.
    fn worth(&self, grid: &Grid, points: &[Point]) -> String {
        let validated = cross_validate(&self.values, &self.folds);
        let mut chosen: Vec<String> =
            validated.chosen.iter().map(|&point| grid.words(&points[point].values)).collect();
        chosen.dedup();
        let (held_out, before) = (mean(&validated.values), mean(&self.base));
        let values = validated.values.iter().zip(&self.base);
        let values: Vec<f64> = values.map(|(tuned, before)| tuned - before).collect();
        let settings = Settings::default();
        let found = settings.judge(&[Differences { system: 0, measure: self.measure, values }]);
        let name = |_| "tuned".to_owned();
        let table = differences("method", name, &found, settings.correction);
        format!(
            "{}-fold cross-validation: {} {held_out:.4} on queries that the values were not chosen on; the method as it stood has \
             {before:.4}\nchosen: {}\n\nagainst the method as it stood\n\n{table}",
            self.folds.len(),
            self.measure,
            chosen.join("; "),
        )
    }

    fn write(&self, args: &Args, grid: &Grid, points: &[Point]) -> Result<ExitCode> {
        let out = &args.out;
        let (curve, queries) = (out.with_extension("curve.tsv"), out.with_extension("queries.tsv"));
        write_whole(&curve, self.curve(grid, points))?;
        write_whole(&queries, self.queries())?;
        let method = &points[self.best].method;
        write_whole(out, self.config(args, method, &queries)?)?;
        outln!(
            "{}: {} = {:.4} on the training queries",
            out.display(),
            self.measure,
            self.mean(self.best)
        )?;
        Ok(ExitCode::SUCCESS)
    }

    /// One line for each point.
    fn curve(&self, grid: &Grid, points: &[Point]) -> String {
        let names: Vec<&str> = grid.choices.iter().map(|choice| choice.name.as_str()).collect();
        let mut text = format!("{}\t{}\n", names.join("\t"), self.measure);
        for (number, point) in points.iter().enumerate() {
            let values: Vec<String> = point.values.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "{}\t{}", values.join("\t"), self.mean(number));
        }
        text
    }

    /// One line for each training query: its name, what its text is known by, its fold, and what it was measured.
    fn queries(&self) -> String {
        let validated = cross_validate(&self.values, &self.folds);
        let mut text = "query_id\ttext\tfold\tbefore\tbest\theld_out\n".to_owned();
        for (at, query_id) in self.query_ids.iter().enumerate() {
            let fold =
                self.folds.iter().position(|fold| fold.contains(&at)).unwrap_or_default() + 1;
            let query = self.column.data.queries.iter().find(|query| &query.query_id == query_id);
            let text_of = query.map_or_else(String::new, |query| fingerprint(&query.text));
            let (before, best) = (self.base[at], self.values[self.best][at]);
            let held_out = validated.values[at];
            let _ = writeln!(text, "{query_id}\t{text_of}\t{fold}\t{before}\t{best}\t{held_out}");
        }
        text
    }

    /// The best point's config, with where it comes from.
    fn config(&self, args: &Args, method: &Method, queries: &Path) -> Result<String> {
        let mut file: toml::Table = method.source.parse()?;
        file.remove("claim"); // what others print is not of these values
        let name = queries.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let tuned = toml::Table::from_iter([
            ("on".to_owned(), self.column.data.name.clone().into()),
            ("dataset".to_owned(), self.column.data.digest.hex().into()),
            ("queries".to_owned(), name.into()),
            ("measure".to_owned(), self.measure.to_string().into()),
            ("combinations".to_owned(), toml::Value::Integer(self.values.len() as i64)),
            ("folds".to_owned(), toml::Value::Integer(i64::from(args.folds))),
            ("seed".to_owned(), toml::Value::Integer(args.seed as i64)),
        ]);
        file.insert(TUNED.to_owned(), tuned.into());
        let Some(name) = method.source.path().rsplit('/').next() else {
            bail!("a config has a name")
        };
        Ok(format!("# {name} with the values that `nir tune` chose.\n{}", toml::to_string(&file)?))
    }
}

/// How many combinations are printed; the curve has all.
const SHOWN: usize = 10;

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
