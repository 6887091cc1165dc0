//! Rerankers that leave little to do once the query is known.

pub mod tilde;
