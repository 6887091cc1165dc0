//! `nir coverage`: the whole list, and what of it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use nir_catalogue::read_cells;
use nir_report::{CoveragePage, Format, coverage_text};

use crate::app::App;
use crate::output::print;
use crate::output::write_whole;

/// Show every entry of the list of papers and how far it can be run: as a web page, as JSON, or as Markdown.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir coverage --out coverage.html
  nir coverage --format json | jq '.entries[] | select(.progress == \"open_with_weights\") | .paper.key'")]
pub(crate) struct Args {
    /// The file to write; if not given, standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The format: html, markdown or json. If not given, the extension of --out decides; without either it is markdown.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The folder of results; if not given, results/ of your own folder, or the cache if you have no folder.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let (library, cells) = (app.library()?, read_cells(&app.results(args.results.as_ref())?)?);
    let extension = args.out.as_deref().and_then(|path| path.extension()?.to_str());
    let format = args.format.or_else(|| extension.and_then(Format::of_extension));
    let format = format.unwrap_or(Format::Markdown);
    let Some(text) = coverage_text(&CoveragePage::new(&library, &cells), format) else {
        bail!("coverage is not written as {format}: expected one of html, markdown, json");
    };
    match &args.out {
        Some(path) => write_whole(path, text)?,
        None => print(text)?,
    }
    Ok(ExitCode::SUCCESS)
}
