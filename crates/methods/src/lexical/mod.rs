//! Exact terms with statistical weights.

pub mod bm25;
pub mod tantivy_bm25;
