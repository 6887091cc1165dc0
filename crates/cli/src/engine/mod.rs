//! Running methods: a config becomes a pipeline, a pipeline over a dataset becomes a run and its cost.

mod ask;
mod cost;
mod pipeline;
mod provenance;
mod run;
mod sweep;

pub(crate) use ask::{Answer, Hit};
pub(crate) use pipeline::Pipeline;
pub(crate) use provenance::{
    CODE, COMMIT, RUSTC, build, cores, cpu, device, libraries, memory, provenance,
};
pub(crate) use run::{Engine, Finished, Fresh, MADE_WITH, Target, versions};
pub(crate) use sweep::Searched;
