//! Scores of vectors that are stored as codes of one bit or of four bits for each piece.

mod bits;
mod nibbles;

pub use nibbles::ROWS;
