//! Running methods: a config becomes a pipeline, a pipeline over a dataset becomes a run and its cost.

mod cost;
mod pipeline;
mod provenance;
mod run;

pub(crate) use pipeline::Pipeline;
pub(crate) use provenance::{build, provenance};
pub(crate) use run::{Engine, Finished, Fresh, Target};
