//! Query and document read together by one encoder.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | monoBERT | `pointwise.rs` | `cross_encoder/monobert-large` | two classes, log-softmax |
//! | MiniLM, TinyBERT, ELECTRA, mxbai | `pointwise.rs` | `cross_encoder/minilm-l6`, `tinybert-l2`, `electra-base`, `mxbai-base-v1` | smaller or other encoders, one class |
//! | BERT-QE | `bert_qe.rs` | `feedback/bert-qe-pocket` | pieces of the best documents are read as queries, too |
//! | BERT-MaxP, FirstP, SumP | `pointwise.rs` | `long_document/bert-maxp-pocket` and others | behind `passages` |
//! | BERT (Rep) | `representation.rs` | `cross_encoder/bert-rep` | the two are read apart, for comparison |

pub mod bert_qe;
pub mod pointwise;
pub mod representation;
