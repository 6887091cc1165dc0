//! Checkpoints, from folders and from a hub on this machine that behaves as badly as it is told.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

mod fetching;
mod folder;
mod refusals;
mod server;
