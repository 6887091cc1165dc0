//! Search structures: BM25 on tantivy.
