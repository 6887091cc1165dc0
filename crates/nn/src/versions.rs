//! Versions of the code between a text and its numbers.
//!
//! What a checkpoint makes of a text is decided by its files and by the code below. A number is raised in the commit that
//! changes a bit of that for the same files; `tests/versions.rs` fails until it is, and names the constant.

use crate::architecture::{CausalLm, EncoderDecoder};
use crate::checkpoint::Checkpoint;
use crate::{Architecture, Error, Result};

/// The version of the code that turns a text into tokens: vocabularies, templates, truncation.
pub const TOKENS: u32 = 1;
/// The version of the code that turns tokens into hidden states, and those into vectors, weights and scores: kernels,
/// trunk, pooling, heads. Code of one architecture alone has its own version in [`crate::architecture`].
pub const ENCODER: u32 = 1;
/// The version of the code that computes what a decoder says of a text, and that writes with it. Only models with a decoder have
/// it.
pub const DECODER: u32 = 1;

/// The code that turns texts into numbers with this checkpoint, by name: `nn::tokens`, `nn::encoder`, `nn::decoder` where it has
/// one, and the kind of its encoder, such as `bert`.
///
/// # Errors
///
/// Where its `config.json` cannot be read.
pub fn of(checkpoint: &Checkpoint) -> Result<Vec<(&'static str, u32)>> {
    let path = checkpoint.config();
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Io { path, source })?;
    let own = [("nn::tokens", TOKENS), ("nn::encoder", ENCODER)];
    let decodes = EncoderDecoder::is_described(&text) || CausalLm::is_described(&text);
    let decoder = decodes.then_some(("nn::decoder", DECODER));
    Ok(own.into_iter().chain(decoder).chain(Architecture::version(&text)).collect())
}

/// The versions of all code that [`of`] may name for some checkpoint.
pub fn all() -> Vec<(&'static str, u32)> {
    let own = [("nn::tokens", TOKENS), ("nn::encoder", ENCODER), ("nn::decoder", DECODER)];
    own.into_iter().chain(Architecture::versions()).collect()
}
