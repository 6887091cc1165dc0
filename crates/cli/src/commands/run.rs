//! `nir run`: runs methods over datasets and measures them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Cell, leaderboard, read_cells};
use nir_data::{check_output, is_standard_output};
use nir_engine::{Column, Engine, Finished, Library, Outcome, Pipeline};
use nir_report::{Means, Measured, Question, ir_metadata};

use crate::app::App;
use crate::asked::{self, Asked};
use crate::compare::{self, Plan};
use crate::models;
use crate::output::{err, errln, print, write_whole};
use crate::own;
use crate::page;
use crate::table::Table;
use crate::threads;

/// Run methods over datasets, measure them, and compare them.
///
/// WHAT is a comparison (configs/quickstart.toml, or a file of your own), or one or more methods: a name (lexical/bm25), the
/// file of your own method (./mine.toml), or a checkpoint (file:FOLDER, hf:org/name), which is run as its own files
/// describe. What was computed before is read from the cache and not computed again.
///
/// Rankings are kept in the cache with what they cost, where `nir report` finds them. Results are written only with --results.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir run configs/quickstart.toml
  nir run mine/comparison.toml --report report.html
  nir run lexical/bm25 feedback/bm25-rm3 --on pocket,toy
  nir run lexical/bm25 --corpus docs.tsv.gz --queries queries.tsv --qrels qrels.txt --run out.trec
  nir run lexical/bm25 feedback/bm25-rm3 --corpus beir-folder/ --report report.html
  nir run cross_encoder/monobert-pocket --on pocket --rerank bm25.trec
  nir run lexical/bm25 file:models/all-MiniLM-L6-v2 --on pocket")]
