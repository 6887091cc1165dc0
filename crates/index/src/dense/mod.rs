//! Search among vectors, by inner product.
//!
//! [`Matrix`] keeps the vectors, one row for each document. [`Flat`] compares a query with all of them and is the
//! reference for every structure that does not: a [`Graph`], built by `hnsw.rs` or `hnsw_rs.rs`, walks from neighbour
//! to neighbour.

mod flat;
mod graph;
mod hnsw;
mod hnsw_rs;
mod matrix;
mod space;
mod walk;

pub(crate) use matrix::{Rows, Strided, quantise, scale};

pub use flat::Flat;
pub use graph::Graph;
pub use hnsw::{HnswParams, build_hnsw};
pub use hnsw_rs::{HnswRsParams, build_hnsw_rs};
pub use matrix::{Matrix, MatrixWriter, Storage};
