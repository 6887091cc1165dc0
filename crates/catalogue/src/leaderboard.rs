//! `results/README.md`: every cell as a row of Markdown, one table for each dataset.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::cell::Cut;
use crate::{Cell, Library, Scope, Verdict};

/// The leaderboard of all results as Markdown: full collections first, then samples, each in a table of its own.
pub fn leaderboard(library: &Library, cells: &[Cell]) -> String {
    let mut page = String::from(HEAD);
    let _ = writeln!(page, "{}", library.coverage(cells).sentence());
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
across machines; time compares only within one. An approximate search says what share of the exact search's best documents it found at each
cut-off, and an encoder what share of the documents was longer than it reads.

";

/// A column that a table has only if one of its rows has a value in it.
struct Column {
    head: &'static str,
    value: fn(&Cell) -> Option<String>,
}

const COLUMNS: [Column; 2] = [
    Column { head: "of the exact search", value: recalls },
    Column { head: "documents cut (text not read)", value: cut },
];

fn table(page: &mut String, scope: &Scope, dataset: &str, rows: &[&Cell], library: &Library) {
    let scope = match scope {
        Scope::Full => "full collection".to_owned(),
        Scope::SampleOf(whole) => format!("**sample** of {whole}: comparable only with itself"),
    };
    let first = rows[0];
    let measures: Vec<&String> = first.measures.keys().collect();
    let said = |column: &&Column| rows.iter().any(|cell| (column.value)(cell).is_some());
    let columns: Vec<&Column> = COLUMNS.iter().filter(said).collect();
    let notes = notes(rows, library);
    let _ = write!(page, "\n## {dataset}\n\n");
    let _ = write!(page, "{} documents, {} queries; {scope}.\n\n", first.documents, first.queries);
    let heads = columns.iter().map(|column| column.head);
    let heads = measures.iter().map(|name| name.as_str()).chain(heads);
    let heads = heads.map(|head| format!(" {head} |")).collect::<String>();
    let numbers = "---:|".repeat(measures.len() + columns.len());
    let _ = writeln!(page, "| method |{heads} ms/query (p50) | claims | paper |");
    let _ = writeln!(page, "|---|{numbers}---:|---|---|");
    for cell in rows {
        let values = measures.iter().map(|name| value(cell, name));
        let said = columns.iter().map(|column| (column.value)(cell).unwrap_or_default());
        let values = values.chain(said).map(|value| format!(" {value} |")).collect::<String>();
        let latency = cell.cost.latency.p50_ms;
        let _ = writeln!(
            page,
            "| {}{} |{values} {latency:.3} | {} | {} |",
            method(cell, library),
            mark(&notes, cell),
            claims(cell),
            paper(cell, library)
        );
    }
    list(page, &notes);
}

/// How the methods of a table depart from their papers; each method once, in the order of the rows.
fn notes<'a>(rows: &[&'a Cell], library: &'a Library) -> Vec<(&'a str, &'a str)> {
    let mut notes = Vec::new();
    for cell in rows {
        let differs =
            library.methods.get(&cell.method).and_then(|method| method.card.differs.as_deref());
        let note = differs.map(|differs| (cell.method.as_str(), differs));
        notes.extend(note.filter(|note| !notes.contains(note)));
    }
    notes
}

/// The number of its note, to be put after a method's name.
fn mark(notes: &[(&str, &str)], cell: &Cell) -> String {
    let place = notes.iter().position(|(method, _)| *method == cell.method);
    place.map_or_else(String::new, |place| format!(" ({})", place + 1))
}

fn list(page: &mut String, notes: &[(&str, &str)]) {
    for (i, (method, differs)) in notes.iter().enumerate() {
        let before = if i == 0 { "\nHow they differ from their papers:\n\n" } else { "" };
        let _ = writeln!(page, "{before}{}. `{method}`: {differs}", i + 1);
    }
}

fn value(cell: &Cell, measure: &str) -> String {
    let measured = cell.measures.get(measure);
    measured.map_or_else(String::new, |measured| format!("{:.4}", measured.value))
}

/// The share of the exact search's best documents that was found, at each cutoff, as text.
fn recalls(cell: &Cell) -> Option<String> {
    let recalls = cell.recalls();
    let one = |&(cutoff, recall): &(usize, f64)| format!("{recall:.4} @{cutoff}");
    let recalls: Vec<String> = recalls.iter().map(one).collect();
    (!recalls.is_empty()).then(|| recalls.join(", "))
}

/// The share of documents that were longer than the model reads, and the share of all text that it did not read, as
/// text.
fn cut(cell: &Cell) -> Option<String> {
    let Cut { documents, text } = cell.cut()?;
    Some(format!("{:.1} % ({:.1} %)", 100.0 * documents, 100.0 * text))
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

/// The method's name, with a link to its config if the program carries that.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::testing::cell;
    use crate::library::testing::library;

    #[test]
    fn a_row_says_what_it_missed_what_it_cut_and_how_it_differs() {
        let facts = r#""vectors": {"recall@10": "0.9510", "recall@100": "0.8793"},
                       "texts": {"documents cut": "2", "text not read": "0.031"}"#;
        let page = leaderboard(&library(), &[cell(&[], "", facts), cell(&[], "", "")]);
        let head = "| method | AP | of the exact search | documents cut (text not read) | ms/query (p50) |";
        assert!(page.contains(head), "{page}");
        let name = "| [X](../configs/dense/x.toml) (1) | 0.5000 |";
        // 2 of 8 documents.
        let approximate = format!("{name} 0.9510 @10, 0.8793 @100 | 25.0 % (3.1 %) | 1.000 |");
        assert!(page.contains(&approximate), "{page}");
        assert!(page.contains(&format!("{name}  |  | 1.000 |")), "{page}");
        assert!(page.ends_with("How they differ from their papers:\n\n1. `dense/x`: smaller\n"));
    }

    #[test]
    fn a_column_without_a_value_is_left_out() {
        let page = leaderboard(&library(), &[cell(&[], "", "")]);
        assert!(page.contains("| method | AP | ms/query (p50) | claims | paper |"), "{page}");
    }
}
