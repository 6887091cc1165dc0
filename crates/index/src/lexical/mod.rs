//! Retrieval by terms: from text to terms, an inverted index of them, and BM25 over it.
//!
//! ```text
//! text ──analyzer──▶ terms ──inverter──▶ postings ──segment──▶ LexicalIndex (tantivy's files, lengths, blocks)
//! query ──▶ Searcher ──▶ maxscore over Scoring (what a posting adds, what a block adds at most) ──▶ ranking
//! ```

mod analyzer;
pub(crate) mod bm25;
mod index;
mod inverter;
mod maxscore;
mod postings;
mod scoring;
mod searcher;
mod segment;
mod skyline;
mod tantivy_bm25;

pub use analyzer::{ANALYZERS, Analyzer, UnknownAnalyzer, analyzer};
pub use bm25::{Bm25, InvalidBm25, Lengths};
pub use index::LexicalIndex;
pub(crate) use postings::{Block, PostingList};
pub use searcher::Searcher;
pub use tantivy_bm25::TantivySearcher;
