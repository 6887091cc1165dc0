//! What may not move: measures, rankings and costs, held against a baseline that is kept beside the results.
//!
//! ```text
//! configs/ci.toml ──run──▶ rows now ─┐
//! results/gate/ci.json ──▶ Baseline ─┴─compare──▶ Checks ──▶ table, JUnit XML, GitHub's annotations
//! ```
//!
//! A row of the baseline and a row of now are one type, so an update is writing down what was compared. Nothing here runs
//! a method: the caller hands in runs and measures, and [`Clock`] times what it is given.

mod baseline;
mod clock;
mod compare;
mod output;

pub use baseline::{Baseline, BaselineError, Costs, RankedQuery, Row, StageRatio, rankings};
pub use clock::{Clock, REFERENCE, Work};
pub use compare::{Check, GateError, Nearness, Verdict, What, compare};
pub use output::{JunitError, annotations, junit};
