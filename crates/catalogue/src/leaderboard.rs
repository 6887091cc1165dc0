//! `results/README.md`: every cell as a row of Markdown, one table for each dataset.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::{Cell, Library, Scope, Verdict};

/// The leaderboard of all cells: full collections first, samples in tables of their own.
pub fn leaderboard(library: &Library, cells: &[Cell]) -> String {
    let mut page = String::from(HEAD);
    page.push_str(&coverage_line(library, cells));
    let mut tables: BTreeMap<(&Scope, &str), Vec<&Cell>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| !cell.is_of_sweep()) {
        tables.entry((&cell.scope, cell.dataset.as_str())).or_default().push(cell);
    }
    for ((scope, dataset), rows) in tables {
        table(&mut page, scope, dataset, &rows, library);
    }
    page
}

const HEAD: &str = "# Results

Made by `nir results` from the files in this folder; do not edit. A row links to its entry of the list. Quality compares
across machines; time compares only within one.

";

fn coverage_line(library: &Library, cells: &[Cell]) -> String {
    let coverage = library.coverage(cells);
    format!(
        "Of {} entries of the list, {} describe a method or a way of making weights: {} have a config, {} a result.\n",
        coverage.listed, coverage.runnable, coverage.configured, coverage.run
    )
}

fn table(page: &mut String, scope: &Scope, dataset: &str, rows: &[&Cell], library: &Library) {
    let scope = match scope {
        Scope::Full => "full collection".to_owned(),
        Scope::SampleOf(whole) => format!("**sample** of {whole}: comparable only with itself"),
    };
    let first = rows[0];
    let measures: Vec<&String> = first.measures.keys().collect();
    let _ = write!(page, "\n## {dataset}\n\n");
    let _ = write!(page, "{} documents, {} queries; {scope}.\n\n", first.documents, first.queries);
    let names = measures.iter().map(|name| format!(" {name} |")).collect::<String>();
    let _ = writeln!(page, "| method |{names} ms/query (p50) | claims | paper |");
    let _ = writeln!(page, "|---|{}---:|---|---|", "---:|".repeat(measures.len()));
    for cell in rows {
        let values = measures.iter().map(|name| value(cell, name)).collect::<String>();
        let latency = cell.cost.latency.p50_ms;
        let _ = writeln!(
            page,
            "| {} |{values} {latency:.3} | {} | {} |",
            method(cell, library),
            claims(cell),
            paper(cell, library)
        );
    }
}

fn value(cell: &Cell, measure: &str) -> String {
    cell.measures
        .get(measure)
        .map_or_else(|| " |".to_owned(), |measured| format!(" {:.4} |", measured.value))
}

fn claims(cell: &Cell) -> String {
    let of = |claimed: &crate::Claimed| {
        let verdict = match claimed.verdict {
            Verdict::Reproduced => "reproduced",
            Verdict::Above => "above",
            Verdict::Below => "below",
        };
        format!(
            "{} {:.4}: {verdict} ({:+.4})",
            claimed.claim.measure, claimed.claim.value, claimed.difference
        )
    };
    cell.claims.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// Its name, with its config where that is one of the program's own.
fn method(cell: &Cell, library: &Library) -> String {
    match library.methods.contains_key(&cell.method) {
        true => format!("[{}](../configs/{}.toml)", cell.label(), cell.method),
        false => format!("{} ({})", cell.label(), cell.method),
    }
}

fn paper(cell: &Cell, library: &Library) -> String {
    library
        .papers
        .get(&cell.paper)
        .map_or_else(|| cell.paper.clone(), |paper| format!("[{}]({})", paper.name(), paper.url))
}
