//! Text to tensors with published weights: tokens, encoders, heads, pooling.
//!
//! ```text
//! text ──Input──▶ Tokens ──Encoder──▶ Hidden [tokens, hidden] ──Pooling or a head──▶ vectors, weights, scores
//! ```
//!
//! A [`Model`] is an encoder with one head, both from one checkpoint of which every tensor is accounted for. The
//! encoder has two forms that give the same numbers: the plain one in candle, which reads like the papers and runs on
//! any device in any precision, and on a CPU a packed one of our own ([`cpu`]), which is what users get there.

pub mod architecture;
mod artifact;
mod backend;
mod budget;
mod causal;
mod chat;
pub mod checkpoint;
pub mod contract;
pub mod cpu;
mod decoder;
mod encoder;
mod error;
mod generation;
pub mod heads;
mod hidden;
mod json;
pub mod layers;
mod model;
mod packed;
mod pickled;
mod pooling;
mod prefix;
mod product;
mod prompts;
mod reading;
mod seq2seq;
pub mod tensors;
mod tokens;
mod trained;
mod trunk;
pub mod versions;
mod vocabulary;
mod writer;

pub use architecture::Architecture;
pub use artifact::{Artifact, Late};
pub use backend::{Backend, Precision};
pub use budget::{Prompt, check_prompt_fields};
pub use causal::CausalLm;
pub use chat::{ChatTemplate, Message};
pub use contract::Contract;
pub use cpu::Rows;
pub use encoder::{Encoder, Table, check_finite};
pub use error::{Error, Result};
pub use generation::{Beam, Sampling};
pub use hidden::{Hidden, numbers};
pub use layers::Activation;
pub use model::Model;
pub use pooling::{Pooling, Poolings, Similarity, normalise};
pub use prompts::{Role, check_pair_prompt, check_prompt, pair_prompt, prompt};
pub use reading::{Reading, Tally};
pub use seq2seq::Seq2Seq;
pub use tensors::{Tensors, matches};
pub use tokens::{Bound, Fill, Input, Tokenizer, Tokens, Truncation, batches};
pub use trunk::{Padded, Trunk};
pub use writer::{Writer, never};
