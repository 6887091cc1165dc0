//! Search structures: terms, impacts, vectors and their codes, sets of token vectors; exact search beside each
//! approximate one.

pub mod codes;
mod dense;
pub mod docs;
mod error;
pub mod impacts;
pub mod late;
mod lexical;
mod ranking;
mod shards;
pub mod structure;
pub mod versions;

pub use dense::{
    Flat, Graph, HnswParams, HnswRsParams, Matrix, MatrixWriter, Storage, build_hnsw, build_hnsw_rs,
};
pub use error::IndexError;
pub use lexical::{
    ANALYZERS, Analyzer, Bm25, InvalidBm25, Lengths, LexicalIndex, Searcher, TantivySearcher,
    UnknownAnalyzer, analyzer,
};
pub use nir_kernels::{Element, Simd};
pub use shards::{Slice, search_shards};
