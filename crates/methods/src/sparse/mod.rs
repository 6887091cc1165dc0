//! A text as weights over the whole vocabulary: its own words, and others it could have used.

pub mod splade;
