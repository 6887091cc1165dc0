//! `nir fetch`: brings a dataset into the cache.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use nir_data::{Cache, Dataset, Fetch, Fetched, Licence, Manifests, Patience};

use crate::app::App;
use crate::output::{err, errln, outln};
use crate::progress::Bars;
use crate::table::grouped;
use crate::terminal::warn;

/// Fetch datasets: official files, verified, imported once and counted.
///
/// A download that was interrupted goes on where it ended. `nir datasets` lists what can be fetched.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir fetch beir-scifact --accept-licence
  nir fetch msmarco-passage-dev --from ~/Downloads
  nir fetch msmarco-passage-mini-dl19 --from folder-with-collection.tsv.gz")]
pub(crate) struct Args {
    /// The datasets.
    #[arg(required = true, value_name = "DATASET")]
    names: Vec<String>,
    /// Take files from this folder: official ones, or docs.tsv or collection.tsv (perhaps .gz) with queries and qrels.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Download nothing.
    #[arg(long)]
    offline: bool,
    /// Import again what is there.
    #[arg(long)]
    again: bool,
    /// Accept the licences; they are shown, and remembered as accepted.
    #[arg(long, alias = "accept-license")]
    accept_licence: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let (manifests, cache) = (app.home.datasets()?, Cache::of_user()?);
    for name in &args.names {
        manifests.get(name)?;
    }
    for name in &args.names {
        fetch(args, &manifests, &cache, name)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fetch(args: &Args, manifests: &Manifests, cache: &Cache, name: &str) -> Result<()> {
    let bars = Bars::default();
    let fetch = Fetch {
        from: args.from.as_deref(),
        offline: args.offline,
        again: args.again,
        accept: &|licence| accept(name, licence, args.accept_licence),
        patience: Patience::INTERNET,
        progress: &bars,
    };
    let fetched = fetch.dataset(manifests, name, cache)?;
    let dataset = Dataset::open(cache, manifests.get(name)?)
        .with_context(|| format!("`{name}` was fetched and cannot be opened"))?;
    warn(&dataset.notes);
    outln!("{}", describe(&dataset, &fetched))?;
    Ok(())
}

/// Shows a licence and asks for it, on a terminal; elsewhere only the option accepts.
fn accept(name: &str, licence: &Licence, accepted: bool) -> bool {
    let terminal = std::io::stdin().is_terminal();
    if accepted || terminal {
        errln!("licence of {name}: {} ({})\n  {}", licence.name, licence.url, licence.note);
    }
    accepted || (terminal && ask())
}

fn ask() -> bool {
    err!("accept it? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stderr().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn describe(dataset: &Dataset, fetched: &Fetched) -> String {
    let state = match fetched {
        Fetched::Embedded => "comes with the program",
        Fetched::AlreadyHere => "is here already",
        Fetched::Imported => "is here now",
    };
    let outside = match dataset.judged_outside() {
        0 => String::new(),
        n => format!(" ({} judged documents are outside)", grouped(n)),
    };
    let origin = match fetched {
        Fetched::Embedded => String::new(),
        _ => format!("; from {}", dataset.corpus_origin.kind()),
    };
    format!(
        "{} {state}: {} documents{outside}, {} queries, {} judgements{origin}",
        dataset.name,
        grouped(dataset.corpus.len()),
        grouped(dataset.queries.len()),
        grouped(dataset.qrels.judgements())
    )
}
