//! List entry, config and result: what exists, what runs, what was measured.
//!
//! ```text
//! papers.toml  ──key──▶  configs/<family>/<method>.toml  ──path──▶  results/<dataset>/<family>/<method>.json
//! ```
//!
//! Whether an entry is configured or has results is computed from these files and never written by hand.

mod cell;
mod comparison;
mod config;
mod leaderboard;
mod library;
mod method;
mod papers;
mod per_query;
mod source;
mod sweep;

pub use cell::{
    Cell, CellError, Claimed, Cost, CpuSeconds, Cut, GATE, Latency, Measured, Provenance, Scope,
    StageCost, Verdict, read_cells,
};
pub use comparison::{Comparison, Gate, Hypothesis, Rankings};
pub use config::{Config, FileError};
pub use leaderboard::leaderboard;
pub use library::{Coverage, Library, Status};
pub use method::{Card, Claim, Method, StageTable, Tuned};
pub use papers::{Edition, Family, Kind, Paper, Papers};
pub use per_query::{PerQuery, PerQueryError};
pub use source::{ConfigError, Source};
pub use sweep::{Group, Point, Sweep};
