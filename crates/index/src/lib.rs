//! Search structures: BM25 on tantivy, and exact search among vectors.

mod analyzer;
mod bm25;
mod dense;
mod lexical;
mod maxscore;
mod searcher;
mod simd;
mod tantivy_bm25;

pub use analyzer::{ANALYZERS, Analyzer, UnknownAnalyzer, analyzer};
pub use bm25::{Bm25, InvalidBm25, Lengths};
pub use dense::{Flat, Matrix, MatrixWriter, Storage};
pub use lexical::{IndexError, LexicalIndex};
pub use searcher::Searcher;
pub use simd::{Element, Simd};
pub use tantivy_bm25::TantivySearcher;
