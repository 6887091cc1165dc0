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
//!
//! A vocabulary and then a model that predicts hidden words, from four short texts:
//!
//! ```
//! use candle_core::Device;
//! use nir_core::Silent;
//! use nir_train::{Folders, Recipe, train, vocabulary};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let (data, models) = (folder.path(), folder.path().join("models"));
//! std::fs::write(data.join("documents.tsv"), "d1\tthe keeper of the light\nd2\tthe light at sea\n")?;
//! std::fs::write(data.join("queries.tsv"), "q1\twho keeps the light\nq2\tlight at sea\n")?;
//!
//! let vocabulary: vocabulary::Recipe = toml::from_str(
//!     r#"task = "vocabulary"
//!        summary = "All characters and a few pieces"
//!        size = 60
//!        min_frequency = 1
//!        alphabet = 40
//!        data = { documents = ["documents.tsv"], queries = ["queries.tsv"] }"#,
//! )?;
//! let vocabulary_folder = models.join("vocabulary");
//! vocabulary.make(&Folders { data, models: &models, output: &vocabulary_folder, progress: &Silent })?;
//!
//! let recipe: Recipe = toml::from_str(
//!     r#"task = "train"
//!        summary = "A tiny model"
//!        seed = 1
//!        [model]
//!        vocabulary = "vocabulary"
//!        fresh = []
//!        learn = ["*"]
//!        layers = 1
//!        hidden = 8
//!        heads = 2
//!        intermediate = 16
//!        positions = 24
//!        std = 0.1
//!        residual_std = 0.1
//!        segment_std = 0.1
//!        identity = { look = [0.0], carry = [0.0], words = 0.0 }
//!        [head.masked-lm]
//!        text = { template = ["{text}"], special_tokens = true, max_length = 16 }
//!        [data]
//!        documents = ["documents.tsv"]
//!        queries = ["queries.tsv"]
//!        [objective.masked-lm]
//!        chosen = 0.3
//!        masked = 0.8
//!        random = 0.1
//!        [optimiser]
//!        steps = 3
//!        batch = 4
//!        rate = 0.01
//!        warm_up = 1
//!        beta1 = 0.9
//!        beta2 = 0.999
//!        eps = 1e-8
//!        weight_decay = 0.01
//!        clip = 1.0
//!        checkpoint_every = 3"#,
//! )?;
//! let output = models.join("tiny");
//! let folders = Folders { data, models: &models, output: &output, progress: &Silent };
//! let outcome = train(&recipe, &folders, &Device::Cpu, &mut ())?;
//!
//! assert_eq!(outcome.map(|outcome| outcome.taken), Some(3));
//! assert!(output.join("model.safetensors").is_file() && output.join("config.json").is_file());
//! # Ok(())
//! # }
//! ```

mod card;
pub mod clusters;
pub mod encoded;
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
mod tensor_file;
pub mod texts;
pub mod trainer;
mod validation;
pub mod vectors;
pub mod vocabulary;
mod watch;
mod work;

use std::path::{Path, PathBuf};

use nir_core::Progress;

pub use error::{Error, Result};
pub use recipe::{Kind, Recipe, Task};
pub use trainer::train;
pub use watch::{Outcome, Step, Watch};

/// Where a recipe reads and writes, and where it announces what takes long.
#[derive(Clone, Copy)]
pub struct Folders<'a> {
    /// The folder of texts and judgements.
    pub data: &'a Path,
    /// The folder of what recipes make, with one folder for each, named after its recipe.
    pub models: &'a Path,
    /// The folder that this recipe writes.
    pub output: &'a Path,
    /// Where steps of more than a moment are announced.
    pub progress: &'a dyn Progress,
}

impl Folders<'_> {
    /// The paths of files that a recipe names below the folder of data.
    pub fn data(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.data.join(path)).collect()
    }
}
