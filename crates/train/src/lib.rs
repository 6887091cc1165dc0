//! Trains encoders from recipes.
//!
//! ```text
//! recipe ──▶ vocabulary                          texts ──▶ tokenizer.json
//!        ──▶ negatives      judgements and a run of ids ──▶ a training set of ids
//!        ──▶ vectors                 a published teacher ──▶ its vectors
//!        ──▶ train     batch ──Student──▶ scores ──objective──▶ loss ──AdamW──▶ weights
//! ```
//!
//! A training is a function of its recipe: batches, gaps and draws depend on the seed and the number of the step alone,
//! so that one which is killed goes on bit for bit, and two of one recipe on one kind of processor give the same bytes, at
//! any number of threads.

mod card;
pub mod clusters;
mod error;
pub mod examples;
pub mod negatives;
pub mod objectives;
pub mod optimiser;
pub mod order;
pub mod pack;
pub mod parameters;
pub mod recipe;
pub mod state;
pub mod student;
pub mod texts;
pub mod trainer;
mod validation;
pub mod vectors;
pub mod vocabulary;
mod work;

use std::path::{Path, PathBuf};

use nir_core::Progress;

pub use error::{Error, Result};
pub use recipe::{Kind, Recipe, Task};
pub use trainer::{Outcome, Step, Watch, train};

/// Where a recipe reads and writes, and where it announces what takes long.
#[derive(Clone, Copy)]
pub struct Folders<'a> {
    /// Texts and judgements.
    pub data: &'a Path,
    /// What other recipes made, each in a folder of its own name.
    pub models: &'a Path,
    /// What this one makes.
    pub output: &'a Path,
    /// Where steps of more than a moment are announced.
    pub progress: &'a dyn Progress,
}

impl Folders<'_> {
    /// Files below the folder of data.
    pub fn data(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.data.join(path)).collect()
    }
}
