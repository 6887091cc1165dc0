//! What a researcher publishes: a comparison as a page, a table or data; and how much of the list runs.
//!
//! ```text
//! Question + cells (+ what is at hand of the collection) ──Report::new──▶ Report ──write──▶ html, markdown, latex, csv, json
//! Library + cells ──Coverage::new──▶ CoveragePage ──write──▶ html, markdown, json
//! ```
//!
//! A report is made from files alone: the cells in `results/` and their measures query by query. No model runs, nothing is
//! fetched, and the same files give the same bytes.

mod coverage;
mod disagreement;
mod drawing;
mod format;
mod ir_metadata;
mod question;
mod report;
mod templates;

pub use coverage::{CoveragePage, EntryCoverage, Progress};
pub use disagreement::{Disagreement, Shown, Side};
pub use format::{Format, UnknownFormat, coverage_text, report_text};
pub use ir_metadata::ir_metadata;
pub use question::{ALPHA, ConfigFile, Question, settings};
pub use report::{
    Against, AtHand, Entry, Finding, LabelScore, Part, Parts, QueryDifference, Report, ReportError,
    Row, Sources, Table, Tested, Value,
};
