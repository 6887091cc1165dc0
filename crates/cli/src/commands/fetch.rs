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

/// Fetch datasets: download their official files, verify the checksums, import them and check the counts.
///
/// A download that was interrupted continues where it stopped. `nir datasets` lists all datasets.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir fetch beir-scifact --accept-licence
  nir fetch msmarco-passage-dev --from ~/Downloads
  nir fetch msmarco-passage-dl19 --candidates        what cross-encoder/minilm-l6-top-1000 reranks
  nir fetch msmarco-passage-mini-dl19 --from folder-with-collection.tsv.gz")]
pub(crate) struct Args {
    /// The names of the datasets to fetch (see `nir datasets`).
    #[arg(required = true, value_name = "DATASET")]
    names: Vec<String>,
    /// Read the files from this folder instead of downloading them: the official files, or docs.tsv or collection.tsv
    /// (also as .gz) with queries and judgements.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Use only files that are on this machine; download nothing.
    #[arg(long)]
    offline: bool,
    /// Import a dataset again although it is already there.
    #[arg(long)]
    again: bool,
    /// Fetch the candidates that are handed out with the datasets, such as the official first 1,000 documents of BM25,
    /// and not the datasets themselves. A method takes them with a first stage `use = "candidates"`.
    #[arg(long)]
    candidates: bool,
    /// Accept the licences of the datasets without being asked. Each licence is printed, and the acceptance is
    /// remembered.
    #[arg(long, alias = "accept-license")]
    accept_licence: bool,
}

/// Fetches each dataset that `args` names, after checking that all of the names are known.
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
    if args.candidates {
        for (list, fetched) in fetch.candidates(manifests, name, cache)? {
            outln!("{list}, candidates of {name}, {}", state(&fetched))?;
        }
        return Ok(());
    }
    let fetched = fetch.dataset(manifests, name, cache)?;
    let dataset = Dataset::open(cache, manifests.get(name)?)
        .with_context(|| format!("`{name}` was fetched and cannot be opened"))?;
    warn(&dataset.notes);
    outln!("{}", describe(&dataset, &fetched))?;
    Ok(())
}

/// Prints a licence and asks whether the user accepts it. Where standard input is not a terminal, only --accept-licence
/// accepts it.
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

/// What became of something that was asked for, after its name.
fn state(fetched: &Fetched) -> &'static str {
    match fetched {
        Fetched::Embedded => "comes with the program",
        Fetched::AlreadyHere => "is here already",
        Fetched::Imported => "is here now",
    }
}

fn describe(dataset: &Dataset, fetched: &Fetched) -> String {
    let state = state(fetched);
    let outside = match dataset.judged_outside() {
        0 => String::new(),
        n => format!(" ({} judged documents are outside)", grouped(n)),
    };
    let origin = match fetched {
        Fetched::Embedded => String::new(),
        _ => format!("; from {}", dataset.corpus_origin.kind()),
    };
    let judged = match dataset.answers.len() {
        0 => format!("{} judgements", grouped(dataset.qrels.judgements())),
        n => format!("{} of them with answers", grouped(n)),
    };
    format!(
        "{} {state}: {} documents{outside}, {} queries, {judged}{origin}",
        dataset.name,
        grouped(dataset.corpus.len()),
        grouped(dataset.queries.len()),
    )
}
