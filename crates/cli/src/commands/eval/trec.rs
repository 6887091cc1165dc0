//! trec_eval's own layout: name, query, value, with tabs between.

use std::fmt::Write;

use nir_eval::{Evaluation, Measure};

use super::{Report, Scored};

pub(super) fn print(report: &Report) -> String {
    report.runs.iter().map(|run| of_run(report, run)).collect()
}

fn of_run(report: &Report, run: &Scored) -> String {
    let mut text = String::new();
    if report.args.per_query {
        for query in 0..run.evaluation.queries.len() {
            add_query(&mut text, report, &run.evaluation, query);
        }
    }
    if report.args.measures.is_empty() {
        add(&mut text, "runid", "all", &run.tag);
    }
    for measured in &run.evaluation.measured {
        let value = printed(measured.measure, measured.value);
        add(&mut text, &name(report, measured.measure), "all", &value);
    }
    text
}

/// Adds the lines of one query. As in trec_eval, values that only make sense over all queries are left out.
fn add_query(text: &mut String, report: &Report, evaluation: &Evaluation, query: usize) {
    for measured in &evaluation.measured {
        let name = name(report, measured.measure);
        if !matches!(name.as_str(), "num_q" | "gm_map") {
            let value = printed(measured.measure, measured.per_query[query]);
            add(text, &name, &evaluation.queries[query].query_id, &value);
        }
    }
}

/// The name of a measure in trec_eval, or ours where trec_eval has none.
fn name(report: &Report, measure: Measure) -> String {
    measure.trec_name(report.args.relevance_level).unwrap_or_else(|| measure.to_string())
}

fn printed(measure: Measure, value: f64) -> String {
    if measure.is_count() { format!("{value:.0}") } else { format!("{value:.4}") }
}

fn add(text: &mut String, name: &str, query_id: &str, value: &str) {
    writeln!(text, "{name:<22}\t{query_id}\t{value}").expect("a string takes any text");
}
