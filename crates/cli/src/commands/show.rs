//! `nir show`: one entry of the list with everything known of it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use nir_catalogue::{Cell, Library, Method, Paper, Verdict, read_cells};
use nir_core::did_you_mean;

use crate::app::App;
use crate::output::print;

/// Show one entry of the list: its links, configs, claims and results.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  nir show karpukhin2020dpr\n  nir show lexical/bm25")]
pub(crate) struct Args {
    /// A key of configs/papers.toml, or the name of a method.
    key: String,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let cells = read_cells(&app.home.results()?)?;
    let text = if let Some(method) = library.methods.get(&args.key) {
        method_card(method, &cells)
    } else if let Some(paper) = library.papers.get(&args.key) {
        whole_card(paper, &library, &cells)
    } else {
        let keys = library.papers.iter().map(|paper| &paper.key).chain(library.methods.keys());
        let meant = did_you_mean(&args.key, keys.map(String::as_str));
        let meant = meant.unwrap_or_else(|| "`nir list` shows them".to_owned());
        bail!("`{}` is neither a paper nor a method; {meant}", args.key);
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// The text of an entry, followed by its methods and their results.
fn whole_card(paper: &Paper, library: &Library, cells: &[Cell]) -> String {
    let mut text = paper_card(paper);
    text += &field("status", library.status(paper, cells).name());
    text.extend(paper.needs.iter().map(|needs| field("needs", needs)));
    text.extend(paper.defects.iter().map(|defect| field("list defect", defect)));
    for method in library.methods_of(paper) {
        text.push('\n');
        text += &method_card(method, cells);
    }
    text
}

/// The text of an entry: title, authors, venue, links and section.
pub(super) fn paper_card(paper: &Paper) -> String {
    let year = paper.year.map(|year| year.to_string()).unwrap_or_default();
    let venue = if paper.venue.is_empty() { &year } else { &paper.venue };
    let first =
        [("key", &paper.key), ("authors", &paper.authors), ("venue", venue), ("paper", &paper.url)];
    let lists = [("code", &paper.code), ("also", &paper.also), ("checkpoints", &paper.checkpoints)];
    let lists =
        lists.into_iter().flat_map(|(name, values)| values.iter().map(move |it| (name, it)));
    let (family, kind) = (paper.family.folder(), paper.kind.name());
    let last = [("section", &paper.section), ("family", &family), ("kind", &kind)];
    let fields = first.into_iter().chain(lists).chain(last);
    let lines = fields.map(|(name, value)| field(name, value));
    format!("{}\n\n{}", paper.title, lines.collect::<String>())
}

/// One line `name  value`, or nothing if the value is empty.
fn field(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{name:12} {value}\n") }
}

fn method_card(method: &Method, cells: &[Cell]) -> String {
    let mut text = format!("{} ({})\n", method.name, method.card.name);
    text += &field("config", method.source.path());
    text += &field("paper", &method.card.paper);
    text += &field("differs", method.card.differs.as_deref().unwrap_or_default());
    let stages: Vec<&str> =
        method.stages.iter().map(|stage| stage.algorithm.as_ref().as_str()).collect();
    text += &field("stages", &stages.join(" -> "));
    for claim in &method.claims {
        let printed =
            format!("{} {} ± {} on {}", claim.measure, claim.value, claim.tolerance, claim.dataset);
        text += &field("claim", &format!("{printed} ({})", claim.source));
    }
    text.extend(cells.iter().filter(|cell| cell.method == method.name).map(cell_card));
    text
}

fn cell_card(cell: &Cell) -> String {
    let measures =
        cell.measures.iter().map(|(name, measured)| format!("{name} {:.4}", measured.value));
    let measures = measures.collect::<Vec<_>>().join(", ");
    let mut text = field("result", &format!("{}: {measures}", cell.dataset));
    for claimed in &cell.claims {
        let verdict = match claimed.verdict {
            Verdict::Reproduced => "reproduced",
            Verdict::Above => "above the claim",
            Verdict::Below => "below the claim",
        };
        let difference = format!("{:+.4} against {}", claimed.difference, claimed.claim.value);
        text += &field(
            "verdict",
            &format!("{} on {}: {verdict} ({difference})", claimed.claim.measure, cell.dataset),
        );
    }
    text
}
