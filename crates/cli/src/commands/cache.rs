//! `nir cache`: what was built and kept.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::cache::{Cache, Item, KINDS};

/// Show or clear what was built and kept.
///
/// Everything here can be made again. The cache lies in `NIR_CACHE`, else in the platform's cache folder.
#[derive(clap::Args)]
#[command(after_help = "Example: nir cache clear runs")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// List every index and run, with its size and what it was made from (the default).
    Show,
    /// Remove vectors, indexes, runs, or all of them; datasets that were fetched stay.
    Clear {
        /// What to remove.
        #[arg(value_enum, default_value = "all")]
        what: What,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// What encoders made of documents.
    Vectors,
    /// Inverted indexes and other search structures.
    Indexes,
    /// Rankings, also those between two stages.
    Runs,
    /// All.
    All,
}

impl What {
    fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Vectors => &["vectors"],
            Self::Indexes => &["indexes"],
            Self::Runs => &["runs", "stages"],
            Self::All => &KINDS,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let cache = Cache::open()?;
    match args.action {
        None | Some(Action::Show) => show(&cache)?,
        Some(Action::Clear { what }) => clear(&cache, what)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(cache: &Cache) -> Result<()> {
    let items = cache.items()?;
    for Item { kind, key, recipe, bytes } in &items {
        let first = recipe.lines().next().unwrap_or_default();
        println!("{kind:8} {key}  {:>10}  {first}", size(*bytes));
    }
    let total = items.iter().map(|item| item.bytes).sum();
    println!("{} things, {} in {}", items.len(), size(total), cache.folder().display());
    Ok(())
}

fn clear(cache: &Cache, what: What) -> Result<()> {
    let items = cache.items()?;
    let gone: Vec<&Item> =
        items.iter().filter(|item| what.kinds().contains(&item.kind.as_str())).collect();
    for kind in what.kinds() {
        cache.clear(kind)?;
    }
    println!("removed {} things, {}", gone.len(), size(gone.iter().map(|item| item.bytes).sum()));
    Ok(())
}

fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
