//! Search structures: terms, impacts, vectors and their codes, sets of token vectors; exact search beside each
//! approximate one.

mod analyzer;
mod bm25;
pub mod codes;
mod dense;
pub mod docs;
pub mod impacts;
pub mod late;
mod lexical;
mod maxscore;
mod ranking;
mod searcher;
mod shards;
mod tantivy_bm25;
pub mod versions;

pub use analyzer::{ANALYZERS, Analyzer, UnknownAnalyzer, analyzer};
pub use bm25::{Bm25, InvalidBm25, Lengths};
pub use dense::{
    Flat, Graph, HnswParams, HnswRsParams, Matrix, MatrixWriter, Storage, build_hnsw, build_hnsw_rs,
};
pub use lexical::{IndexError, LexicalIndex};
pub use nir_kernels::{Element, Simd};
pub use searcher::Searcher;
pub use shards::{Slice, search_shards};
pub use tantivy_bm25::TantivySearcher;