pub(crate) struct Args {
    #[command(flatten)]
    asked: asked::Args,
    #[command(flatten)]
    own: own::Args,
    /// Rerank this run file: it takes the place of all stages before the first reranker of every method.
    #[arg(long, value_name = "RUN")]
    rerank: Option<PathBuf>,
    /// Write the ranking of one method over one dataset to this file; - is standard output. A name that ends in .gz or
    /// .zst is compressed. A device, a pipe or >(a program) is written to directly; a symbolic link is followed.
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// Write every ranking below this folder, with its description in the fields of ir_metadata beside it.
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Also write the results below this folder, with a leaderboard of all that it has. A result that is there stays where
    /// the new one agrees with it in everything but cost and date.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Write a report of what ran: a page (FILE.html), or another format by its extension; see `nir report`.
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    report: Option<PathBuf>,
    /// A file of answers of language models behind servers (JSON lines), which need not exist: a server is asked only what it does
    /// not answer, and all answers that were used are written into it. With it a comparison replays without the servers.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Print what the cache holds and what would have to be computed, and compute nothing.
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    threads: threads::Args,
    #[command(flatten)]
    models: models::Args,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    args.threads.start()?;
    let engine = app.engine_with(&args.models, args.answers.as_deref())?;
    let (library, manifests) = (app.library()?, app.home.datasets()?);
    let mut asked =
        args.asked.asked(&library, engine.models(), manifests, &args.own.arguments())?;
    let what = &asked.question.what;
    if asked.methods.is_empty() {
        bail!("`{what}` is a sweep over search structures: `nir bench index {what}` runs it");
    }
    if let Some(run) = &args.rerank {
        over_run(&mut asked, &library, run)?;
    }
    for method in asked.methods.iter().filter(|method| method.source.is_made()) {
        errln!("{}", method.source.text());
    }
    let pipelines =
        asked.methods.iter().map(|method| library.read(method)).collect::<Result<Vec<_>>>()?;
    let columns = columns(args, &engine, &mut asked)?;
    check_outputs(args, &pipelines, &columns)?;
    let table = plan_table(&engine, &pipelines, &columns)?;
    if args.plan {
        print(table.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    errln!("{table}");
    let library = library.with(&asked.methods);
    let running = Running { args, engine: &engine, question: &asked.question, library: &library };
    let mut measured = Vec::new();
    for column in &columns {
        measured.extend(running.column(&pipelines, column)?);
    }
    engine.write_answers()?;
    if measured.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(means) = Means::of(&asked.question, &measured) {
        print_page(args, &compare::means(&means))?;
    }
    if let Some(results) = &args.results {
        write_whole(&results.join("README.md"), leaderboard(&library, &read_cells(results)?))?;
    }
    running.publish(&measured, &columns, &asked, app)?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a run file before the rerankers of all methods.
fn over_run(asked: &mut Asked, library: &Library, run: &Path) -> Result<()> {
    let over = asked.methods.iter().map(|method| library.over_run(method, run));
    let over = over.collect::<Result<Vec<_>>>()?;
    asked.question.rename(|name| {
        let at = asked.methods.iter().position(|method| method.name == name);
        at.map_or_else(|| name.to_owned(), |at| over[at].name.clone())
    });
    asked.methods = over;
    Ok(())
}

/// The datasets that are asked for, or the user's own files.
fn columns(args: &Args, engine: &Engine, asked: &mut Asked) -> Result<Vec<Column>> {
    if let Some(own) = args.own.column(engine)? {
        asked.question.datasets = vec![own.data.name.clone()];
        return Ok(vec![own]);
    }
    App::columns(engine, &asked.manifests, &asked.question.datasets)
}

fn check_outputs(args: &Args, pipelines: &[Pipeline], columns: &[Column]) -> Result<()> {
    if args.run.is_some() && (pipelines.len() > 1 || columns.len() > 1) {
        bail!(
            "--run writes one ranking, of one method over one dataset; use --runs DIR for several"
        );
    }
    args.run.iter().try_for_each(|path| check_output(path))?;
    args.report.iter().try_for_each(|path| page::check(path, None))?;
    [&args.runs, &args.results].into_iter().flatten().try_for_each(|path| check_folder(path))?;
    if let Some(column) = columns.iter().find(|column| column.data.queries.is_empty()) {
        bail!(
            "{}: there are no queries: name their file with --queries; only a folder in BEIR's layout brings its own",
            column.data.name
        );
    }
    let written = args.run.is_some() || args.runs.is_some();
    if !written && columns.iter().any(|column| !column.data.is_judged()) {
        bail!(
            "without judgements there is nothing to measure: give --qrels or --gold-answers, or --run FILE for the ranking"
        );
    }
    Ok(())
}

/// Refuses a folder for output that exists and is no folder.
fn check_folder(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("{}: this is a file: expected a folder", path.display());
    }
    Ok(())
}

fn plan_table(engine: &Engine, pipelines: &[Pipeline], columns: &[Column]) -> Result<Table> {
    let mut table = Table::new(["dataset", "documents", "queries", "method", "state"]);
    for column in columns {
        for pipeline in pipelines {
            let state =
                if engine.is_cached(pipeline, &column.target)? { "cached" } else { "will run" };
            let (documents, queries) = (column.data.corpus.len(), column.data.queries.len());
            let cells = [
                &column.data.name,
                &documents.to_string(),
                &queries.to_string(),
                &pipeline.method.name,
            ];
            table.row(cells.into_iter().map(String::as_str).chain([state]));
        }
    }
    Ok(table)
}

/// What every column of a run needs.
struct Running<'a> {
    args: &'a Args,
    engine: &'a Engine,
    question: &'a Question,
    library: &'a Library,
}

impl Running<'_> {
    /// Runs every pipeline over a dataset, writes what was asked for, and prints the comparison; the results
    /// with all that was asked for.
    fn column(&self, pipelines: &[Pipeline], column: &Column) -> Result<Vec<Measured>> {
        let Self { args, engine, question, .. } = self;
        let rank = |pipeline: &Pipeline| engine.rank(pipeline, &column.target);
        let finished = pipelines.iter().map(rank).collect::<Result<Vec<_>>>()?;
        for (pipeline, finished) in pipelines.iter().zip(&finished) {
            write_run(args, column, pipeline, finished)?;
        }
        if !column.data.is_judged() {
            return Ok(Vec::new());
        }
        let measure =
            |(pipeline, finished)| engine.measure(pipeline, column, finished, &question.measures);
        let outcomes = pipelines.iter().zip(finished).map(measure).collect::<Result<Vec<_>>>()?;
        self.write_metadata(pipelines, column, &outcomes)?;
        if let Some(results) = &args.results {
            outcomes.iter().try_for_each(|outcome| keep(results, outcome))?;
        }
        let page = Plan::of(question).page(&column.data.name, &outcomes, self.library)?;
        print_page(args, &page)?;
        let shown = outcomes.iter().map(Outcome::with_shown);
        Ok(shown.map(|(cell, per_query)| Measured { cell, per_query }).collect())
    }

