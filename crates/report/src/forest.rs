//! A forest plot: each row's difference from the baseline with its interval, beside what the queries could have shown.
//! Lewis and Clarke, BMJ 2001, on where such plots come from.

use serde::Serialize;

use crate::drawing::{Scale, Tick, nice_step, range, value_ticks};
use crate::table::Table;

/// Width and height of one row in units of the drawing, which the page scales.
const WIDTH: f64 = 400.0;
/// Room at both ends for half a tick's text.
const MARGIN: f64 = 22.0;

/// The plot of the first measure of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Forest {
    width: f64,
    zero: f64,
    ticks: Vec<Tick>,
    rows: Vec<Branch>,
}

/// One row of the plot.
#[derive(Debug, PartialEq, Serialize)]
struct Branch {
    /// The place of the row in the table.
    row: usize,
    difference: f64,
    low: f64,
    high: f64,
    /// From where to where a true difference would probably have been missed; none where no query differs.
    hidden: Option<(f64, f64)>,
}

/// The plot of a table in which some row is compared with the baseline.
pub(crate) fn forest(table: &Table) -> Option<Forest> {
    let compared: Vec<_> = table
        .rows
        .iter()
        .enumerate()
        .filter_map(|(row, of)| Some((row, of.values.first()?.against.as_ref()?)))
        .collect();
    let ends = compared.iter().flat_map(|(_, one)| {
        let hidden = one.detectable.unwrap_or_default();
        [one.low, one.high, hidden, -hidden]
    });
    let (low, high) = range(ends.chain([0.0]));
    if compared.is_empty() || low == high {
        return None;
    }
    let scale = Scale { from: low, to: high, start: MARGIN, end: WIDTH - MARGIN };
    let branch = |&(row, one): &(usize, &crate::Against)| Branch {
        row,
        difference: scale.at(one.difference),
        low: scale.at(one.low),
        high: scale.at(one.high),
        hidden: one.detectable.map(|limit| (scale.at(-limit), scale.at(limit))),
    };
    Some(Forest {
        width: WIDTH,
        zero: scale.at(0.0),
        ticks: value_ticks(&scale, nice_step(high - low)),
        rows: compared.iter().map(branch).collect(),
    })
}
