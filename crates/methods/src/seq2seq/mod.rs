//! Rerankers that are encoder-decoders: a prompt is read, and the first token that would be written is looked at.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | monoT5 | `monot5.rs` | `seq2seq/monot5-base` | the probability of one word against another |
//! | duoT5 | `duot5.rs` | `seq2seq/duot5-base` | pairs of documents are compared, and the comparisons joined |
//! | RankT5 | `rankt5.rs` | `seq2seq/rankt5-base` | the logit of one token is the score, or a layer over the encoder |

pub mod duot5;
pub mod monot5;
pub mod rankt5;
