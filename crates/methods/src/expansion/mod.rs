//! Documents that are written further before they are indexed.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | doc2query-T5 | `doc2query.rs` | `expansion/doc2query-t5-base` | queries that a model writes for a document, all of them |
//! | Doc2Query-- | `doc2query.rs` | `expansion/doc2query-minus-minus` | those that a reranker finds relevant to it (`filter`) |

pub mod doc2query;
