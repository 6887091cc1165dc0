//! The words of a text, each with a weight (or a short vector) that a model gives it in its context.

pub mod coil;
pub mod deepct;
pub mod deepimpact;
pub mod unicoil;

mod words;

pub(crate) use coil::FORMAT as LISTS;
pub(crate) use words::FORMAT as WORDS;