    fn write_metadata(
        &self,
        pipelines: &[Pipeline],
        column: &Column,
        outcomes: &[Outcome],
    ) -> Result<()> {
        let Some(runs) = &self.args.runs else { return Ok(()) };
        for (pipeline, outcome) in pipelines.iter().zip(outcomes) {
            let Cell { method, paper, dataset, .. } = &outcome.cell;
            let (paper, homepage) = (self.library.papers.get(paper), &column.data.card.homepage);
            let text = ir_metadata(&outcome.cell, &pipeline.method, paper, homepage, self.question);
            write_whole(&runs.join(dataset).join(format!("{method}.ir_metadata.yaml")), text)?;
        }
        Ok(())
    }

    /// Writes the report, or prints the command that would write one.
    fn publish(
        &self,
        measured: &[Measured],
        columns: &[Column],
        asked: &Asked,
        app: &App,
    ) -> Result<()> {
        let Some(path) = &self.args.report else {
            if !self.args.own.is_given() && self.args.rerank.is_none() {
                errln!("report: nir report {} --out report.html", self.question.arguments());
            }
            return Ok(());
        };
        let of = page::Make {
            question: self.question,
            results: &[],
            measured,
            columns,
            manifests: &asked.manifests,
            library: self.library,
            explain: false,
        };
        page::write(&page::make(&of, app)?, Some(path), None)
    }
}

fn write_run(args: &Args, column: &Column, pipeline: &Pipeline, finished: &Finished) -> Result<()> {
    let bytes = || {
        std::fs::read(&finished.run_file).with_context(|| finished.run_file.display().to_string())
    };
    if let Some(path) = &args.run {
        write_whole(path, bytes()?)?;
    }
    if let Some(runs) = &args.runs {
        let name = format!("{}.trec", pipeline.method.name);
        write_whole(&runs.join(&column.data.name).join(name), bytes()?)?;
    }
    Ok(())
}

/// Prints the tables to standard output, or to standard error if the ranking goes to standard output.
fn print_page(args: &Args, page: &str) -> Result<()> {
    if args.run.as_deref().is_some_and(is_standard_output) {
        err!("{page}");
        return Ok(());
    }
    print(page)
}

/// Writes a result and its figures query by query, unless the files already say the same, or are of a commit and this program
/// is not.
fn keep(results: &Path, outcome: &Outcome) -> Result<()> {
    let path = results.join(outcome.cell.path());
    let before: Option<Cell> =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if before.as_ref().is_some_and(|before| before.agrees_with(&outcome.cell)) {
        return Ok(());
    }
    if let Some(before) = before {
        let (was, is) = (&before.provenance, &outcome.cell.provenance);
        if was.is_of_commit() && !is.is_of_commit() {
            let (path, commit) = (path.display(), &was.commit);
            errln!(
                "{path}: keeps the result of commit {commit}: this program was built from code that no commit has; commit it and build again, or name another folder with --results"
            );
            return Ok(());
        }
        errln!("{}: {}", path.display(), changes(&before, &outcome.cell));
    }
    write_whole(&path.with_extension("queries.tsv"), outcome.per_query.to_string())?;
    write_whole(&path, serde_json::to_string_pretty(&outcome.cell)? + "\n")
}

/// Describes how a result differs from the one that it replaces.
fn changes(before: &Cell, after: &Cell) -> String {
    let moved = after.measures.iter().filter_map(|(name, now)| {
        let was = before.measures.get(name)?.value;
        (was != now.value).then(|| format!("{name} {was:.4} -> {:.4}", now.value))
    });
    let moved: Vec<String> = moved.collect();
    let what = if moved.is_empty() {
        "other inputs, the same figures".to_owned()
    } else {
        moved.join(", ")
    };
    format!("replaces the result of commit {}: {what}", before.provenance.commit)
}
