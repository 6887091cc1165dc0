//! Queries written anew from what an earlier stage found.

pub mod rm3;
pub mod rocchio;

mod vector;
