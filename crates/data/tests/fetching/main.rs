//! Fetching, against a server on this machine that behaves as badly as it is told.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

mod dataset;
mod download;
mod server;
