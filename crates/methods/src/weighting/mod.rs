//! The words of a text, each with a weight (or a short vector) that a model gives it in its context.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | DeepCT | `deepct.rs` | `weighting/deepct` | a count for BM25, learned word by word |
//! | DeepImpact, DeeperImpact | `deepimpact.rs` | `weighting/deeper-impact` | an impact, learned so that the sum ranks |
//! | uniCOIL | `unicoil.rs` | `weighting/unicoil`, `unicoil-noexp`, `unicoil-tilde` | a weight for each word piece, of queries too |
//! | TILDEv2 | `unicoil.rs` | `weighting/tilde-v2` | the same with `query_weighting = "tokens"`: no model reads the query |
//! | COIL | `coil.rs` | `weighting/coil-hn` | a short vector in place of the weight |

pub mod coil;
pub mod deepct;
pub mod deepimpact;
pub mod unicoil;

mod words;

pub(crate) use words::FORMAT as WORDS;
