//! Query and document read together by one encoder.

pub mod pointwise;
pub mod representation;
