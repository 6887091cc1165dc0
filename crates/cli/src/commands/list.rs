//! `nir list`: the entries of the list, and how far each has come.

use std::process::ExitCode;

use anyhow::{Result, bail};
use nir_catalogue::{Cell, Library, Paper, Status, read_cells};

use crate::app::App;
use crate::output::outln;
use crate::table::Table;

/// List the papers, and for each whether it is configured, run or reproduced here.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  nir list --family sparse\n  nir list --status run\n  nir list expansion\n  nir list --methods"
)]
pub(crate) struct Args {
    /// Show only entries with this text in their title, authors, name or key; case does not matter.
    text: Option<String>,
    /// Show only entries of this family: lexical, sparse, dense and so on.
    #[arg(long)]
    family: Option<String>,
    /// Show only entries whose section of the list contains this text.
    #[arg(long)]
    section: Option<String>,
    /// Show only entries with this status: open, configured, "trained here", run, reproduced or "not a method".
    #[arg(long)]
    status: Option<String>,
    /// Show only entries of this kind: method, training, survey, dataset or toolkit.
    #[arg(long)]
    kind: Option<String>,
    /// List the methods that can be run, instead of the papers.
    #[arg(long)]
    methods: bool,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let cells = read_cells(&app.home.results()?)?;
    check_names(args, &library)?;
    let show = if args.methods { methods } else { papers };
    show(args, &library, &cells).map(|()| ExitCode::SUCCESS)
}

/// Refuses a family, kind or status that no entry has, as it is a misspelling.
fn check_names(args: &Args, library: &Library) -> Result<()> {
    let families = library.papers.iter().map(|paper| paper.family.folder());
    known("family", args.family.as_deref(), families.collect())?;
    known(
        "kind",
        args.kind.as_deref(),
        library.papers.iter().map(|paper| paper.kind.name()).collect(),
    )?;
    known(
        "status",
        args.status.as_deref(),
        Status::ALL.iter().map(|status| status.name().to_owned()).collect(),
    )
}

fn known(what: &str, asked: Option<&str>, mut names: Vec<String>) -> Result<()> {
    names.sort();
    names.dedup();
    match asked {
        Some(asked) if !names.iter().any(|name| name == asked) => {
            bail!("unknown {what} `{asked}`: expected one of {}", names.join(", "))
        }
        _ => Ok(()),
    }
}

fn papers(args: &Args, library: &Library, cells: &[Cell]) -> Result<()> {
    let mut table = Table::new(["key", "year", "name", "family", "kind", "status"]);
    let chosen: Vec<&Paper> =
        library.papers.iter().filter(|paper| is_chosen(args, paper, library, cells)).collect();
    for paper in &chosen {
        let year = paper.year.map(|year| year.to_string()).unwrap_or_default();
        let status = library.status(paper, cells).name();
        table.row([
            &paper.key,
            &year,
            paper.name(),
            &paper.family.folder(),
            &paper.kind.name(),
            status,
        ]);
    }
    outln!("{table}")?;
    outln!("{} entries shown. {}", chosen.len(), library.coverage(cells).sentence())
}

fn is_chosen(args: &Args, paper: &Paper, library: &Library, cells: &[Cell]) -> bool {
    let is =
        |asked: &Option<String>, value: &str| asked.as_ref().is_none_or(|asked| asked == value);
    let holds = |asked: &Option<String>, text: &str| {
        asked.as_ref().is_none_or(|asked| text.to_lowercase().contains(&asked.to_lowercase()))
    };
    let text = [&paper.title, &paper.authors, &paper.short_name, &paper.key]
        .map(String::as_str)
        .join("\n");
    is(&args.family, &paper.family.folder())
        && is(&args.kind, &paper.kind.name())
        && is(&args.status, library.status(paper, cells).name())
        && holds(&args.section, &paper.section)
        && holds(&args.text, &text)
}

fn methods(args: &Args, library: &Library, cells: &[Cell]) -> Result<()> {
    let mut table = Table::new(["method", "name", "paper", "results"]);
    for method in library.methods.values() {
        let text = format!("{} {}", method.name, method.card.name).to_lowercase();
        let fits = args.text.as_ref().is_none_or(|asked| text.contains(&asked.to_lowercase()));
        if fits && args.family.as_ref().is_none_or(|family| family == method.family()) {
            let results =
                cells.iter().filter(|cell| cell.method == method.name).count().to_string();
            table.row([&method.name, &method.card.name, &method.card.paper, &results]);
        }
    }
    outln!("{table}")
}
