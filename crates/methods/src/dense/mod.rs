//! One vector for a text: queries and documents apart, compared by an inner product.
//!
//! All of these are `bi_encoder.rs` at search time; the papers differ in how the weights were learned.
//!
//! | name | config | what differs |
//! |---|---|---|
//! | DPR | `dense/dpr-nq`, `dense/dpr-multi` | two encoders, first token, inner product; in-batch negatives and one of BM25's |
//! | ANCE | `dense/ance` | RoBERTa, a projection with layer norm, lower-cased text; negatives that the encoder itself found |
//! | TCT-ColBERT | `dense/tct-colbert`, `-v2`, `-v2-hn`, `-v2-hnp` | mean without the first four tokens; taught by ColBERT |
//! | Margin-MSE | `dense/margin-mse` | DistilBERT, first token; taught by margins of cross-encoders |
//! | TAS-B | `dense/tas-b` | the same, with batches of one topic |
//! | Contriever | `dense/contriever`, `dense/contriever-msmarco` | mean of all tokens; contrasts spans of one text |
//! | coCondenser | `dense/co-condenser` | first token; a pre-training that condenses a text into it |
//! | RetroMAE | `dense/retromae-finetune`, `-distill` | first token; a pre-training that restores the text from it |
//! | DKRR | `dense/dkrr-nq`, `dense/dkrr-tqa` | mean; taught by a reader's attention |
//! | BPR | `dense/bpr-pocket` | the signs of the vectors, compared by Hamming distance; the best are scored again |
//! | Sentence-BERT, E5, BGE, LLM-Embedder, cosDPR, … | `dense/minilm-l6`, `dense/e5-base-v2`, … | cosine, prefixes, other encoders: each config says which |
//!
//! `fast_forward.rs` looks the vectors up for the candidates of another search (Fast-Forward indexes, `efficient/fast-forward-pocket`).

pub mod bi_encoder;
pub mod fast_forward;
