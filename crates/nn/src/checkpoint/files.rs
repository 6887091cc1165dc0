//! Which files of a repository make a checkpoint, and which of them are its weights.
//!
//! A repository often holds the same weights five times (PyTorch, TensorFlow, Flax, ONNX, OpenVINO). One copy is
//! enough: safetensors, or PyTorch's own format where there is nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Deserialize;

use super::error::{CheckpointError, io_at};

/// The model's shape.
pub(super) const CONFIG: &str = "config.json";
/// Weights in one file.
pub(super) const SAFETENSORS: &str = "model.safetensors";
/// Weights in several files: which tensor is where.
pub(super) const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
/// Weights as a pickle, in one file.
pub(super) const PYTORCH: &str = "pytorch_model.bin";

/// What stands at the top of a repository, beside the weights.
pub(super) const KNOWN: [&str; 19] = [
    CONFIG,
    // The tokenizer, in one file, or as its parts.
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
    // sentence-transformers: the chain of modules, prompts, lengths.
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    // The usual second module; others are found by their folder.
    "1_Pooling/config.json",
    // ColBERT's settings, by the Stanford code.
    "artifact.metadata",
    // COIL's heads, by the authors' code, beside the weights of its encoder.
    "model.pt",
    // Looked for before PyTorch's.
    SAFETENSORS,
    SAFETENSORS_INDEX,
];

/// How a repository stores its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `model.safetensors`.
    Safetensors,
    /// The shards of `model.safetensors.index.json`.
    Shards,
    /// `pytorch_model.bin`.
    PyTorch,
}

impl Format {
    /// The format of a checkpoint of these files, or what it lacks to be one. `place` is for the message.
    pub(super) fn check(names: &BTreeSet<String>, place: &str) -> Result<Self, CheckpointError> {
        let lacks = || (place.to_owned(), names.iter().cloned().collect());
        if !names.contains(CONFIG) {
            let (place, found) = lacks();
            return Err(CheckpointError::NoConfig { place, found });
        }
        Self::of(names).ok_or_else(|| {
            let (place, found) = lacks();
            CheckpointError::NoWeights { place, found }
        })
    }

    /// The first that is there, in the order of our trust: safetensors are numbers, a pickle is a program.
    fn of(names: &BTreeSet<String>) -> Option<Self> {
        let order = [
            (SAFETENSORS, Self::Safetensors),
            (SAFETENSORS_INDEX, Self::Shards),
            (PYTORCH, Self::PyTorch),
        ];
        order.into_iter().find(|(name, _)| names.contains(*name)).map(|(_, format)| format)
    }
}

/// The files beside the weights, of all that there are.
pub(super) fn beside_weights(names: &BTreeSet<String>) -> Vec<String> {
    let wanted = |name: &&String| match name.split_once('/') {
        None => KNOWN.contains(&name.as_str()) && name.as_str() != SAFETENSORS,
        Some((folder, file)) => is_module(folder) && is_of_module(folder, file, names),
    };
    names.iter().filter(wanted).cloned().collect()
}

/// `1_Pooling`, `2_Dense`, …: a module of sentence-transformers.
pub(super) fn is_module(folder: &str) -> bool {
    let (number, name) = folder.split_once('_').unwrap_or_default();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A module's settings, and its weights in one format.
fn is_of_module(folder: &str, file: &str, names: &BTreeSet<String>) -> bool {
    match file {
        CONFIG | SAFETENSORS => true,
        PYTORCH => !names.contains(&format!("{folder}/{SAFETENSORS}")),
        _ => false,
    }
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// The names of the weight files of a format. Shards are those of the index in `folder`; each must be `there`.
pub(super) fn weights(
    format: Format,
    folder: &Path,
    there: impl Fn(&str) -> bool,
) -> Result<Vec<String>, CheckpointError> {
    let path = match format {
        Format::Safetensors => return Ok(vec![SAFETENSORS.to_owned()]),
        Format::PyTorch => return Ok(vec![PYTORCH.to_owned()]),
        Format::Shards => folder.join(SAFETENSORS_INDEX),
    };
    let index = std::fs::read(&path).map_err(io_at(&path))?;
    let problem = match shards(&index) {
        Err(problem) => problem,
        Ok(shards) => match shards.iter().find(|name| !there(name)) {
            None => return Ok(shards),
            Some(name) => format!("it names `{name}`, which is not there"),
        },
    };
    Err(CheckpointError::Index { path, problem })
}

/// The files that an index names, each once, sorted.
fn shards(index: &[u8]) -> Result<Vec<String>, String> {
    let index: ShardIndex = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    match shards.iter().find(|name| !is_inside(name)) {
        Some(name) => Err(format!("`{name}` lies outside the repository")),
        None if shards.is_empty() => Err("`weight_map` is empty".to_owned()),
        None => Ok(shards.into_iter().collect()),
    }
}

/// Whether a name from a repository stays below its folder.
pub(super) fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_copy_of_the_weights_and_no_other_framework() {
        let names = set(&[
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "2_Dense/pytorch_model.bin",
            "3_Dense/pytorch_model.bin",
            "README.md",
            "config.json",
            "flax_model.msgpack",
            "model.safetensors",
            "onnx/config.json",
            "onnx/model.onnx",
            "openvino/openvino_model.bin",
            "pytorch_model.bin",
            "tf_model.h5",
            "tokenizer.json",
        ]);
        assert_eq!(Format::of(&names), Some(Format::Safetensors));
        let beside = [
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "3_Dense/pytorch_model.bin",
            "config.json",
            "tokenizer.json",
        ];
        assert_eq!(beside_weights(&names), beside);
    }

    #[test]
    fn a_pickle_is_the_last_choice() {
        let choice = |names| Format::of(&set(names));
        assert_eq!(choice(&[PYTORCH, SAFETENSORS_INDEX]), Some(Format::Shards));
        assert_eq!(choice(&[PYTORCH]), Some(Format::PyTorch));
        assert_eq!(choice(&["tf_model.h5"]), None);
    }

    #[test]
    fn an_index_names_each_shard_once_and_none_outside() {
        let json = br#"{"metadata":{},"weight_map":{"a":"m-2.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}}"#;
        assert_eq!(shards(json).unwrap(), ["m-1.safetensors", "m-2.safetensors"]);
        for outside in ["../x", "/etc/passwd", "a/../../x", ""] {
            let json = format!(r#"{{"weight_map":{{"a":"{outside}"}}}}"#);
            assert!(shards(json.as_bytes()).unwrap_err().contains("outside"), "{outside}");
        }
        assert!(shards(br#"{"weight_map":{}}"#).is_err());
        assert!(shards(b"<html>").is_err());
    }
}
