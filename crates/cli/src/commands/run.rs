//! `nir run`: methods over datasets, measured.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Cell, Library, Method, Scope as CellScope, leaderboard, read_cells};
use nir_data::{Dataset, Manifests, Scope, Source, check_output, is_standard_output};
use nir_report::{Question, ir_metadata};

use super::report::{self, comparison_name};
use crate::cache::{Cache, write_whole};
use crate::checkpoint::{self, is_of_checkpoint};
use crate::compare::{Outcome, Plan};
use crate::engine::{Engine, Finished, Pipeline, Target};
use crate::input::check_standard_input;
use crate::models::{self, Models};
use crate::names::did_you_mean;
use crate::output::{err, errln, print};
use crate::progress::{Bars, Hushable};
use crate::root::{Root, method_file};
use crate::table::Table;
use crate::terminal::warn;

/// Run methods over datasets and measure them.
///
/// WHAT is a comparison (configs/quickstart.toml), or one or more methods: lexical/bm25, the file of your own method
/// (./mine.toml), or a checkpoint (file:FOLDER, hf:org/name), which is run as its own files say.
/// Everything that was computed before is found in the cache and not computed again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir run configs/quickstart.toml
  nir run lexical/bm25 feedback/bm25-rm3 --on pocket,toy
  nir run lexical/bm25 --corpus docs.tsv.gz --queries queries.tsv --qrels qrels.txt --run out.trec
  nir run lexical/bm25 --corpus beir-folder/ --run -
  nir run lexical/bm25 file:models/all-MiniLM-L6-v2 --on pocket")]
pub(crate) struct Args {
    /// A comparison, or methods; the first method is the baseline.
    #[arg(required = true)]
    what: Vec<String>,
    /// Datasets, where WHAT names methods.
    #[arg(long, value_delimiter = ',', value_name = "DATASET")]
    on: Vec<String>,
    /// Your own documents instead: TSV, JSON lines, parquet or TREC's mark-up, told by content; plain or compressed (gzip,
    /// zstd, bzip2, xz), a member of an archive (docs.zip!corpus.jsonl), a folder in BEIR's layout, or a folder of which
    /// all files are documents; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "on")]
    corpus: Option<Source>,
    /// Your own queries: TSV, JSON lines, parquet or TREC topics; in BEIR's folder if not given.
    #[arg(long, value_name = "FILE", requires = "corpus")]
    queries: Option<Source>,
    /// Your own judgements, as TREC or BEIR write them, or parquet; without them nothing is measured. What does not fit
    /// the queries and documents is counted, and refused where nothing does.
    #[arg(long, value_name = "FILE", requires = "corpus")]
    qrels: Option<Source>,
    /// Measures in place of the dataset's own, such as nDCG@10 (repeatable).
    #[arg(long = "measure", short, value_name = "MEASURE")]
    measures: Vec<String>,
    /// Write the ranking of one method over one dataset to this file; - is standard output. A name that ends in .gz or
    /// .zst is compressed; a device, a pipe or >(a program) is written to, a link followed.
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    /// Write every ranking below this folder, and beside each what it says of itself in the fields of ir_metadata.
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,
    /// Where results are written; in a checkout its results folder, elsewhere nowhere if not given.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Write a report of what ran: a page (FILE.html), or another format by its extension; see `nir report`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["corpus", "plan"])]
    report: Option<PathBuf>,
    /// Say what is cached and what would run, and stop.
    #[arg(long)]
    plan: bool,
    /// Threads to search with; all cores if not given. The rankings are the same.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    models: models::Args,
}

