//! Compares measures, rankings and costs of a run with a baseline that is kept beside the results.
//! Where one of them differs by more than is allowed, the gate fails.
//!
//! ```text
//! configs/ci.toml ──run──▶ rows now ─┐
//! results/gate/ci.json ──▶ Baseline ─┴─compare──▶ Checks ──▶ table, JUnit XML, GitHub's annotations
//! ```
//!
//! A row of the baseline and a row of now are one type, so an update is writing down what was compared. Nothing here runs
//! a method: the caller hands in runs and measures, and [`Clock`] times what it is given.

//! ```
//! use std::path::Path;
//! use nir_gate::Baseline;
//!
//! assert_eq!(Baseline::path(Path::new("results"), "configs/ci.toml"), Path::new("results/gate/ci.json"));
//!
//! let file = Path::new("results/gate/ci.json");
//! let text = r#"{ "comparison": "configs/ci.toml", "reason": "the first", "rows": [] }"#;
//! let baseline = Baseline::parse(file, text)?;
//! assert!(baseline.row("pocket", "lexical/bm25").is_none());
//! # Ok::<(), nir_gate::BaselineError>(())
//! ```

mod baseline;
mod clock;
mod compare;
mod output;

pub use baseline::{Baseline, BaselineError, Costs, RankedQuery, Row, StageRatio, rankings};
pub use clock::{Clock, REFERENCE, Work};
pub use compare::{Check, GateError, Nearness, Verdict, What, compare};
pub use output::{JunitError, annotations, junit};
