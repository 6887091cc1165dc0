//! How much of the documents an encoder has read, and how much it has cut off: kept beside the vectors, said in the result.

use std::path::{Path, PathBuf};

use nir_core::{Result, Version};
use nir_nn::Reading;

use crate::Context;

/// The version of the format of the file beside the vectors.
pub(crate) const FORMAT: Version = Version::new("methods::texts read", 1);
const FILE: &str = "reading.json";

/// Writes beside the vectors of a shard how much of its texts was read.
pub(crate) fn keep(folder: &Path, reading: Reading) -> Result<()> {
    Ok(std::fs::write(folder.join(FILE), serde_json::to_vec(&reading)?)?)
}

/// Adds to what the result says: how many documents of all shards were cut, and what share of their text was not read.
pub(crate) fn note(context: &Context<'_>, shards: &[PathBuf]) -> Result<()> {
    let mut sum = Reading::default();
    for folder in shards {
        sum = sum + serde_json::from_slice(&std::fs::read(folder.join(FILE))?)?;
    }
    context.resources.note("texts", "documents cut", &sum.cut.to_string());
    let share = format!("{:.4}", sum.share_cut_off());
    context.resources.note("texts", "text not read", &share);
    Ok(())
}
