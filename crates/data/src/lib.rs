//! Test collections from files: formats, manifests, fetching, sampling and the memory-mapped store.

mod malformed;
mod open;

pub use malformed::Malformed;
pub use open::{OpenError, open};
