//! Cells with their measures query by query, as they are read from the folder of results.

use std::path::Path;

use nir_catalogue::{Cell, PerQuery};

use crate::Question;
use crate::error::ReportError;

/// A cell with its measures query by query.
pub(crate) struct Measured<'a> {
    pub(crate) cell: &'a Cell,
    pub(crate) per_query: PerQuery,
}

/// Reads the rows of `dataset` in the order of the question's methods; a method without a cell is added to `absent`.
pub(crate) fn rows_of<'a>(
    question: &Question,
    dataset: &str,
    results: &Path,
    cells: &'a [Cell],
    absent: &mut Vec<(String, String)>,
) -> Result<Vec<Measured<'a>>, ReportError> {
    let mut rows = Vec::new();
    for method in &question.methods {
        let before = rows.len();
        for cell in cells.iter().filter(|cell| cell.dataset == dataset && &cell.method == method) {
            let path = results.join(cell.path()).with_extension("queries.tsv");
            rows.push(Measured { cell, per_query: PerQuery::read(&path)? });
        }
        if rows.len() == before {
            absent.push((dataset.to_owned(), method.clone()));
        }
    }
    Ok(rows)
}

impl Measured<'_> {
    /// Whether the values of the two rows can be paired query by query: same data, same policy, same queries.
    pub(crate) fn is_paired(&self, baseline: &Self) -> bool {
        self.cell.provenance.dataset == baseline.cell.provenance.dataset
            && self.cell.policy == baseline.cell.policy
            && self.per_query.queries == baseline.per_query.queries
    }

    /// The values of this row less those of `baseline`, in the order of the queries; 0 entries where either has no such measure.
    pub(crate) fn differences(&self, baseline: &Self, measure: &str) -> Vec<f64> {
        let values = |of: &Self| of.per_query.get(measure).unwrap_or_default().to_vec();
        values(self).iter().zip(values(baseline)).map(|(ours, theirs)| ours - theirs).collect()
    }
}
