//! Tables for people, and below them what the numbers rest on.

use std::fmt::Write;

use nir_eval::significance::{Comparison, LEVEL, Pair};
use nir_eval::{Measure, Measured};
use nir_report::{Judged, p_value, pairs_verdict, verdict};

use super::{Report, Scored};
use crate::compare::differences;
use crate::table::Table;

pub(super) fn print(report: &Report) -> String {
    let mut parts = vec![values(report)];
    if report.args.per_query {
        parts.push(per_query(report));
    }
    if !report.comparisons.is_empty() {
        parts.push(comparisons(report));
        parts.push(sentence(report));
    }
    if !report.pairs.is_empty() {
        parts.push(pairs(report));
    }
    parts.push(notes(report));
    parts.join("\n")
}

/// The table of values: one row for each run, one column for each measure.
fn values(report: &Report) -> String {
    let mut table = Table::new(["run".to_owned()].into_iter().chain(names(report)));
    for run in &report.runs {
        let cells = run.evaluation.measured.iter().map(|measured| {
            format!("{}{}", printed(measured.measure, measured.value), mark(report, run, measured))
        });
        table.row([name(run)].into_iter().chain(cells));
    }
    table.to_string()
}

/// The mark of a value: `+` or `-` where the run is significantly better or worse than the baseline, else nothing.
fn mark(report: &Report, run: &Scored, measured: &Measured) -> &'static str {
    let about = |comparison: &&Comparison| {
        comparison.measure == measured.measure
            && std::ptr::eq(report.system(comparison.system), run)
    };
    match report.comparisons.iter().find(about) {
        Some(comparison) if comparison.corrected_p >= LEVEL => " ",
        Some(comparison) if comparison.difference > 0.0 => "+",
        Some(_) => "-",
        None if report.comparisons.is_empty() => "",
        None => " ",
    }
}

fn per_query(report: &Report) -> String {
    let fixed = ["run".to_owned(), "query".to_owned()];
    let mut table = Table::new(fixed.into_iter().chain(names(report)));
    for run in &report.runs {
        for (at, query) in run.evaluation.queries.iter().enumerate() {
            let measured = run.evaluation.measured.iter();
            let cells = measured.map(|m| printed(m.measure, m.per_query[at]));
            table.row([name(run), query.query_id.clone()].into_iter().chain(cells));
        }
    }
    table.to_string()
}

fn comparisons(report: &Report) -> String {
    let names = |system: usize| name(report.system(system));
    differences("run", names, &report.comparisons, report.args.correction).to_string()
}

/// What all the comparisons together say.
fn sentence(report: &Report) -> String {
    let judged = |one: &Comparison| Judged::new(name(report.system(one.system)), one);
    let judged: Vec<Judged> = report.comparisons.iter().map(judged).collect();
    let baseline = &report.runs[report.baseline];
    verdict("run", &name(baseline), baseline.evaluation.queries.len(), &judged) + "\n"
}

fn pairs(report: &Report) -> String {
    let header = ["measure", "first", "second", "difference", "p (Tukey)"];
    let mut table = Table::new(header);
    for (measure, pairs) in &report.pairs {
        for pair in pairs {
            table.row([
                measure.to_string(),
                name(&report.runs[pair.first]),
                name(&report.runs[pair.second]),
                format!("{:+.4}", pair.difference),
                p_value(pair.p),
            ]);
        }
    }
    let queries = report.runs[0].evaluation.queries.len();
    let sentence = |(measure, pairs): &(Measure, Vec<Pair>)| pairs_verdict(measure, queries, pairs);
    let sentences: Vec<String> = report.pairs.iter().map(sentence).collect();
    format!("{table}\n{}\n", sentences.join("\n"))
}

/// The lines below the table: the tie policy, the number of queries, the ties, and the significance test.
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
            "compared with {}: + better, - worse at p < {LEVEL} ({} test, {} correction over {} comparisons); intervals from {} samples, seed {}",
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
    let open = |m: &&Measured| m.ties.open > 0;
    for measured in run.evaluation.measured.iter().filter(open) {
        let ties = measured.ties;
        writeln!(
            text,
            "  ties leave {} between {:.4} and {:.4}, in {} queries; they cross the cut-off in {}",
            measured.measure, ties.worst, ties.best, ties.open, ties.crossing
        )
        .expect("a string takes any text");
    }
}

fn names(report: &Report) -> impl Iterator<Item = String> {
    report.runs[0].evaluation.measured.iter().map(|measured| measured.measure.to_string())
}

/// The name of a run's file without its folder.
fn name(run: &Scored) -> String {
    run.path.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn printed(measure: Measure, value: f64) -> String {
    if measure.is_count() { format!("{value:.0}") } else { format!("{value:.4}") }
}
