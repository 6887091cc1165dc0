//! Which files of a repository make a checkpoint, and which of them are its weights.
//!
//! A repository often holds the same weights five times (PyTorch, TensorFlow, Flax, ONNX, OpenVINO). One copy is
//! enough: safetensors, or PyTorch's own format where there is nothing else.
//!
//! The encoder stands at the top, or in the folder of the first module (`0_Transformer/`), as sentence-transformers
//! saved it until 2.0. Its folder is called the base: nothing, or a name with a slash behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Deserialize;

use super::error::{CheckpointError, io_at};

/// The file that describes the architecture and the sizes of the model.
pub(super) const CONFIG: &str = "config.json";
/// The file of weights in safetensors format.
pub(super) const SAFETENSORS: &str = "model.safetensors";
/// The index that says which tensor is in which safetensors file.
pub(super) const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
/// The file of weights as a PyTorch pickle.
pub(super) const PYTORCH: &str = "pytorch_model.bin";
/// The index that says which tensor is in which pickle.
pub(super) const PYTORCH_INDEX: &str = "pytorch_model.bin.index.json";

/// The files at the top of a repository that belong to a checkpoint, weights aside.
pub(super) const KNOWN: [&str; 28] = [
    CONFIG,
    // Where a model that writes ends, and how a conversation is written for it.
    "generation_config.json",
    "chat_template.jinja",
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
    "spm.model",
    "tokenizer.model",
    // sentence-transformers: the chain of modules, prompts, lengths.
    "modules.json",
    "config_sentence_transformers.json",
    // The encoder's settings, under the name of its class until 2.0.
    LIMITS[0],
    LIMITS[1],
    LIMITS[2],
    LIMITS[3],
    LIMITS[4],
    LIMITS[5],
    // The usual second module; others are found by their folder.
    "1_Pooling/config.json",
    // ColBERT's settings, by the Stanford code.
    "artifact.metadata",
    // COIL's heads, by the authors' code, beside the weights of its encoder.
    "model.pt",
    // Looked for before PyTorch's.
    SAFETENSORS,
    SAFETENSORS_INDEX,
    PYTORCH_INDEX,
];

/// The names that sentence-transformers has used for the file with an encoder's maximal length and its case, in the
/// order in which it looks for them.
pub(super) const LIMITS: [&str; 6] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
];

/// The format in which a repository stores its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One file, `model.safetensors`.
    Safetensors,
    /// The files that `model.safetensors.index.json` names.
    Shards,
    /// One file, `pytorch_model.bin`.
    PyTorch,
    /// The files that `pytorch_model.bin.index.json` names.
    PyTorchShards,
}

/// The formats with their files, the preferred one first: safetensors hold numbers only, a pickle is a program.
const FORMATS: [(&str, Format); 4] = [
    (SAFETENSORS, Format::Safetensors),
    (SAFETENSORS_INDEX, Format::Shards),
    (PYTORCH, Format::PyTorch),
    (PYTORCH_INDEX, Format::PyTorchShards),
];

/// Where the encoder of a checkpoint is, and in which format its weights are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The folder of the encoder with a slash at its end: empty for the top, or `0_Transformer/`.
    pub(super) base: String,
    pub(super) format: Format,
}

impl Layout {
    /// The layout of a checkpoint with these files; the error says what is missing. `place` is how messages name the
    /// checkpoint.
    pub(super) fn check(names: &BTreeSet<String>, place: &str) -> Result<Self, CheckpointError> {
        let lacks = || (place.to_owned(), names.iter().cloned().collect());
        let base = base(names);
        if !names.contains(&format!("{base}{CONFIG}")) {
            let (place, found) = lacks();
            return Err(CheckpointError::NoConfig { place, found });
        }
        let Some(format) = Format::of(names, &base) else {
            let (place, found) = lacks();
            return Err(CheckpointError::NoWeights { place, found });
        };
        Ok(Self { base, format })
    }
}

impl Format {
    fn of(names: &BTreeSet<String>, base: &str) -> Option<Self> {
        let there = |(name, _): &&(&str, Self)| names.contains(&format!("{base}{name}"));
        FORMATS.iter().find(there).map(|&(_, format)| format)
    }

    /// Whether the weights are PyTorch pickles.
    pub(super) fn is_pickled(self) -> bool {
        matches!(self, Self::PyTorch | Self::PyTorchShards)
    }

    /// The file of the format: the weights, or the index of their shards.
    fn file(self) -> &'static str {
        let of_this = FORMATS.iter().find(|(_, format)| *format == self);
        of_this.expect("every format has a file").0
    }
}

/// The folder of the encoder: the one of the first module if it holds a complete encoder, else the top.
fn base(names: &BTreeSet<String>) -> String {
    let folder = |name: &String| {
        let (folder, file) = name.split_once('/')?;
        (file == CONFIG && folder.starts_with("0_") && is_module(folder))
            .then(|| format!("{folder}/"))
    };
    let mut folders = names.iter().filter_map(folder);
    folders.find(|folder| Format::of(names, folder).is_some()).unwrap_or_default()
}

