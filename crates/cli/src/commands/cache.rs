//! `nir cache`: shows, checks and clears the cache.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use nir_cache::Item;
use nir_core::Version;
use nir_engine::{Cache, KINDS, Kind, MADE_WITH, versions};

use crate::app::App;

use crate::output::print;

/// Show, check or clear the cache: the datasets, models, indexes, vectors and rankings that nir keeps between runs.
///
/// The cache is the folder that the environment variable `NIR_CACHE` names, else the cache folder of the platform.
/// Several programs may use it at the same time, also from containers and from other machines.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir cache
  nir cache verify
  nir cache prune
  nir cache clear runs
  nir cache clear everything")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// List everything in the cache with its size and what it was made from. This is the default.
    Show,
    /// Read every file of the cache and compare it with its recorded digest; damaged entries are moved aside.
    Verify,
    /// Remove entries that this version of nir never reads, because the code that made them gives other output today.
    Prune,
    /// Remove everything that nir can make again, or one kind of entry; what another process is making now is kept.
    Clear {
        /// `all` removes what nir can make again by itself; `everything` also removes fetched datasets and accepted
        /// licences; any other value is one kind of entry, as `nir cache` lists it (`runs`, `vectors` and so on).
        #[arg(default_value = "all", value_parser = what)]
        what: What,
    },
}

/// The kinds of entries to remove.
#[derive(Clone)]
struct What(Vec<&'static Kind>);

fn what(name: &str) -> Result<What, String> {
    let kinds =
        |is_meant: &dyn Fn(&Kind) -> bool| KINDS.iter().filter(|kind| is_meant(kind)).collect();
    let kinds: Vec<&Kind> = match name {
        "all" => kinds(&|kind| kind.again),
        "everything" => kinds(&|_| true),
        // Rankings between two stages are part of what made a run.
        "runs" => kinds(&|kind| ["runs", "stages"].contains(&kind.folder)),
        name => kinds(&|kind| kind.folder == name),
    };
    if kinds.is_empty() {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.folder).collect();
        return Err(format!("expected all, everything, or one of {}", known.join(", ")));
    }
    Ok(What(kinds))
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let cache = App::cache()?;
    match &args.action {
        None | Some(Action::Show) => show(&cache, app),
        Some(Action::Verify) => verify(&cache),
        Some(Action::Prune) => prune(&cache, app),
        Some(Action::Clear { what: What(kinds) }) => clear(&cache, kinds),
    }
}

fn show(cache: &Cache, app: &App) -> Result<ExitCode> {
    let mut text = String::new();
    let known = known_code(app);
    let (mut things, mut total, mut lost) = (0, 0, Lost::default());
    for kind in &KINDS {
        for Item { path, recipe, bytes } in cache.folders().items(kind.folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let what = recipe.lines().next().unwrap_or(kind.what);
            let is_lost = kind.made && !is_within_reach(&path, &known);
            let mark = if is_lost { "[out of reach] " } else { "" };
            lost.add(is_lost, bytes);
            let _ =
                writeln!(text, "{:9} {name:16}  {:>10}  {mark}{what}", kind.folder, size(bytes));
            things += 1;
            total += bytes;
        }
    }
    let _ = writeln!(text, "{things} things, {} in {}", size(total), cache.folder().display());
    if lost.things > 0 {
        let Lost { things, bytes } = lost;
        let bytes = size(bytes);
        let _ = writeln!(
            text,
            "{things} of them, {bytes}, were made by code that gives something else today and are never found again: \
             `nir cache prune` removes them"
        );
    }
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Checks every entry against its digests. The exit status is a failure if an entry was damaged, so that a script sees
/// it.
fn verify(cache: &Cache) -> Result<ExitCode> {
    let (mut sound, mut damaged) = (0, 0);
    for kind in KINDS.iter().filter(|kind| kind.finished) {
        for name in cache.folders().names(kind.folder)? {
            match cache.folders().verify(&name)? {
                None => sound += 1,
                Some(_) => damaged += 1,
            }
        }
    }
    print(format!("{sound} things are as they were written, {damaged} were damaged\n"))?;
    Ok(if damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The number and the size of the entries that no method of this program would read.
#[derive(Default)]
struct Lost {
    things: usize,
    bytes: u64,
}

impl Lost {
    fn add(&mut self, is_lost: bool, bytes: u64) {
        self.things += usize::from(is_lost);
        self.bytes += if is_lost { bytes } else { 0 };
    }
}

/// The versions of all code that writes to the cache, written as in the file that stands beside each entry.
fn known_code(app: &App) -> BTreeSet<String> {
    versions(&app.registry).iter().map(Version::to_string).collect()
}

/// Whether all code that made an entry still has the version it had then. An entry that does not record its code is out
/// of reach: it was written before versions were recorded.
fn is_within_reach(path: &Path, known: &BTreeSet<String>) -> bool {
    let made_with = fs::read_to_string(path.join(MADE_WITH));
    made_with.is_ok_and(|text| text.lines().all(|line| known.contains(line)))
}

fn prune(cache: &Cache, app: &App) -> Result<ExitCode> {
    let (known, mut lost) = (known_code(app), Lost::default());
    for kind in KINDS.iter().filter(|kind| kind.made) {
        for Item { path, bytes, .. } in cache.folders().items(kind.folder)? {
            let is_lost = !is_within_reach(&path, &known);
            if is_lost {
                cache.folders().remove(&path)?;
            }
            lost.add(is_lost, bytes);
        }
    }
    print(format!("removed {} things, {}\n", lost.things, size(lost.bytes)))?;
    Ok(ExitCode::SUCCESS)
}

fn clear(cache: &Cache, kinds: &[&Kind]) -> Result<ExitCode> {
    let (mut things, mut bytes) = (0, 0);
    for kind in kinds {
        let before = cache.folders().items(kind.folder)?;
        cache.folders().clear(kind.folder)?;
        let after = cache.folders().items(kind.folder)?;
        things += before.len().saturating_sub(after.len());
        let sum = |items: &[Item]| items.iter().map(|item| item.bytes).sum::<u64>();
        bytes += sum(&before).saturating_sub(sum(&after));
    }
    print(format!("removed {things} things, {}\n", size(bytes)))?;
    Ok(ExitCode::SUCCESS)
}

fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
