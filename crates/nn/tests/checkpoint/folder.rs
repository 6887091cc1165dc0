//! `file:`, and the digest.

use std::path::Path;

use nir_nn::Tokenizer;
use nir_nn::checkpoint::{Checkpoint, Hub, Wanted, Weights};

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
    let checkpoint = open(folder.path()).unwrap();
    let error = Tokenizer::load(&checkpoint, &checkpoint, 9, 9).err().unwrap().to_string();
    assert!(
        error.contains("has no tokenizer: expected tokenizer.json; it has config.json"),
        "{error}"
    );
}

/// What a clone has where Git LFS is not installed.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 90868376\n";

#[test]
fn a_pointer_of_git_lfs_is_called_that_wherever_it_stands() {
    for name in ["model.safetensors", "tokenizer.json", "2_Dense/model.safetensors", "config.json"]
    {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), &tiny());
        fill(folder.path(), &[(name, POINTER.into())]);
        let error = open(folder.path()).unwrap_err();
        let expected = format!(
            "{name}: is a pointer of Git LFS and not the file itself, which has 90868376 bytes; run `git lfs pull`"
        );
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn pickles_may_lie_in_shards() {
    let folder = tempfile::tempdir().unwrap();
    let index =
        br#"{"metadata":{},"weight_map":{"a":"pytorch_model-2.bin","b":"pytorch_model-1.bin"}}"#;
    let files: [(&str, Vec<u8>); 4] = [
        ("config.json", b"{}".to_vec()),
        ("pytorch_model.bin.index.json", index.to_vec()),
        ("pytorch_model-1.bin", vec![1]),
        ("pytorch_model-2.bin", vec![2]),
    ];
    fill(folder.path(), &files);
    let checkpoint = open(folder.path()).unwrap();
    let Weights::PyTorch(paths) = checkpoint.weights() else { panic!("{checkpoint:?}") };
    assert_eq!(paths[..], [folder.path().join(files[2].0), folder.path().join(files[3].0)]);
}

#[test]
fn an_encoder_may_lie_in_the_folder_of_the_first_module() {
    let folder = tempfile::tempdir().unwrap();
    let inside = tiny().into_iter().map(|(name, bytes)| (format!("0_Transformer/{name}"), bytes));
    for (name, bytes) in inside {
        fill(folder.path(), &[(name.as_str(), bytes)]);
    }
    fill(
        folder.path(),
        &[
            ("config.json", br#"{"__version__":"0.2.5"}"#.to_vec()),
            ("modules.json", b"[]".to_vec()),
        ],
    );
    let checkpoint = open(folder.path()).unwrap();
    let base = folder.path().join("0_Transformer");
    assert_eq!(checkpoint.config(), base.join("config.json"));
    assert_eq!(checkpoint.weights().paths(), [base.join("model.safetensors")]);
    assert_eq!(checkpoint.file("tokenizer.json"), Some(base.join("tokenizer.json")));
    assert_eq!(checkpoint.beside("modules.json"), Some(folder.path().join("modules.json")));
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
