//! Rerankers that leave little to do once the query is known.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | TILDE | `tilde.rs` | `efficient/tilde` | a likelihood of every word, computed before the query; TILDEv2 is in the family `weighting` |

pub mod tilde;
