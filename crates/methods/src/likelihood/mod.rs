//! Query likelihood by a language model: how likely is the query, written behind the document?
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | UPR | `query_likelihood.rs` | `prompting/upr-t5-large-lm-adapt` | a model that was never trained to rank, and a prompt that asks for a question |
//! | Ranking by generation | `query_likelihood.rs` | `seq2seq/ranking-by-generation-doc2query` | a model that was trained to write queries, and no prompt |

pub mod query_likelihood;
