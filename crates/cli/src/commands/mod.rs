//! One file a subcommand: an `Args` that clap fills, and `run` that does it.

pub(crate) mod eval;
