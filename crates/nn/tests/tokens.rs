//! Tokenizers put together from vocabulary files, against the tokens that `transformers` gives for the same folders
//! (`tests/oracles/tokens.py`), and folders that are refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use nir_nn::checkpoint::Checkpoint;
use nir_nn::{Bound, Input, Tokenizer, Truncation};
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Case {
    text: String,
    pair: Option<String>,
    ids: Vec<u32>,
    types: Option<Vec<u32>>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokens")
}

fn load(folder: &Path) -> Result<Tokenizer, String> {
    let checkpoint = Checkpoint::in_folder(folder).map_err(|error| error.to_string())?;
    Tokenizer::load(&checkpoint, &checkpoint, 1000, 512).map_err(|error| error.to_string())
}

fn bound(tokenizer: &Tokenizer, template: &[&str]) -> Bound {
    let template = template.iter().map(|&text| text.to_owned()).collect();
    let input =
        Input { template, lower_case: false, special_tokens: true, max_length: 512, fill: None };
    tokenizer.bind(&input, Truncation::Longest).unwrap()
}

#[test]
fn a_folder_without_a_tokenizer_file_gives_the_tokens_of_transformers() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert_eq!(folders.len(), 20);
    let mut wrong = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let tokenizer = load(&folder).unwrap();
        let (one, two) = (bound(&tokenizer, &["{text}"]), bound(&tokenizer, &["{text}", "{pair}"]));
        let cases: Vec<Case> =
            serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
        for Case { text, pair, ids, types } in cases {
            let bound =
                if pair.as_ref().is_some_and(|pair| !pair.is_empty()) { &two } else { &one };
            // An empty second text is none here and a pair there: its separators are the only difference.
            if pair.as_deref() == Some("") {
                continue;
            }
            let field =
                |name: &str| if name == "pair" { pair.clone().unwrap() } else { text.clone() };
            let found = bound.encode(field).unwrap();
            if found.ids != ids || types.is_some_and(|types| types != found.types) {
                let pieces =
                    |ids: &[u32]| ids.iter().map(|&id| tokenizer.token(id)).collect::<Vec<_>>();
                wrong.push(format!(
                    "{name}: `{text}`\n  {:?}\n  {:?}",
                    pieces(&found.ids),
                    pieces(&ids)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "ours, then theirs:\n{}", wrong.join("\n"));
}

/// A copy of a fixture with some of its files written anew; nothing written is no file.
fn changed(name: &str, files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join(name)).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    for (name, text) in files {
        let path = folder.path().join(name);
        match text.is_empty() {
            true => fs::remove_file(path).unwrap(),
            false => fs::write(path, text).unwrap(),
        }
    }
    folder
}

#[track_caller]
fn assert_refused(name: &str, files: &[(&str, &str)], parts: &[&str]) {
    let error = load(changed(name, files).path()).err().unwrap();
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn what_cannot_be_done_as_transformers_does_is_refused_with_the_reason() {
    let config = "tokenizer_config.json";
    assert_refused(
        "cased",
        &[(config, r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#)],
        &["tokenizer_config.json", "`BertJapaneseTokenizer`", "MeCab"],
    );
    assert_refused(
        "cased",
        &[(config, r#"{"tokenizer_class": "OurTokenizer"}"#)],
        &[
            "`tokenizer_class` is `OurTokenizer`, and there is no tokenizer.json: expected one of Bert",
        ],
    );
    assert_refused(
        "cased",
        &[(config, r#"{"never_split": ["a"]}"#)],
        &["`never_split` is [\"a\"]"],
    );
    assert_refused(
        "cased",
        &[(config, r#"{"do_basic_tokenize": false}"#)],
        &["`do_basic_tokenize`"],
    );
    assert_refused(
        "cased",
        &[("vocab.txt", "")],
        &["has no tokenizer: expected tokenizer.json or vocab.txt"],
    );
    assert_refused(
        "xlm-roberta",
        &[("sentencepiece.bpe.model", "version https://git-lfs.github.com/spec/v1\n")],
        &["sentencepiece.bpe.model: is a pointer of Git LFS"],
    );
    assert_refused(
        "xlm-roberta",
        &[("sentencepiece.bpe.model", "no protocol buffer")],
        &["no model of SentencePiece"],
    );
    assert_refused(
        "xlm-roberta",
        &[("added_tokens.json", r#"{"[Q]": 500}"#)],
        &["added_tokens.json: gives `[Q]` the number 500, and the vocabulary gives it 182"],
    );
    assert_refused(
        "file-and-config",
        &[(config, r#"{"cls_token": "<s>"}"#)],
        &["`cls_token` is `<s>`, and tokenizer.json puts `[CLS]` there"],
    );
    let cased = fs::read_to_string(root().join("file-and-config/tokenizer.json")).unwrap();
    let cased = cased.replace("\"lowercase\":true", "\"lowercase\":false");
    assert_refused(
        "file-and-config",
        &[(config, ""), ("tokenizer.json", &cased)],
        &["tokenizer.json: keeps case or accents (lowercase false", "write that file"],
    );
}

/// Published files of tokenizers often hold how texts were padded in training.
#[test]
fn padding_in_a_file_does_not_count() {
    let file = fs::read_to_string(root().join("file-and-config/tokenizer.json")).unwrap();
    let padding = r#""padding":{"strategy":{"Fixed":16},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"[PAD]"}"#;
    assert!(file.contains("\"padding\":null"));
    let file = file.replace("\"padding\":null", padding);
    let config = r#"{"cls_token": "[CLS]", "sep_token": "[SEP]"}"#;
    let folder =
        changed("file-and-config", &[("tokenizer.json", &file), ("tokenizer_config.json", config)]);
    let tokenizer = load(folder.path()).unwrap();
    assert_eq!(bound(&tokenizer, &["{text}"]).encode(|_| "[Q]".to_owned()).unwrap().len(), 5);
}

/// The rows of a saved vocabulary are the model's, whatever number a library would give a token that is added again.
#[test]
fn an_added_token_has_the_number_of_its_file() {
    for id in [5, 219, 400] {
        let text = format!(r#"{{"[Q]": {id}}}"#);
        let folder = changed("cased", &[("added_tokens.json", &text)]);
        let tokenizer = load(folder.path()).unwrap();
        assert_eq!(tokenizer.id("[Q]").unwrap(), id);
        let found = bound(&tokenizer, &["{text}"]).encode(|_| "[Q]".to_owned()).unwrap();
        assert_eq!(found.ids[1..found.len() - 1], [id]);
        assert_eq!(tokenizer.token(id).unwrap(), "[Q]");
    }
}

#[test]
fn lower_case_that_sentence_transformers_asks_for_comes_first() {
    let cased = changed("cased", &[("sentence_bert_config.json", r#"{"do_lower_case": true}"#)]);
    let tokenizer = load(cased.path()).unwrap();
    let ids = |text: &str| bound(&tokenizer, &["{text}"]).encode(|_| text.to_owned()).unwrap().ids;
    assert_eq!(ids("The RIVER rises"), ids("the river rises"));
    assert_ne!(ids("É"), ids("e"), "accents stay");
}

fn input(text: &str, lower_case: bool, special_tokens: bool) -> Input {
    Input { template: vec![text.to_owned()], lower_case, special_tokens, max_length: 9, fill: None }
}

#[test]
fn lower_case_of_a_config_is_held_against_the_file_that_keeps_case() {
    let held = |name: &str, files: &[(&str, &str)], overrides: &[String]| {
        let tokenizer = load(changed(name, files).path()).unwrap();
        let hold = |lower| tokenizer.hold_case(&input("{text}", lower, true), overrides);
        assert!(hold(false).is_ok());
        hold(true).map_err(|error| error.to_string())
    };
    let error = held("cased", &[], &[]).unwrap_err();
    let says =
        "tokenizer_config.json: says lower_case = false, and the config says lower_case = true";
    assert!(error.contains(says) && error.contains("overrides = [\"lower_case\"]"), "{error}");
    assert_eq!(held("cased", &[], &["lower_case".to_owned()]), Ok(()));
    // Of a tokenizer that lower-cases by itself both give the same tokens, and where no file speaks of case nothing is held.
    assert_eq!(held("vocab-alone", &[], &[]), Ok(()));
    assert_eq!(held("roberta", &[], &[]), Ok(()));
    let limits = [("sentence_bert_config.json", r#"{"do_lower_case": false}"#)];
    let error = held("roberta", &limits, &[]).unwrap_err();
    assert!(error.contains("sentence_bert_config.json: says lower_case = false"), "{error}");
}

#[test]
fn special_tokens_of_a_config_are_held_against_the_tokenizers_own() {
    let tokenizer = load(&root().join("cased")).unwrap();
    let hold = |text, special, overrides: &[String]| {
        let held = tokenizer.hold_special_tokens(&input(text, false, special), overrides);
        held.map_err(|error| error.to_string())
    };
    assert_eq!(hold("{text}", true, &[]), Ok(()));
    let error = hold("{text}", false, &[]).unwrap_err();
    let says = "says special_tokens = true, and the config says special_tokens = false";
    assert!(error.contains(says) && error.contains("cased"), "{error}");
    assert_eq!(hold("{text}", false, &["special_tokens".to_owned()]), Ok(()));
    // As TCT-ColBERT's: the text writes down its own.
    assert_eq!(hold("[CLS] [D] {text}", false, &[]), Ok(()));
}

#[test]
fn tokens_of_sentence_piece_are_written_as_the_text_that_they_came_from() {
    for name in ["t5", "albert", "xlm-roberta"] {
        let tokenizer = load(&root().join(name)).unwrap();
        let text = "the river rises in spring";
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{name}");
    }
}
