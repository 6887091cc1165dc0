//! A report: made of results and of what the cache has, written in its formats.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Cell, read_cells};
use nir_core::{Contribution, Match, Queries, Query, TrecRun};
use nir_data::{Dataset, Manifests, check_output, is_standard_output};
use nir_engine::{Cache, Column, Engine, Library, Pipeline, judged};
use nir_report::{AtHand, Format, Measured, Part, Parts, Question, Report, Sources, report_text};

use crate::app::App;
use crate::models;
use crate::output::{errln, print, write_whole};

/// What a report is made of, and whether models may run for it.
pub(crate) struct Make<'a> {
    /// What is asked.
    pub(crate) question: &'a Question,
    /// The folders where results were looked for, for an error.
    pub(crate) results: &'a [PathBuf],
    /// The results.
    pub(crate) measured: &'a [Measured],
    /// The datasets that are open already; a user's own files are among them.
    pub(crate) columns: &'a [Column],
    /// The manifests of all others.
    pub(crate) manifests: &'a Manifests,
    /// Every config.
    pub(crate) library: &'a Library,
    /// Whether models run to tell the parts of their scores.
    pub(crate) explain: bool,
}

/// Makes a report of results and of what the cache has.
pub(crate) fn make(of: &Make<'_>, app: &App) -> Result<Report> {
    let sources = Local { app, cache: App::cache()?, of, runs: OnceCell::new() };
    let folder = of.results.last().map_or(Path::new(""), PathBuf::as_path);
    Ok(Report::new(of.question, folder, of.measured, of.library, &sources)?)
}

/// What the cache has of these methods over these datasets: this machine's own runs with their cost, measured now, so that
/// every measure that is asked for is there. Nothing is run. A method with a model may have one in each precision.
pub(crate) fn at_hand(
    question: &Question,
    engines: &[Engine],
    pipelines: &[Pipeline],
    columns: &[Column],
) -> Result<Vec<Measured>> {
    let mut found = Vec::new();
    for column in columns {
        for pipeline in pipelines {
            for engine in engines {
                // Weights that are not on this machine have no digest: nothing was run with them here.
                if !engine.is_cached(pipeline, &column.target).unwrap_or(false) {
                    continue;
                }
                let finished = engine.rank(pipeline, &column.target)?;
                let outcome = engine.measure(pipeline, column, finished, &question.measures)?;
                let (cell, per_query) = outcome.with_shown();
                let has_model = cell.precision.is_some();
                found.push(Measured { cell, per_query });
                if !has_model {
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// Adds the results of folders that answer a question and are not `found` already; an earlier folder's count before a later's.
pub(crate) fn add_kept(
    question: &Question,
    folders: &[PathBuf],
    found: &mut Vec<Measured>,
) -> Result<()> {
    let names = |cell: &Cell| (cell.dataset.clone(), cell.method.clone(), cell.precision.clone());
    for folder in folders {
        for cell in read_cells(folder)? {
            let is_asked = question.datasets.contains(&cell.dataset)
                && question.methods.contains(&cell.method);
            if is_asked && !found.iter().any(|one| names(&one.cell) == names(&cell)) {
                found.push(Measured::read(folder, cell)?);
            }
        }
    }
    Ok(())
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

/// Refuses a path that [`write`] cannot write to.
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
            "{}: its extension names no format: expected one of html, md, tex, csv, json, svg, or --format",
            path.display()
        );
    };
    Ok(format)
}

/// What a report reads from this machine's cache.
struct Local<'a> {
    app: &'a App,
    cache: Cache,
    of: &'a Make<'a>,
    /// The paths of run files by the digests that results name; read when the first is asked for.
    runs: OnceCell<HashMap<String, PathBuf>>,
}

impl<'a> Local<'a> {
    /// A dataset that is open already.
    fn open(&self, name: &str) -> Option<&'a Column> {
        self.of.columns.iter().find(|column| column.data.name == name)
    }

    fn runs(&self) -> HashMap<String, PathBuf> {
        // A cache that cannot be read has no runs to show; the report says that they are not here.
        self.cache.run_files().unwrap_or_default().into_iter().collect()
    }

    /// The parts of the scores of a ranking, if the cache holds the ranking and everything that explaining it needs. Those
    /// of a model's scores only where models may run.
    fn parts_at_hand(
        &self,
        method: &str,
        dataset: &str,
        query_ids: &[&str],
        top: usize,
    ) -> Result<Parts> {
        let library = self.of.library;
        let method = library.methods.get(method).context("a method of the program's own")?;
        let pipeline = library.read(method)?;
        if pipeline.has_model() && !self.of.explain {
            return Ok(Parts::new());
        }
        let engine = self.app.engine(&models::Args::at_hand())?;
        let opened;
        let Column { data: dataset, target, .. } = if let Some(column) = self.open(dataset) {
            column
        } else {
            opened = engine.dataset(self.of.manifests.get(dataset)?)?;
            &opened
        };
        if !engine.is_cached(&pipeline, target)? {
            return Ok(Parts::new());
        }
        let asked = |query: &&Query| query_ids.contains(&query.query_id.as_str());
        let queries = Queries::new(dataset.queries.iter().filter(asked).cloned().collect())?;
        let mut parts = Parts::new();
        for answer in engine.ask(&pipeline, target, &queries, top)? {
            for hit in &answer.hits {
                let doc_id = dataset.corpus.doc_id(hit.doc).to_owned();
                let seen = hit.parts.iter().filter_map(|one| part(one, &pipeline)).collect();
                parts.insert((answer.query.query_id.clone(), doc_id), seen);
            }
        }
        Ok(parts)
    }
}

/// A part of a score as a short text; `None` for a score that has no parts.
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

fn shown(dataset: &Dataset) -> AtHand<'_> {
    AtHand {
        digest: dataset.digest.hex(),
        corpus: &*dataset.corpus,
        queries: &dataset.queries,
        judged: judged(dataset),
        labels: &dataset.labels,
    }
}

impl Sources for Local<'_> {
    fn with_dataset(&self, name: &str, read: &mut dyn FnMut(&AtHand<'_>)) -> Result<(), String> {
        if let Some(open) = self.open(name) {
            read(&shown(&open.data));
            return Ok(());
        }
        let manifest = self.of.manifests.get(name).map_err(|error| error.to_string())?;
        let dataset =
            Dataset::open(self.cache.data(), manifest).map_err(|error| error.to_string())?;
        read(&shown(&dataset));
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
