//! Conversations against what `transformers` writes of them by the same templates (`tests/oracles/chat.py`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use nir_nn::checkpoint::Checkpoint;
use nir_nn::{ChatTemplate, Message};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<Message>,
    /// Absent where the template refuses the conversation.
    text: Option<String>,
}

const NAMES: [&str; 6] = ["chatml", "qwen", "llama2", "llama3", "zephyr", "macros"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A folder that is a checkpoint but for the files of the template, which are those of `files`.
fn checkpoint(files: &[(&str, &str)]) -> (tempfile::TempDir, Checkpoint) {
    let at = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(folder("decoders/qwen2").join(name), at.path().join(name)).unwrap();
    }
    for (name, text) in files {
        fs::write(at.path().join(name), text).unwrap();
    }
    let checkpoint = Checkpoint::in_folder(at.path()).unwrap();
    (at, checkpoint)
}

fn of_fixture(name: &str) -> ChatTemplate {
    let files = ["tokenizer_config.json", "chat_template.jinja"].map(|file| {
        let text = fs::read_to_string(folder("chat").join(name).join(file));
        (file, text.unwrap_or_default())
    });
    let given = files.iter().filter(|(_, text)| !text.is_empty());
    let given: Vec<(&str, &str)> = given.map(|(file, text)| (*file, text.as_str())).collect();
    let (_at, checkpoint) = checkpoint(&given);
    ChatTemplate::read(&checkpoint).unwrap().unwrap()
}

#[test]
fn conversations_are_written_as_the_reference_writes_them() {
    let mut refused = 0;
    for name in NAMES {
        let template = of_fixture(name);
        let cases = fs::read(folder("chat").join(name).join("expected.json")).unwrap();
        let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
        for case in cases {
            let found = template.text(&case.messages);
            let Some(text) = case.text else {
                refused += 1;
                let error = found.unwrap_err().to_string();
                assert!(error.contains("user and assistant must speak in turn"), "{error}");
                continue;
            };
            assert_eq!(found.unwrap(), text, "{name} {}", case.name);
        }
    }
    assert_eq!(refused, 1);
}

#[test]
fn a_template_that_does_not_parse_names_its_file_and_line() {
    let (at, checkpoint) = checkpoint(&[("chat_template.jinja", "a\n{% for %}")]);
    let error = ChatTemplate::read(&checkpoint).unwrap_err().to_string();
    let name = at.path().file_name().unwrap().to_str().unwrap();
    assert!(error.starts_with("the chat template in chat_template.jinja of "), "{error}");
    assert!(error.contains(name) && error.contains("line 2"), "{error}");
}

#[test]
fn a_checkpoint_may_have_none() {
    let (_at, checkpoint) = checkpoint(&[("tokenizer_config.json", "{}")]);
    assert!(ChatTemplate::read(&checkpoint).unwrap().is_none());
}
