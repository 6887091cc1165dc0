//! One file a subcommand: an `Args` that clap fills, and `run` that does it.

pub(crate) mod bench;
pub(crate) mod book;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod coverage;
pub(crate) mod datasets;
pub(crate) mod doctor;
pub(crate) mod encode;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod gate;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod new;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod run;
pub(crate) mod sample;
pub(crate) mod search;
pub(crate) mod show;
pub(crate) mod train;
pub(crate) mod tune;
