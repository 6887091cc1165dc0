//! `file:`, and the digest.

use std::path::Path;

use nir_nn::checkpoint::{Checkpoint, Hub, Wanted};

use crate::server::{Server, pinned, settings, tiny};

fn fill(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn open(folder: &Path) -> Result<Checkpoint, String> {
    let hub = Hub::new(settings("http://127.0.0.1:1", folder));
    hub.open(&Wanted::Folder(folder.to_owned()), &()).map_err(|error| error.to_string())
}

#[test]
fn a_folder_needs_no_hub() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), &tiny());
    let checkpoint = open(folder.path()).unwrap();
    assert_eq!(checkpoint.commit(), None);
    assert_eq!(checkpoint.weights().paths(), [folder.path().join("model.safetensors")]);
    assert_eq!(checkpoint.config(), folder.path().join("config.json"));
}

#[test]
fn a_folder_that_is_none_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = open(&folder.path().join("typo")).unwrap_err();
    assert!(missing.contains("typo`: there is no such folder"), "{missing}");
    let empty = open(folder.path()).unwrap_err();
    assert!(empty.contains("has no config.json") && empty.contains("no file at all"), "{empty}");
    fill(folder.path(), &[("config.json", b"{}".to_vec()), ("model.gguf", Vec::new())]);
    let weightless = open(folder.path()).unwrap_err();
    assert!(weightless.contains("no weights") && weightless.contains("model.gguf"), "{weightless}");
    fill(folder.path(), &[("pytorch_model.bin", vec![1])]);
    let mute = open(folder.path()).unwrap().tokenizer().unwrap_err().to_string();
    assert!(mute.contains("no tokenizer (tokenizer.json or vocab.txt)"), "{mute}");
    fill(folder.path(), &[("vocab.txt", b"[PAD]\n".to_vec())]);
    assert!(open(folder.path()).unwrap().tokenizer().unwrap().ends_with("vocab.txt"));
}

#[test]
fn a_missing_shard_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let index = br#"{"weight_map":{"a":"model-1.safetensors"}}"#.to_vec();
    fill(
        folder.path(),
        &[("config.json", b"{}".to_vec()), ("model.safetensors.index.json", index)],
    );
    let error = open(folder.path()).unwrap_err();
    assert!(error.contains("index.json: it names `model-1.safetensors`"), "{error}");
}

#[test]
fn the_digest_is_of_the_content_and_not_of_the_place() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path()).open(&pinned(), &()).unwrap().digest().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), &tiny());
    let digest = || open(folder.path()).unwrap().digest().unwrap();
    assert_eq!(digest(), hub);
    fill(folder.path(), &[("README.md", b"other".to_vec()), ("pytorch_model.bin", vec![2])]);
    assert_eq!(digest(), hub, "what is not read does not count");
    for (name, bytes) in tiny().into_iter().filter(|(name, _)| {
        ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json"]
            .contains(name)
    }) {
        let mut other = bytes.clone();
        *other.last_mut().unwrap() ^= 1;
        fill(folder.path(), &[(name, other)]);
        assert_ne!(digest(), hub, "{name}");
        fill(folder.path(), &[(name, bytes)]);
    }
    assert_eq!(digest(), hub);
}
