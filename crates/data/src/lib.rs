//! Test collections from files: formats, manifests, fetching, sampling and the memory-mapped store.

mod lines;
mod malformed;
mod open;
pub mod trec;

pub use malformed::Malformed;
pub use open::{OpenError, open};
