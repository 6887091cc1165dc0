//! Search among documents that are sets of token vectors, by MaxSim.
//!
//! [`TokenMatrix`] keeps the vectors of all tokens, document after document, and scores documents or searches all of
//! them. [`Plaid`] searches few of them, led by the centroids of [`TokenStorage::Residual`].

mod max_sim;
mod plaid;
mod residual;
mod tokens;

pub use plaid::{Plaid, PlaidProbe};
pub use residual::ResidualCode;
pub use tokens::{TokenMatrix, TokenStorage, TokenWriter};
