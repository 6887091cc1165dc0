//! What stands on top of an encoder: one vector, one score, a weight for each token, a weight for each word.

mod classifier;
pub(crate) mod layer;
mod masked_lm;
mod per_token;
mod vector;

pub use classifier::Classifier;
pub use layer::Projection;
pub use masked_lm::{LogitPooling, MaskedLm};
pub use per_token::PerToken;
pub use vector::Vector;
