//! Results with their measures query by query: what a report is made of.

use std::path::Path;

use nir_catalogue::{Cell, PerQuery, PerQueryError};

use crate::Question;

/// A result and its measures query by query.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The result.
    pub cell: Cell,
    /// Its measures, one value for each query.
    pub per_query: PerQuery,
}

impl Measured {
    /// A result of the folder `results`, with the file of measures beside it.
    pub fn read(results: &Path, cell: Cell) -> Result<Self, PerQueryError> {
        let path = results.join(cell.path()).with_extension("queries.tsv");
        Ok(Self { per_query: PerQuery::read(&path)?, cell })
    }

    /// Whether the values of the two rows can be paired query by query: same data, same policy, same queries.
    pub(crate) fn is_paired(&self, baseline: &Self) -> bool {
        self.cell.provenance.dataset == baseline.cell.provenance.dataset
            && self.cell.policy == baseline.cell.policy
            && self.per_query.queries == baseline.per_query.queries
    }

    /// The values of this row less those of `baseline`, in the order of the queries; 0 entries where either has no such measure.
    pub(crate) fn differences(&self, baseline: &Self, measure: &str) -> Vec<f64> {
        let pairs = self.values(measure).iter().zip(baseline.values(measure));
        pairs.map(|(ours, theirs)| ours - theirs).collect()
    }

    /// The values of one measure, in the order of the queries; none where it was not measured.
    pub(crate) fn values(&self, measure: &str) -> &[f64] {
        self.per_query.get(measure).unwrap_or_default()
    }
}

/// The rows of `dataset` in the order of the question's methods; a method without a result is added to `absent`.
pub(crate) fn rows_of<'a>(
    question: &Question,
    dataset: &str,
    measured: &'a [Measured],
    absent: &mut Vec<(String, String)>,
) -> Vec<&'a Measured> {
    let mut rows = Vec::new();
    for method in &question.methods {
        let before = rows.len();
        let is_of = |one: &&Measured| one.cell.dataset == dataset && &one.cell.method == method;
        rows.extend(measured.iter().filter(is_of));
        if rows.len() == before {
            absent.push((dataset.to_owned(), method.clone()));
        }
    }
    rows
}
