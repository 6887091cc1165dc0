//! Many vectors for a text, one for each token, that meet only at the end.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | ColBERT, ColBERTv2 | `colbert.rs` | `late/colbert-v2`, `late/colbert-pocket` | every document is compared |
//! | PLAID | `colbert.rs` with `plaid`; the structure is `crates/index/src/late/plaid.rs` | `late/plaid-colbert-v2` | most documents are ruled out by centroids |
//! | ColBERT-PRF | `colbert_prf.rs` | `feedback/colbert-prf`, `feedback/colbert-prf-pocket` | centroids of the best documents' tokens join the query |
//! | ColBERT as a reranker | `max_sim.rs` | `late/colbert-v2-rerank` | the candidates of another stage are compared |

pub mod colbert;
pub mod colbert_prf;
pub mod max_sim;
