//! Many vectors for a text, one for each token, that meet only at the end.

pub mod colbert;
