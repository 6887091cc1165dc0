//! Test collections from files: formats, manifests, fetching, sampling and the memory-mapped store.

mod open;

pub use open::{OpenError, open};
