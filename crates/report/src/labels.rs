//! The first measure of a table by label of query.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::measured::Measured;

/// The values of the rows over the queries that have one label.
#[derive(Debug, Clone, Serialize)]
pub struct LabelScore {
    /// The name of the label.
    pub label: String,
    /// How many of the evaluated queries have this label.
    pub queries: usize,
    /// The mean of the table's first measure, row by row.
    pub values: Vec<f64>,
}

/// The mean of `measure` by label, for each label that an evaluated query has; `labels` maps a query's name to its labels.
pub(crate) fn label_scores(
    measure: &str,
    rows: &[&Measured],
    labels: &BTreeMap<String, Vec<String>>,
) -> Vec<LabelScore> {
    let known: BTreeSet<&String> = labels.values().flatten().collect();
    let mean = |row: &&Measured, label: &String| {
        let values = row.per_query.get(measure).unwrap_or_default();
        let names = row.per_query.queries.iter();
        let of_label = names.zip(values).filter(|(query, _)| has(labels, query, label));
        let values: Vec<f64> = of_label.map(|(_, &value)| value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let score = |label: &String| LabelScore {
        label: label.clone(),
        queries: rows[0].per_query.queries.iter().filter(|query| has(labels, query, label)).count(),
        values: rows.iter().map(|row| mean(row, label)).collect(),
    };
    known.into_iter().map(score).filter(|score| score.queries > 0).collect()
}

fn has(labels: &BTreeMap<String, Vec<String>>, query: &str, label: &String) -> bool {
    labels.get(query).is_some_and(|labels| labels.contains(label))
}
