//! Tables for people, and below them what the numbers rest on.

use std::fmt::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use nir_eval::significance::Comparison;
use nir_eval::{Measure, Measured};

use super::{Report, Scored};

/// At or below this corrected `p`, a value gets its mark.
const LEVEL: f64 = 0.05;

pub(super) fn print(report: &Report) -> String {
    let mut parts = vec![values(report)];
    if report.args.per_query {
        parts.push(per_query(report));
    }
    if !report.comparisons.is_empty() {
        parts.push(comparisons(report));
    }
    if !report.pairs.is_empty() {
        parts.push(pairs(report));
    }
    parts.push(notes(report));
    parts.join("\n")
}

/// One row a run, one column a measure.
fn values(report: &Report) -> String {
    let mut table = table(["run".to_owned()].into_iter().chain(names(report)));
    for run in &report.runs {
        let cells = run.evaluation.measured.iter().map(|measured| {
            format!("{}{}", printed(measured.measure, measured.value), mark(report, run, measured))
        });
        table.add_row([name(run)].into_iter().chain(cells).map(Cell::new));
    }
    finished(table)
}

/// `+` or `-` where the run differs from the baseline.
fn mark(report: &Report, run: &Scored, measured: &Measured) -> &'static str {
    let about = |comparison: &&Comparison| {
        comparison.measure == measured.measure && std::ptr::eq(report.system(comparison), run)
    };
    match report.comparisons.iter().find(about) {
        Some(comparison) if comparison.corrected_p > LEVEL => " ",
        Some(comparison) if comparison.difference > 0.0 => "+",
        Some(_) => "-",
        None if report.comparisons.is_empty() => "",
        None => " ",
    }
}

fn per_query(report: &Report) -> String {
    let fixed = ["run".to_owned(), "query".to_owned()];
    let mut table = table(fixed.into_iter().chain(names(report)));
    for run in &report.runs {
        for (at, query) in run.evaluation.queries.iter().enumerate() {
            let measured = run.evaluation.measured.iter();
            let cells = measured.map(|m| printed(m.measure, m.per_query[at]));
            table.add_row([name(run), query.query_id.clone()].into_iter().chain(cells));
        }
    }
    finished(table)
}

fn comparisons(report: &Report) -> String {
    let correction = format!("p ({})", report.args.correction);
    let header =
        ["run", "measure", "difference", "95% interval", "p", &correction, "d", "won/tied/lost"];
    let mut table = table(header.map(str::to_owned));
    for comparison in &report.comparisons {
        let tally = comparison.tally;
        table.add_row([
            name(report.system(comparison)),
            comparison.measure.to_string(),
            format!("{:+.4}", comparison.difference),
            format!("{:+.4} {:+.4}", comparison.interval.low, comparison.interval.high),
            format!("{:.4}", comparison.outcome.p),
            format!("{:.4}", comparison.corrected_p),
            format!("{:+.2}", comparison.effect_size),
            format!("{}/{}/{}", tally.wins, tally.ties, tally.losses),
        ]);
    }
    finished(table)
}

fn pairs(report: &Report) -> String {
    let header = ["measure", "first", "second", "difference", "p (Tukey)"];
    let mut table = table(header.map(str::to_owned));
    for (measure, pairs) in &report.pairs {
        for pair in pairs {
            table.add_row([
                measure.to_string(),
                name(&report.runs[pair.first]),
                name(&report.runs[pair.second]),
                format!("{:+.4}", pair.difference),
                format!("{:.4}", pair.p),
            ]);
        }
    }
    finished(table)
}

/// The policy, the queries, the ties and the test.
fn notes(report: &Report) -> String {
    let mut text = format!("policy {}\n", report.args.policy());
    for run in &report.runs {
        add_queries(&mut text, run);
        add_ties(&mut text, run);
    }
    if !report.comparisons.is_empty() {
        let settings = report.args.settings();
        writeln!(
            text,
            "compared with {}: + better, - worse at p ≤ {LEVEL} ({} test, {} correction over {} comparisons); intervals from {} samples, seed {}",
            name(&report.runs[report.baseline]),
            settings.test,
            settings.correction,
            report.comparisons.len(),
            settings.samples,
            settings.seed,
        )
        .expect("a string takes any text");
    }
    text
}

fn add_queries(text: &mut String, run: &Scored) {
    let evaluation = &run.evaluation;
    write!(text, "{}: {} queries", name(run), evaluation.queries.len())
        .expect("a string takes any text");
    if evaluation.missing > 0 {
        let counted = if evaluation.queries.iter().all(|query| query.returned) {
            "left out"
        } else {
            "counted 0"
        };
        write!(text, ", {} without results ({counted})", evaluation.missing)
            .expect("a string takes any text");
    }
    if evaluation.unjudged > 0 {
        write!(text, ", {} without judgements (ignored)", evaluation.unjudged)
            .expect("a string takes any text");
    }
    text.push('\n');
}

fn add_ties(text: &mut String, run: &Scored) {
    let open = |m: &&Measured| m.ties.crossing > 0 || m.ties.worst < m.ties.best;
    for measured in run.evaluation.measured.iter().filter(open) {
        let ties = measured.ties;
        writeln!(
            text,
            "  ties leave {} between {:.4} and {:.4}; they cross the cut-off in {} queries",
            measured.measure, ties.worst, ties.best, ties.crossing
        )
        .expect("a string takes any text");
    }
}

fn names(report: &Report) -> impl Iterator<Item = String> {
    report.runs[0].evaluation.measured.iter().map(|measured| measured.measure.to_string())
}

/// The file's name without its folder.
fn name(run: &Scored) -> String {
    run.path.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn printed(measure: Measure, value: f64) -> String {
    if measure.is_count() { format!("{value:.0}") } else { format!("{value:.4}") }
}

fn table(header: impl IntoIterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table
}

/// Numbers to the right, and no blank at the end of a line.
fn finished(mut table: Table) -> String {
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if at > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
