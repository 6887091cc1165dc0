//! `nir report`: a comparison to publish, from results that are there.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Library, Method, read_cells};
use nir_core::{Contribution, Match, Queries, Query, TrecRun};
use nir_data::{Dataset, Manifests, check_output, is_standard_output};
use nir_report::{AtHand, Format, Part, Parts, Question, Report, Sources, report_text};

use super::bench;
use super::run::{library_with, method_of, target};
use crate::cache::{Cache, write_whole};
use crate::engine::{Engine, Pipeline};
use crate::models;
use crate::output::{errln, print};
use crate::progress::{Bars, Hushable};
use crate::root::Root;

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
    /// The folder of results; of this checkout if not given.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let root = Root::find()?;
    let library = root.library()?;
    let results = args.results.clone().or_else(|| root.results());
    let results = results.context("this is no checkout: name the folder with --results")?;
    let (question, methods) = question(args, &library)?;
    let report = make(&question, &results, &library_with(library, &methods), &root)?;
    write(&report, args.out.as_deref(), args.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Collects what `results` and the cache have of a question.
pub(crate) fn make(
    question: &Question,
    results: &Path,
    library: &Library,
    root: &Root,
) -> Result<Report> {
    let sources = Local {
        cache: Cache::open()?,
        manifests: root.manifests()?,
        library,
        runs: OnceCell::new(),
    };
    Ok(Report::new(question, results, &read_cells(results)?, library, &sources)?)
}

/// Writes a report to a file, to a folder in every format, or to standard output.
pub(crate) fn write(report: &Report, out: Option<&Path>, format: Option<Format>) -> Result<()> {
    let Some(out) = out.filter(|out| !is_standard_output(out)) else {
        return print(report_text(report, format.unwrap_or(Format::Markdown)));
    };
    if is_folder(out) {
        let formats = format.map_or(Format::ALL.to_vec(), |format| vec![format]);
        return formats.into_iter().try_for_each(|format| {
            let path = out.join("report").with_extension(format.extension());
            put(&path, &report_text(report, format))
        });
    }
    put(out, &report_text(report, file_format(out, format)?))
}

/// Refuses what [`write`] cannot write to.
pub(crate) fn check(out: &Path, format: Option<Format>) -> Result<()> {
    if !is_folder(out) {
        check_output(out)?;
        file_format(out, format)?;
    }
    Ok(())
}

fn is_folder(out: &Path) -> bool {
    out.is_dir() || out.to_string_lossy().ends_with('/')
}

fn put(path: &Path, text: &str) -> Result<()> {
    write_whole(path, text)?;
    errln!("report: {}", path.display());
    Ok(())
}

fn file_format(path: &Path, format: Option<Format>) -> Result<Format> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let Some(format) = format.or_else(|| Format::of_extension(&extension)) else {
        bail!(
            "{}: its extension names no format: expected one of html, md, tex, csv, json, or --format",
            path.display()
        );
    };
    Ok(format)
}

/// What is asked, and the methods that it asks about, where no comparison names them.
fn question(args: &Args, library: &Library) -> Result<(Question, Vec<Method>)> {
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
        return Ok((Question::of_sweep(&bench::sweep(what, library)?), Vec::new()));
    }
    if args.on.is_empty() {
        bail!(
            "on which dataset? Add --on pocket; `nir list --methods` shows methods, configs/*.toml are comparisons"
        );
    }
    let progress = Arc::new(Hushable::new(Arc::new(Bars::default())));
    let models = models::Args::at_hand().models(progress)?;
    let methods = args.what.iter().map(|what| method_of(what, library, &models));
    let methods = methods.collect::<Result<Vec<Method>>>()?;
    let names = methods.iter().map(|method| method.name.clone()).collect();
    let measures = args.measures.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    Ok((Question::by_hand(&args.what, names, args.on.clone(), measures), methods))
}

