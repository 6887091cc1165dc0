//! What a researcher publishes: a comparison as a page, a table or data; and how much of the list runs.
//!
//! ```text
//! Question + results (+ what is at hand of the collection) ──Report::new──▶ Report ──write──▶ html, markdown, latex, csv, json
//! Library + cells ──Coverage::new──▶ CoveragePage ──write──▶ html, markdown, json
//! ```
//!
//! A report is made of results alone: cells with their measures query by query. No model runs, nothing is fetched, and the
//! same results give the same bytes.

mod answers;
mod coverage;
mod disagreement;
mod drawing;
mod error;
mod forest;
mod format;
mod ir_metadata;
mod labels;
mod means;
mod measured;
mod moved;
mod pairs;
mod pareto;
pub mod pictures;
mod question;
mod report;
mod row;
mod significance;
mod sources;
mod table;
mod templates;
mod verdict;

pub use coverage::{CoveragePage, EntryCoverage, Progress};
pub use disagreement::{Disagreement, Shown, Side};
pub use error::ReportError;
pub use format::{Format, UnknownFormat, coverage_text, report_text};
pub use ir_metadata::ir_metadata;
pub use labels::LabelScore;
pub use means::{AgainstMean, Mean, MeanRow, Means};
pub use measured::Measured;
pub use moved::{Known, Moved, MovedCost, MovedMeasure, known_of_report};
pub use pairs::{PairOfRows, Pairs, pairs_verdict};
pub use question::{ConfigFile, Question};
pub use report::{Entry, Report};
pub use row::{QueryDifference, Row, Value};
pub use significance::{Against, Finding, Tested};
pub use sources::{AtHand, Part, Parts, Sources};
pub use table::Table;
pub use templates::p_value;
pub use verdict::{Judged, verdict};
