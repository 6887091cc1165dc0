//! Documents that are written further before they are indexed, and queries before they are searched.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | doc2query-T5 | `doc2query.rs` | `expansion/doc2query-t5-base` | queries that a model writes for a document, all of them |
//! | Doc2Query-- | `doc2query.rs` | `expansion/doc2query-minus-minus` | those that a reranker finds relevant to it (`filter`) |
//! | query2doc | `query2doc.rs` | `expansion/query2doc-pocket`, `expansion/query2doc-dense-pocket` | a passage that a language model wrote stands behind the query |
//! | HyDE | `hyde.rs` | `expansion/hyde-pocket` | the query's vector is the mean of its own and of those of such passages |
//! | GRF | `grf.rs` | `expansion/grf-pocket` | the frequent terms of such passages are mixed into the query |
//!
//! The last three read the passages from a file, so that published ones are searched with and no model is needed.

pub mod doc2query;
pub mod grf;
pub mod hyde;
pub mod query2doc;

mod written;
