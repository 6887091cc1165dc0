//! Everything as one JSON object.

use anyhow::Result;
use nir_eval::Measured;
use nir_eval::significance::Comparison;
use serde_json::{Map, Value, json};

use super::{Report, Scored};

pub(super) fn print(report: &Report) -> Result<String> {
    let runs: Vec<Value> = report.runs.iter().map(|run| of_run(report, run)).collect();
    let mut whole = json!({
        "policy": report.args.policy().to_string(),
        "qrels": report.args.qrels.to_string(),
        "runs": runs,
    });
    if report.runs.len() > 1 {
        whole["significance"] = if report.args.tukey { tukey(report) } else { baseline(report) };
    }
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn of_run(report: &Report, run: &Scored) -> Value {
    let evaluation = &run.evaluation;
    let measures: Map<String, Value> = evaluation.measured.iter().map(of_measure).collect();
    let mut value = json!({
        "run": run.path.display().to_string(),
        "tag": run.tag,
        "queries": evaluation.queries.len(),
        "missing": evaluation.missing,
        "unjudged": evaluation.unjudged,
        "measures": measures,
    });
    if report.args.per_query {
        value["per_query"] = per_query(run);
    }
    value
}

fn of_measure(measured: &Measured) -> (String, Value) {
    let ties = measured.ties;
    let value = json!({
        "value": measured.value,
        "ties": { "open": ties.open, "crossing": ties.crossing, "worst": ties.worst, "best": ties.best },
    });
    (measured.measure.to_string(), value)
}

fn per_query(run: &Scored) -> Value {
    let evaluation = &run.evaluation;
    let of_query = |query: usize| -> Map<String, Value> {
        let values = evaluation.measured.iter();
        values.map(|m| (m.measure.to_string(), json!(m.per_query[query]))).collect()
    };
    let queries = evaluation.queries.iter().enumerate();
    queries.map(|(at, query)| (query.query_id.clone(), Value::Object(of_query(at)))).collect()
}

fn baseline(report: &Report) -> Value {
    let settings = report.args.settings();
    let comparisons: Vec<Value> =
        report.comparisons.iter().map(|comparison| of_comparison(report, comparison)).collect();
    json!({
        "baseline": report.runs[report.baseline].path.display().to_string(),
        "test": settings.test.to_string(),
        "correction": settings.correction.to_string(),
        "seed": settings.seed,
        "samples": settings.samples,
        "confidence": settings.confidence,
        "comparisons": comparisons,
    })
}

fn of_comparison(report: &Report, comparison: &Comparison) -> Value {
    let tally = comparison.tally;
    json!({
        "run": report.system(comparison.system).path.display().to_string(),
        "measure": comparison.measure.to_string(),
        "difference": comparison.difference,
        "interval": [comparison.interval.low, comparison.interval.high],
        "statistic": finite(comparison.outcome.statistic),
        "p": comparison.outcome.p,
        "corrected_p": comparison.corrected_p,
        "effect_size": finite(comparison.effect_size),
        "detectable": comparison.detectable,
        "wins": tally.wins,
        "ties": tally.ties,
        "losses": tally.losses,
    })
}

/// The number as JSON. JSON has no infinity (a difference without any spread gives one), so it becomes null.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

fn tukey(report: &Report) -> Value {
    let path = |place: usize| report.runs[place].path.display().to_string();
    let pairs: Vec<Value> = report
        .pairs
        .iter()
        .flat_map(|(measure, pairs)| pairs.iter().map(move |pair| (measure, pair)))
        .map(|(measure, pair)| {
            json!({
                "measure": measure.to_string(),
                "first": path(pair.first),
                "second": path(pair.second),
                "difference": pair.difference,
                "p": pair.p,
            })
        })
        .collect();
    json!({ "test": "tukey", "pairs": pairs })
}