/// The files among `names` that belong to a checkpoint beside its weights.
pub(super) fn beside_weights(names: &BTreeSet<String>) -> Vec<String> {
    let base = base(names);
    let known = |name: &str| KNOWN.contains(&name) && name != SAFETENSORS;
    let wanted = |name: &&String| match name.split_once('/') {
        None => known(name.as_str()),
        Some((folder, file)) if base.strip_suffix('/') == Some(folder) => known(file),
        Some((folder, file)) => is_module(folder) && is_of_module(folder, file, names),
    };
    names.iter().filter(wanted).cloned().collect()
}

/// Whether a folder is a module of sentence-transformers: `1_Pooling`, `2_Dense` and so on.
pub(super) fn is_module(folder: &str) -> bool {
    let (number, name) = folder.split_once('_').unwrap_or_default();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a file belongs to a module: its settings, or its weights in the preferred format.
fn is_of_module(folder: &str, file: &str, names: &BTreeSet<String>) -> bool {
    match file {
        CONFIG | SAFETENSORS => true,
        PYTORCH => !names.contains(&format!("{folder}/{SAFETENSORS}")),
        _ => false,
    }
}

/// The content of `model.safetensors.index.json` that is used.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// The names of the weight files of a layout. Shards are those that the index in `folder` names; it is an error if one
/// of them is not `there`.
pub(super) fn weights(
    layout: &Layout,
    folder: &Path,
    there: impl Fn(&str) -> bool,
) -> Result<Vec<String>, CheckpointError> {
    let Layout { base, format } = layout;
    let name = format!("{base}{}", format.file());
    if matches!(format, Format::Safetensors | Format::PyTorch) {
        return Ok(vec![name]);
    }
    let path = folder.join(name);
    let index = std::fs::read(&path).map_err(io_at(&path))?;
    let inside = |shards: Vec<String>| shards.iter().map(|name| format!("{base}{name}")).collect();
    let problem = match shards(&index).map(inside) {
        Err(problem) => problem,
        Ok(shards) => {
            let shards: Vec<String> = shards;
            match shards.iter().find(|name| !there(name)) {
                None => return Ok(shards),
                Some(name) => format!("it names `{name}`, which is not there"),
            }
        }
    };
    Err(CheckpointError::Index { path, problem })
}

/// The files that an index names, without repetition, sorted; the error says what is wrong with the index.
fn shards(index: &[u8]) -> Result<Vec<String>, String> {
    let index: ShardIndex = serde_json::from_slice(index).map_err(|error| error.to_string())?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    match shards.iter().find(|name| !is_inside(name)) {
        Some(name) => Err(format!("`{name}` lies outside the repository")),
        None if shards.is_empty() => Err("`weight_map` is empty".to_owned()),
        None => Ok(shards.into_iter().collect()),
    }
}

/// The first line of a Git LFS pointer.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// Refuses a Git LFS pointer: a repository cloned without Git LFS has three lines of text in place of a large file.
pub(super) fn check_is_no_pointer(path: &Path) -> Result<(), CheckpointError> {
    // A pointer is shorter than this, by its specification.
    if std::fs::metadata(path).map_err(io_at(path))?.len() >= 1024 {
        return Ok(());
    }
    let text = std::fs::read(path).map_err(io_at(path))?;
    if !text.starts_with(POINTER) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let size = text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse().ok());
    Err(CheckpointError::Pointer { path: path.to_owned(), size })
}

/// Whether a name from a repository stays below the repository's folder.
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
        assert_eq!(Format::of(&names, ""), Some(Format::Safetensors));
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
        let choice = |names| Format::of(&set(names), "");
        assert_eq!(choice(&[PYTORCH, SAFETENSORS_INDEX]), Some(Format::Shards));
        assert_eq!(choice(&[PYTORCH]), Some(Format::PyTorch));
        assert_eq!(choice(&[PYTORCH_INDEX]), Some(Format::PyTorchShards));
        assert_eq!(choice(&["tf_model.h5"]), None);
    }

    #[test]
    fn an_encoder_may_lie_in_the_folder_of_the_first_module() {
        let names = set(&[
            "0_Transformer/config.json",
            "0_Transformer/pytorch_model.bin",
            "0_Transformer/sentence_bert_config.json",
            "0_Transformer/vocab.txt",
            "1_Pooling/config.json",
            "config.json",
            "modules.json",
        ]);
        let layout = Layout::check(&names, "it").unwrap();
        assert_eq!(layout, Layout { base: "0_Transformer/".into(), format: Format::PyTorch });
        let mut beside: Vec<String> = names.into_iter().collect();
        beside.retain(|name| !name.ends_with(PYTORCH));
        assert_eq!(
            beside_weights(
                &beside.iter().cloned().chain([format!("0_Transformer/{PYTORCH}")]).collect()
            ),
            beside
        );
        // Settings alone are no encoder.
        assert_eq!(base(&set(&["0_Transformer/config.json", "config.json", PYTORCH])), "");
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
