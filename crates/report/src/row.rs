//! One row of a table: a method on a dataset, its values, costs and differences from the baseline.

use nir_catalogue::{Claimed, Cut, Latency, Library, Provenance, StageCost};
use nir_eval::significance::Comparison as Judged;
use serde::Serialize;

use crate::measured::Measured;
use crate::significance::Against;

/// One method on one dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The number of the row in plots, from 1.
    pub number: usize,
    /// The name of the method's config: `family/method`.
    pub method: String,
    /// The name to show in tables.
    pub name: String,
    /// The key of the method's paper.
    pub paper: String,
    /// How the config departs from the paper, if it does.
    pub differs: Option<String>,
    /// Whether this is the row that the others are tested against.
    pub is_baseline: bool,
    /// Whether the config has changed since the method ran.
    pub is_stale: bool,
    /// The number type of the method's models, if it has a model.
    pub precision: Option<String>,
    /// Whether no other row is better in the first measure and not clearly slower, or as good and clearly faster.
    pub on_frontier: bool,
    /// The names of the queries that were measured.
    pub queries: Vec<String>,
    /// One value for each measure, in the order of `Table::measures`.
    pub values: Vec<Value>,
    /// The time for one query, when queries are answered one at a time.
    pub latency: Latency,
    /// The cost of each stage.
    pub stages: Vec<StageCost>,
    /// How many threads the stages ran on.
    pub threads: usize,
    /// Bytes on disk of the indexes and vectors that it searches; `None` where a result from before they were counted fuses
    /// other methods.
    pub index_bytes: Option<u64>,
    /// The share of the exact search's best documents that an approximate search found, by cut-off in ascending order;
    /// empty for an exact search.
    pub recalls: Vec<(usize, f64)>,
    /// What the encoder did not read of the documents; `None` where no encoder read any.
    pub cut: Option<Cut>,
    /// Numbers that papers print, and our numbers for them.
    pub claims: Vec<Claimed>,
    /// The program, config, data and machine that made the result.
    pub provenance: Provenance,
    /// The first measure minus the baseline's, query by query, largest first; empty for the baseline itself.
    pub differences: Vec<QueryDifference>,
}

/// The value of one measure in a row.
#[derive(Debug, Clone, Serialize)]
pub struct Value {
    /// The name of the measure.
    pub measure: String,
    /// The mean over all judged queries.
    pub value: f64,
    /// The value of each query, in the order of `Row::queries`.
    pub per_query: Vec<f64>,
    /// Queries whose value depends on the order of ties.
    pub tied_queries: usize,
    /// The comparison with the baseline; `None` if the two rows were measured on different data.
    pub against: Option<Against>,
}

/// The difference between a row and the baseline for one query.
#[derive(Debug, Clone, Serialize)]
pub struct QueryDifference {
    /// The name of the query.
    pub query_id: String,
    /// The value of the row minus the value of the baseline.
    pub difference: f64,
    /// The text of the query, if the collection is on this machine.
    pub text: Option<String>,
}

/// The row with index `i`. `baseline` holds the baseline's row and whether it is this one.
pub(crate) fn one_row(
    i: usize,
    row: &Measured,
    measures: &[String],
    against: &[Judged],
    baseline: Option<(bool, &Measured)>,
    library: &Library,
) -> Row {
    let cell = &row.cell;
    let config = library.methods.get(&cell.method);
    let value = |name: &String| Value {
        measure: name.clone(),
        value: cell.measures[name].value,
        per_query: row.values(name).to_vec(),
        tied_queries: cell.measures[name].tied_queries,
        against: against
            .iter()
            .find(|one| one.system == i && &one.measure.to_string() == name)
            .map(Against::of),
    };
    Row {
        number: i + 1,
        method: cell.method.clone(),
        name: cell.label(),
        paper: cell.paper.clone(),
        differs: config.and_then(|method| method.card.differs.clone()),
        is_baseline: baseline.is_some_and(|(is_baseline, _)| is_baseline),
        is_stale: config.is_some_and(|method| method.digest().hex() != cell.provenance.config),
        precision: cell.precision.clone(),
        on_frontier: false,
        queries: row.per_query.queries.clone(),
        values: measures.iter().map(value).collect(),
        latency: cell.cost.latency.clone(),
        stages: cell.cost.stages.clone(),
        threads: cell.cost.threads,
        index_bytes: cell.index_bytes(),
        recalls: cell.recalls(),
        cut: cell.cut(),
        claims: cell.claims.clone(),
        provenance: cell.provenance.clone(),
        differences: match (baseline, measures.first()) {
            (Some((false, baseline)), Some(measure)) if row.is_paired(baseline) => {
                query_differences(row, baseline, measure)
            }
            _ => Vec::new(),
        },
    }
}

fn query_differences(row: &Measured, baseline: &Measured, measure: &str) -> Vec<QueryDifference> {
    let names = row.per_query.queries.iter().cloned();
    let mut found: Vec<QueryDifference> = names
        .zip(row.differences(baseline, measure))
        .map(|(query_id, difference)| QueryDifference { query_id, difference, text: None })
        .collect();
    found.sort_by(|a, b| b.difference.total_cmp(&a.difference));
    found
}

/// A median that was timed again differs by up to this share, whatever its interval within one run says.
const AGAIN: f64 = 0.1;

/// Between which two times a median lies, in milliseconds: the recorded interval, and at least 10 % either way.
pub(crate) fn median_interval(latency: &Latency) -> [f64; 2] {
    let p50 = latency.p50_ms;
    let [low, high] = latency.p50_interval_ms.unwrap_or([p50; 2]);
    [low.min((1.0 - AGAIN) * p50), high.max((1.0 + AGAIN) * p50)]
}

/// Marks the rows that no other row beats. A row is beaten by one that is better in the first measure and not clearly slower,
/// and by one that is as good and clearly faster; times whose intervals overlap are a tie.
pub(crate) fn mark_frontier(rows: &mut [Row]) {
    let points: Vec<Option<(f64, [f64; 2])>> = rows
        .iter()
        .map(|row| Some((row.values.first()?.value, median_interval(&row.latency))))
        .collect();
    for (row, point) in rows.iter_mut().zip(&points) {
        let Some((value, [low, high])) = *point else { continue };
        let beats = |&(other, [other_low, other_high]): &(f64, [f64; 2])| {
            (other > value && other_low <= high) || (other == value && other_high < low)
        };
        row.on_frontier = !points.iter().flatten().any(beats);
    }
}
