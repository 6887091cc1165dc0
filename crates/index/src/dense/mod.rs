//! Search among vectors, by inner product.
//!
//! [`Matrix`] keeps the vectors, one row for each document. [`Flat`] compares a query with all of them and is the
//! reference for every structure that does not.

mod best;
mod flat;
mod mapped;
mod matrix;

pub use flat::Flat;
pub use matrix::{Matrix, MatrixWriter, Storage};
