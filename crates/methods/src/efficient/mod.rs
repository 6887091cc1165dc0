//! Rerankers that leave little to do once the query is known.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | TILDE | `tilde.rs` | `efficient/tilde` | a likelihood of every word, computed before the query; TILDEv2 is in the family `weighting` |
//! | Fast-Forward indexes | `../dense/fast_forward.rs` | `efficient/fast-forward-pocket` | a stored vector of every document, its product added to the sparse score |

pub mod tilde;
