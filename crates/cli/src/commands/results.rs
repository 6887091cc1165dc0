//! `nir results`: the leaderboard from the cells.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use nir_catalogue::{leaderboard, read_cells};

use crate::app::App;
use crate::output::errln;
use crate::output::write_whole;

/// Write results/README.md, the leaderboard, from the results beside it.
#[derive(clap::Args)]
#[command(
    after_help = "Example: nir results --check   # for CI: fails if the page is not up to date"
)]
pub(crate) struct Args {
    /// The folder of results; if not given, results/ of your own folder, or the cache if you have no folder.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Write nothing, and fail if the page is not what would be written.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let folder = app.results(args.results.as_ref())?;
    let page = leaderboard(&*app.library()?, &read_cells(&folder)?);
    let path = folder.join("README.md");
    if args.check {
        compare(&path, &page)
    } else {
        write_whole(&path, page).map(|()| ExitCode::SUCCESS)
    }
}

fn compare(path: &Path, page: &str) -> Result<ExitCode> {
    let written = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    if written == page {
        return Ok(ExitCode::SUCCESS);
    }
    errln!("error: {} is not up to date: run `nir results`", path.display());
    Ok(ExitCode::FAILURE)
}
