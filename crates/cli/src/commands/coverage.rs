//! `nir coverage`: the whole list, and what of it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use nir_catalogue::read_cells;
use nir_report::{CoveragePage, Format, coverage_text};

use crate::cache::write_whole;
use crate::output::print;
use crate::root::Root;

/// Show the whole list and what of it runs: as a page, as JSON, or as Markdown with runnable entries.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir coverage --out coverage.html
  nir coverage --format json | jq '.entries[] | select(.progress == \"open_with_weights\") | .paper.key'")]
pub(crate) struct Args {
    /// The file to write; standard output if not given.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to write it: html, markdown or json; what the file's extension says if not given, else markdown.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The folder of results; of this checkout if not given.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let root = Root::find()?;
    let results = args.results.clone().or_else(|| root.results());
    let cells = results.map(|folder| read_cells(&folder)).transpose()?.unwrap_or_default();
    let extension = args.out.as_deref().and_then(|path| path.extension()?.to_str());
    let format = args.format.or_else(|| extension.and_then(Format::of_extension));
    let format = format.unwrap_or(Format::Markdown);
    let Some(text) = coverage_text(&CoveragePage::new(&root.library()?, &cells), format) else {
        bail!("coverage is not written as {format}: expected one of html, markdown, json");
    };
    match &args.out {
        Some(path) => write_whole(path, text)?,
        None => print(text)?,
    }
    Ok(ExitCode::SUCCESS)
}
