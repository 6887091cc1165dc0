//! Which `config.json` describes a model that writes, and what reads it.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::{CausalLm, EncoderDecoder, bart, described, gpt2, llama, mistral, qwen2, qwen3, t5};
use crate::Result;

/// Reads the text of one kind of `config.json`.
type Read<T> = fn(&str) -> std::result::Result<T, String>;

/// The supported encoder-decoders, by the `model_type` of their `config.json`.
const ENCODER_DECODERS: [(&str, Read<EncoderDecoder>); 3] = [
    ("t5", read::<t5::Config, _>),
    ("mt5", read::<t5::Config, _>),
    ("bart", read::<bart::Config, _>),
];

/// The supported decoders, by the `model_type` of their `config.json`. The code that computes them has the version
/// [`crate::versions::DECODER`].
const CAUSAL_LMS: [(&str, Read<CausalLm>); 5] = [
    ("gpt2", read::<gpt2::Config, _>),
    ("llama", read::<llama::Config, _>),
    ("mistral", read::<mistral::Config, _>),
    ("qwen2", read::<qwen2::Config, _>),
    ("qwen3", read::<qwen3::Config, _>),
];

fn read<C, T>(text: &str) -> std::result::Result<T, String>
where
    C: DeserializeOwned,
    T: TryFrom<C, Error = String>,
{
    let config: C = serde_json::from_str(text).map_err(|error| error.to_string())?;
    T::try_from(config)
}

/// Reads a `config.json` with the reader for its `model_type`.
///
/// - `what`: what the readers are for, which the error says
fn read_one_of<T>(
    text: &str,
    readers: &[(&str, Read<T>)],
    what: &str,
) -> std::result::Result<T, String> {
    let found = model_type(text)?;
    match readers.iter().find(|(name, _)| *name == found) {
        Some((_, read)) => read(text),
        None => {
            Err(format!("`model_type` is `{found}`: expected {what}, one of {}", names(readers)))
        }
    }
}

/// The `model_type` of a `config.json`; an empty text if it has none.
fn model_type(text: &str) -> std::result::Result<String, String> {
    let keys: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(keys["model_type"].as_str().unwrap_or_default().to_owned())
}

fn names<T>(readers: &[(&str, Read<T>)]) -> String {
    readers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl EncoderDecoder {
    /// Reads the `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or describes a model that is not supported or that has no encoder and decoder.
    pub fn read(path: &Path) -> Result<Self> {
        described(path, Self::parse)
    }

    /// Whether the text of a `config.json` is of this kind, rightly described or not.
    pub(crate) fn is_described(text: &str) -> bool {
        model_type(text).is_ok_and(|found| ENCODER_DECODERS.iter().any(|(name, _)| *name == found))
    }

    /// Reads the text of a `config.json`; the error says what is wrong or not supported.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let both = read_one_of(text, &ENCODER_DECODERS, "an encoder-decoder")?;
        Ok(Self { encoder: both.encoder.checked()?, decoder: both.decoder.checked()?, ..both })
    }
}

impl CausalLm {
    /// Reads the `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or describes a model that is not supported or that is no decoder.
    pub fn read(path: &Path) -> Result<Self> {
        described(path, Self::parse)
    }

    /// Whether the text of a `config.json` is of this kind, rightly described or not.
    pub(crate) fn is_described(text: &str) -> bool {
        model_type(text).is_ok_and(|found| CAUSAL_LMS.iter().any(|(name, _)| *name == found))
    }

    /// Reads the text of a `config.json`; the error says what is wrong or not supported.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let what = format!("a model that writes: {}, or a decoder", names(&ENCODER_DECODERS));
        let model = read_one_of(text, &CAUSAL_LMS, &what)?;
        Ok(Self { decoder: model.decoder.checked()?, ..model })
    }
}
