//! `nir run`: runs methods over datasets and measures them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Cell, Method, leaderboard, read_cells};
use nir_data::{Dataset, Source, check_output, is_standard_output};
use nir_engine::checkpoint::is_of_checkpoint;
use nir_engine::{Column, Engine, Finished, Library, Models, Outcome, Pipeline};
use nir_report::{Means, Question, ir_metadata};

use crate::app::App;
use crate::compare::{self, Plan};
use crate::input::check_standard_input;
use crate::models;
use crate::named::{comparison_name, method_of};
use crate::output::{err, errln, print, write_whole};
use crate::page;
use crate::progress::Bars;
use crate::table::Table;
use crate::terminal::warn;

/// Run methods over datasets, measure them, and compare them.
///
/// WHAT is a comparison (configs/quickstart.toml), or one or more methods: a name (lexical/bm25), the file of your own
/// method (./mine.toml), or a checkpoint (file:FOLDER, hf:org/name), which is run as its own files describe. What was
/// computed before is read from the cache and not computed again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir run configs/quickstart.toml
  nir run lexical/bm25 feedback/bm25-rm3 --on pocket,toy
  nir run lexical/bm25 --corpus docs.tsv.gz --queries queries.tsv --qrels qrels.txt --run out.trec
  nir run lexical/bm25 --corpus beir-folder/ --run -
  nir run lexical/bm25 file:models/all-MiniLM-L6-v2 --on pocket")]