/// Whether a file is a sweep: it has points and no stages.
fn is_sweep(what: &str) -> bool {
    let table =
        std::fs::read_to_string(what).ok().and_then(|text| text.parse::<toml::Table>().ok());
    table.is_some_and(|table| !table.contains_key("stage"))
}

/// The name of a comparison or method, by its path in a checkout or alone.
pub(crate) fn comparison_name(what: &str) -> &str {
    what.strip_prefix("configs/").unwrap_or(what).trim_end_matches(".toml")
}

/// This machine's cache.
struct Local<'a> {
    cache: Cache,
    manifests: Manifests,
    library: &'a Library,
    /// Run files by their digest, which is what a cell names; read when the first is asked for.
    runs: OnceCell<HashMap<String, PathBuf>>,
}

impl Local<'_> {
    fn runs(&self) -> HashMap<String, PathBuf> {
        // A cache that cannot be read has no runs to show; the report says that they are not here.
        self.cache.run_files().unwrap_or_default().into_iter().collect()
    }

    /// The parts of scores, if the ranking they are of is in the cache, and with it all that is needed.
    fn parts_at_hand(
        &self,
        method: &str,
        dataset: &str,
        query_ids: &[&str],
        top: usize,
    ) -> Result<Parts> {
        let method = self.library.methods.get(method).context("a method of the program's own")?;
        let pipeline = Pipeline::new(method, self.library)?;
        let dataset = Dataset::open(self.cache.data(), self.manifests.get(dataset)?)?;
        let target = target(&dataset);
        let progress = Arc::new(Hushable::new(Arc::new(Bars::default())));
        let at_hand = models::Args::at_hand();
        let models = at_hand.models(Arc::clone(&progress) as _)?;
        let engine = Engine { cache: &self.cache, progress, models, backend: at_hand.backend()? };
        if !engine.is_cached(&pipeline, &target)? {
            return Ok(Parts::new());
        }
        let asked = |query: &&Query| query_ids.contains(&query.query_id.as_str());
        let queries = Queries::new(dataset.queries.iter().filter(asked).cloned().collect())?;
        let mut parts = Parts::new();
        for answer in engine.ask(&pipeline, &target, &queries, top)? {
            for hit in &answer.hits {
                let doc_id = dataset.corpus.doc_id(hit.doc).to_owned();
                let seen = hit.parts.iter().filter_map(|one| part(one, &pipeline)).collect();
                parts.insert((answer.query.query_id.clone(), doc_id), seen);
            }
        }
        Ok(parts)
    }
}

/// A part of a score in few words; none for a score of the whole.
fn part(contribution: &Contribution, pipeline: &Pipeline) -> Option<Part> {
    let what = match &contribution.of {
        Match::Term { term, .. } => term.clone(),
        Match::Tokens { query, document } => format!("{query} ~ {document}"),
        Match::Input { number, rank } => {
            format!("{} rank {rank}", pipeline.inputs[*number].method.name)
        }
        Match::Texts => return None,
    };
    Some(Part { what, score: contribution.score })
}

impl Sources for Local<'_> {
    fn with_dataset(&self, name: &str, read: &mut dyn FnMut(&AtHand<'_>)) -> Result<(), String> {
        let manifest = self.manifests.get(name).map_err(|error| error.to_string())?;
        let dataset =
            Dataset::open(self.cache.data(), manifest).map_err(|error| error.to_string())?;
        read(&AtHand {
            digest: dataset.digest.hex(),
            corpus: &*dataset.corpus,
            queries: &dataset.queries,
            qrels: &dataset.qrels,
            labels: &dataset.labels,
        });
        Ok(())
    }

    fn run(&self, digest: &str) -> Option<TrecRun> {
        let path = self.runs.get_or_init(|| self.runs()).get(digest)?;
        nir_data::trec::read_run(path).ok()
    }

    fn parts(&self, method: &str, dataset: &str, query_ids: &[&str], top: usize) -> Parts {
        self.parts_at_hand(method, dataset, query_ids, top).unwrap_or_default()
    }
}