/// One dataset with what it takes to run over it.
pub(super) struct Column {
    pub(super) dataset: Dataset,
    pub(super) target: Target,
    /// Whether it has a manifest, and so results to keep.
    named: bool,
    pub(super) scope: CellScope,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let root = Root::find()?;
    let library = root.library()?;
    let cache = Cache::open()?;
    let progress = Arc::new(Hushable::new(Arc::new(Bars::default())));
    let models = args.models.models(Arc::clone(&progress) as _)?;
    let (methods, question) = resolve(args, &library, &models)?;
    for method in methods.iter().filter(|method| is_of_checkpoint(method)) {
        errln!("{}", method.source.text());
    }
    let pipelines =
        methods.iter().map(|method| Pipeline::new(method, &library)).collect::<Result<Vec<_>>>()?;
    let columns = columns(args, &root, &cache, &question.datasets)?;
    check_outputs(args, &pipelines, &columns, root.folder().is_some())?;
    let engine = Engine { cache: &cache, progress, models, backend: args.models.backend()? };
    let table = plan_table(&engine, &pipelines, &columns)?;
    if args.plan {
        print(table.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    errln!("{table}");
    let results = args.results.clone().or_else(|| root.results());
    for column in &columns {
        run_column(args, &engine, &pipelines, column, &question, results.as_deref(), &library)?;
    }
    if let Some(results) = results.filter(|_| columns.iter().any(|column| column.named)) {
        write_whole(&results.join("README.md"), leaderboard(&library, &read_cells(&results)?))?;
        publish(args, &question, &results, &library_with(library, &methods), &root)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the report, or says how to.
fn publish(
    args: &Args,
    question: &Question,
    results: &Path,
    library: &Library,
    root: &Root,
) -> Result<()> {
    let Some(path) = &args.report else {
        errln!("report: nir report {} --out report.html", question.arguments());
        return Ok(());
    };
    report::write(&report::make(question, results, library, root)?, Some(path), None)
}

/// The methods, and how they are compared on what.
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

/// The program's methods, and those that are in files of their own or in checkpoints.
pub(super) fn library_with(mut library: Library, methods: &[Method]) -> Library {
    for method in methods {
        library.methods.entry(method.name.clone()).or_insert_with(|| method.clone());
    }
    library
}

/// A method by its name, by its path below `configs`, in a file of its own, or read out of a checkpoint.
pub(super) fn method_of(what: &str, library: &Library, models: &Models) -> Result<Method> {
    match checkpoint::is_checkpoint(what) {
        true => checkpoint::method(what, models),
        false => method(what, library),
    }
}

/// A method by its name, by its path below `configs`, or in a file of its own.
pub(super) fn method(what: &str, library: &Library) -> Result<Method> {
    let name = comparison_name(what);
    if let Some(method) = library.methods.get(name) {
        return Ok(method.clone());
    }
    if Path::new(what).is_file() {
        return method_file(Path::new(what));
    }
    if let Some(comparison) = library.comparisons.get(name) {
        let methods: Vec<&str> =
            comparison.methods.iter().map(|method| method.as_ref().as_str()).collect();
        bail!("`{what}` is a comparison: name one of its methods, {}", methods.join(", "));
    }
    if checkpoint::is_checkpoint(what) {
        bail!(
            "`{what}` is a checkpoint, and no config: `nir run`, `nir search`, `nir encode` and `nir report` take one, and \
             `nir new method dense/mine --from {what}` writes its config"
        );
    }
    let comparisons: Vec<String> =
        library.comparisons.keys().map(|name| format!("configs/{name}.toml")).collect();
    let beside = files_beside(Path::new(what));
    let known = library.methods.keys().chain(&comparisons).chain(&beside).map(String::as_str);
    let meant = did_you_mean(what, known).map(|meant| meant + " ").unwrap_or_default();
    bail!(
        "`{what}` is neither a method nor a file; {meant}`nir list --methods` shows all methods, configs/*.toml are comparisons"
    );
}

/// The configs in the folder of a path, as one would type them: what a misspelt one may have meant.
fn files_beside(path: &Path) -> Vec<String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(listed).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let configs = names.filter(|name| name.ends_with(".toml"));
    configs.map(|name| folder.join(name).display().to_string()).collect()
}

fn columns(args: &Args, root: &Root, cache: &Cache, names: &[String]) -> Result<Vec<Column>> {
    if let Some(corpus) = &args.corpus {
        return Ok(vec![own(args, corpus, cache)?]);
    }
    let manifests = root.manifests()?;
    names.iter().map(|name| column(&manifests, cache, name)).collect()
}

/// A dataset that has a manifest.
pub(super) fn column(manifests: &Manifests, cache: &Cache, name: &str) -> Result<Column> {
    let manifest = manifests.get(name)?;
    let dataset = Dataset::open(cache.data(), manifest)?;
    warn(&dataset.notes);
    let scope = match (manifest.card.scope, manifest.sample_of()) {
        (Scope::Sample, Some(whole)) => CellScope::SampleOf(whole.to_owned()),
        _ => CellScope::Full,
    };
    Ok(Column { target: target(&dataset), dataset, named: true, scope })
}

/// The user's own files as a dataset.
fn own(args: &Args, corpus: &Source, cache: &Cache) -> Result<Column> {
    let given = [
        ("--corpus", Some(corpus)),
        ("--queries", args.queries.as_ref()),
        ("--qrels", args.qrels.as_ref()),
    ];
    let given = given.into_iter().filter_map(|(name, source)| Some((name, source?.path.as_path())));
    check_standard_input(given)?;
    let (queries, qrels) = (args.queries.as_ref(), args.qrels.as_ref());
    let dataset = Dataset::from_files(cache.data(), corpus, queries, qrels, &Bars::default())?;
    warn(&dataset.notes);
    Ok(Column { target: target(&dataset), dataset, named: false, scope: CellScope::Full })
}

pub(super) fn target(dataset: &Dataset) -> Target {
    Target {
        corpus: Arc::clone(&dataset.corpus),
        corpus_digest: dataset.corpus_digest,
        queries: dataset.queries.clone(),
        exclude_query_id: dataset.card.exclude_query_id,
    }
}

fn check_outputs(
    args: &Args,
    pipelines: &[Pipeline],
    columns: &[Column],
    in_checkout: bool,
) -> Result<()> {
    if args.run.is_some() && (pipelines.len() > 1 || columns.len() > 1) {
        bail!(
            "--run writes one ranking, of one method over one dataset; use --runs DIR for several"
        );
    }
    if args.report.is_some() && args.results.is_none() && !in_checkout {
        bail!(
            "a report is made from results, and outside a checkout none are kept: name a folder with --results"
        );
    }
    args.run.iter().try_for_each(|path| check_output(path))?;
    args.report.iter().try_for_each(|path| report::check(path, None))?;
    [&args.runs, &args.results].into_iter().flatten().try_for_each(|path| check_folder(path))?;
    let written = args.run.is_some() || args.runs.is_some();
    if !written && columns.iter().any(|column| column.dataset.qrels.is_empty()) {
        bail!(
            "without judgements there is nothing to measure: give --qrels, or --run FILE for the ranking"
        );
    }
    Ok(())
}

/// A folder of output is one, or is not there yet.
fn check_folder(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        bail!("{}: this is a file: expected a folder", path.display());
    }
    Ok(())
}

fn plan_table(engine: &Engine<'_>, pipelines: &[Pipeline], columns: &[Column]) -> Result<Table> {
    let mut table = Table::new(["dataset", "documents", "queries", "method", "state"]);
    for column in columns {
        for pipeline in pipelines {
            let state =
                if engine.is_cached(pipeline, &column.target)? { "cached" } else { "will run" };
            let (documents, queries) = (column.dataset.corpus.len(), column.dataset.queries.len());
            let cells = [
                &column.dataset.name,
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
    engine: &Engine<'_>,
    pipelines: &[Pipeline],
    column: &Column,
    question: &Question,
    results: Option<&Path>,
    library: &Library,
) -> Result<()> {
    let finished = pipelines
        .iter()
        .map(|pipeline| engine.run(pipeline, &column.target))
        .collect::<Result<Vec<_>>>()?;
    for (pipeline, finished) in pipelines.iter().zip(&finished) {
        write_run(args, column, pipeline, finished)?;
    }
    if column.dataset.qrels.is_empty() {
        return Ok(());
    }
    let plan = Plan::of(question);
    let outcomes = plan.measure(&column.dataset, pipelines, finished, &column.scope)?;
    if let Some(runs) = &args.runs {
        for (pipeline, outcome) in pipelines.iter().zip(&outcomes) {
            let Cell { method, paper, dataset, .. } = &outcome.cell;
            let (paper, homepage) = (library.papers.get(paper), &column.dataset.card.homepage);
            let text = ir_metadata(&outcome.cell, &pipeline.method, paper, homepage, question);
            write_whole(&runs.join(dataset).join(format!("{method}.ir_metadata.yaml")), text)?;
        }
    }
    if let Some(results) = results.filter(|_| column.named) {
        for outcome in &outcomes {
            keep(results, outcome)?;
        }
    }
    print_page(args, &plan.page(column.dataset.name.as_str(), &outcomes, library)?)
}

/// Copies a ranking to where the user wants it.
fn write_run(args: &Args, column: &Column, pipeline: &Pipeline, finished: &Finished) -> Result<()> {
    let bytes = || {
        std::fs::read(&finished.run_file).with_context(|| finished.run_file.display().to_string())
    };
    if let Some(path) = &args.run {
        write_whole(path, bytes()?)?;
    }
    if let Some(runs) = &args.runs {
        let name = format!("{}.trec", pipeline.method.name);
        write_whole(&runs.join(&column.dataset.name).join(name), bytes()?)?;
    }
    Ok(())
}

/// Tables go to standard output, unless the ranking does.
fn print_page(args: &Args, page: &str) -> Result<()> {
    if args.run.as_deref().is_some_and(is_standard_output) {
        err!("{page}");
        return Ok(());
    }
    print(page)
}

/// Writes a result and its figures query by query, unless the files already say the same.
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

/// What is different in a result that is replaced.
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