pub(crate) struct Args {
    /// A comparison, or one or more methods; the first method is the baseline of the others.
    #[arg(required = true)]
    what: Vec<String>,
    /// The names of the datasets to run over, separated by commas; required where WHAT names methods and --corpus is
    /// not given.
    #[arg(long, value_delimiter = ',', value_name = "DATASET")]
    on: Vec<String>,
    /// Run over your own documents: TSV, JSON lines, parquet or TREC mark-up, recognised by content. They may be plain
    /// or compressed (gzip, zstd, bzip2, xz), a member of an archive (docs.zip!corpus.jsonl), a folder in BEIR's
    /// layout, or a folder whose files are all documents; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "on")]
    corpus: Option<Source>,
    /// Your own queries: TSV, JSON lines, parquet or TREC topics. May be left out where --corpus is a folder in BEIR's
    /// layout.
    #[arg(long, value_name = "FILE", requires = "corpus")]
    queries: Option<Source>,
    /// Your own judgements in TREC's or BEIR's format or in parquet; without them nothing is measured. Judgements of
    /// unknown queries or documents are counted, and refused if none is known.
    #[arg(long, value_name = "FILE", requires = "corpus")]
    qrels: Option<Source>,
    /// A measure to compute instead of the dataset's own, such as nDCG@10 (repeatable).
    #[arg(long = "measure", short, value_name = "MEASURE")]
    measures: Vec<String>,
    /// Write the ranking of one method over one dataset to this file; - is standard output. A name that ends in .gz or
    /// .zst is compressed. A device, a pipe or >(a program) is written to directly; a symbolic link is followed.
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// Write every ranking below this folder, with its description in the fields of ir_metadata beside it.
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// The folder that results are written to; if not given, results/ of your own folder, or the cache if you have no
    /// folder.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Write a report of this run: a page (FILE.html), or another format by its extension; see `nir report`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["corpus", "plan"])]
    report: Option<PathBuf>,
    /// Print what the cache holds and what would have to be computed, and compute nothing.
    #[arg(long)]
    plan: bool,
    /// The number of threads to search with; if not given, one for each core. Rankings do not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    models: models::Args,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let library = app.library()?;
    let engine = app.engine(&args.models)?;
    let (methods, question) = resolve(args, &library, engine.models())?;
    for method in methods.iter().filter(|method| is_of_checkpoint(method)) {
        errln!("{}", method.source.text());
    }
    let pipelines =
        methods.iter().map(|method| library.read(method)).collect::<Result<Vec<_>>>()?;
    let columns = columns(args, app, &engine, &question.datasets)?;
    check_outputs(args, &pipelines, &columns)?;
    let table = plan_table(&engine, &pipelines, &columns)?;
    if args.plan {
        print(table.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    errln!("{table}");
    let results = app.results(args.results.as_ref())?;
    for column in &columns {
        run_column(args, &engine, &pipelines, column, &question, &results, &library)?;
    }
    if columns.iter().any(|column| column.is_named) {
        write_whole(&results.join("README.md"), leaderboard(&library, &read_cells(&results)?))?;
        let engines = std::slice::from_ref(&engine);
        let measured = page::at_hand(&question, engines, &pipelines, &columns)?;
        if let Some(means) = Means::of(&question, &measured) {
            print_page(args, &compare::means(&means))?;
        }
        let library = &library.with(&methods);
        let (question, results) = (&question, results.as_path());
        let (measured, columns) = (&measured[..], &columns[..]);
        let of = page::Make { question, results, measured, columns, library, explain: false };
        publish(args, &of, app)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the report, or prints the command that would write one.
fn publish(args: &Args, of: &page::Make<'_>, app: &App) -> Result<()> {
    let Some(path) = &args.report else {
        errln!("report: nir report {} --out report.html", of.question.arguments());
        return Ok(());
    };
    page::write(&page::make(of, app)?, Some(path), None)
}

/// The methods to run, and the question that their results answer: datasets, measures and the baseline.
fn resolve(args: &Args, library: &Library, models: &Models) -> Result<(Vec<Method>, Question)> {
    if let [what] = &args.what[..]
        && let Some(comparison) = library.comparisons.get(comparison_name(what))
    {
        if !args.on.is_empty() || args.corpus.is_some() || !args.measures.is_empty() {
            bail!(
                "`{what}` says itself which datasets and measures it takes; --on, --corpus and --measure are for methods"
            );
        }
        let named = |name: &toml::Spanned<String>| {
            library.methods.get(name.as_ref()).cloned().ok_or_else(|| {
                comparison.source.error_at(name.span(), format!("`{}` is no method", name.as_ref()))
            })
        };
        let methods = comparison.methods.iter().map(named).collect::<Result<_, _>>()?;
        return Ok((methods, Question::of(comparison)?));
    }
    let methods = args
        .what
        .iter()
        .map(|what| method_of(what, library, models))
        .collect::<Result<Vec<Method>>>()?;
    if args.on.is_empty() && args.corpus.is_none() {
        bail!(
            "on which dataset? Add --on pocket, or --corpus with your own documents; `nir datasets` lists what there is"
        );
    }
    let names = methods.iter().map(|method| method.name.clone()).collect();
    let measures = args.measures.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    Ok((methods, Question::by_hand(&args.what, names, args.on.clone(), measures)))
}

fn columns(args: &Args, app: &App, engine: &Engine, names: &[String]) -> Result<Vec<Column>> {
    if let Some(corpus) = &args.corpus {
        return Ok(vec![own(args, corpus, engine)?]);
    }
    names.iter().map(|name| app.column(engine, name)).collect()
}

/// Opens the user's own files as a dataset.
fn own(args: &Args, corpus: &Source, engine: &Engine) -> Result<Column> {
    let given = [
        ("--corpus", Some(corpus)),
        ("--queries", args.queries.as_ref()),
        ("--qrels", args.qrels.as_ref()),
    ];
    let given = given.into_iter().filter_map(|(name, source)| Some((name, source?.path.as_path())));
    check_standard_input(given)?;
    let (queries, qrels) = (args.queries.as_ref(), args.qrels.as_ref());
    let cache = engine.cache().data();
    let dataset = Dataset::from_files(cache, corpus, queries, qrels, &Bars::default())?;
    warn(&dataset.notes);
    Column::own(dataset)
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
    let written = args.run.is_some() || args.runs.is_some();
    if !written && columns.iter().any(|column| column.data.qrels.is_empty()) {
        bail!(
            "without judgements there is nothing to measure: give --qrels, or --run FILE for the ranking"
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

fn run_column(
    args: &Args,
    engine: &Engine,
    pipelines: &[Pipeline],
    column: &Column,
    question: &Question,
    results: &Path,
    library: &Library,
) -> Result<()> {
    let finished = pipelines
        .iter()
        .map(|pipeline| engine.rank(pipeline, &column.target))
        .collect::<Result<Vec<_>>>()?;
    for (pipeline, finished) in pipelines.iter().zip(&finished) {
        write_run(args, column, pipeline, finished)?;
    }
    if column.data.qrels.is_empty() {
        return Ok(());
    }
    let plan = Plan::of(question);
    let measure =
        |(pipeline, finished)| engine.measure(pipeline, column, finished, &question.measures);
    let outcomes = pipelines.iter().zip(finished).map(measure).collect::<Result<Vec<_>>>()?;
    if let Some(runs) = &args.runs {
        for (pipeline, outcome) in pipelines.iter().zip(&outcomes) {
            let Cell { method, paper, dataset, .. } = &outcome.cell;
            let (paper, homepage) = (library.papers.get(paper), &column.data.card.homepage);
            let text = ir_metadata(&outcome.cell, &pipeline.method, paper, homepage, question);
            write_whole(&runs.join(dataset).join(format!("{method}.ir_metadata.yaml")), text)?;
        }
    }
    if column.is_named {
        outcomes.iter().try_for_each(|outcome| keep(results, outcome))?;
    }
    print_page(args, &plan.page(column.data.name.as_str(), &outcomes, library)?)
}

/// Writes a ranking to the file or folder that the user named.
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

/// Writes a result and its values for each query, unless the files already hold the same.
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
