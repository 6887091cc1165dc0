//! One vector for a text: queries and documents apart, compared by an inner product.

pub mod bi_encoder;
pub mod index;
