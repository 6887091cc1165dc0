//! What can keep a report from being made.

use nir_eval::MeasureError;

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no cell for any method and dataset that was asked for.
    #[error("no result of `{what}` in {results}; `nir {made_by} {arguments}` makes them")]
    NoCells {
        /// The comparison file, or the names of the methods.
        what: String,
        /// The folder where results were looked for.
        results: String,
        /// The subcommand of `nir` that makes them.
        made_by: &'static str,
        /// The arguments of that subcommand.
        arguments: String,
    },
    /// A cell records a measure that this version does not know.
    #[error(transparent)]
    Measure(#[from] MeasureError),
}
