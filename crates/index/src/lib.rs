//! Search structures: BM25 on tantivy.

mod analyzer;
mod bm25;
mod lexical;
mod maxscore;
mod searcher;
mod tantivy_bm25;

pub use analyzer::{ANALYZERS, Analyzer, UnknownAnalyzer, analyzer};
pub use bm25::{Bm25, InvalidBm25, Lengths};
pub use lexical::{IndexError, LexicalIndex};
pub use searcher::Searcher;
pub use tantivy_bm25::TantivySearcher;
