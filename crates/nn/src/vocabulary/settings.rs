//! What `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json` and `config.json` say of a tokenizer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::AddedToken;
use tokenizers::normalizers::BertNormalizer;

use crate::checkpoint::Checkpoint;
use crate::json::read_json;
use crate::{Error, Result};

/// The keys of the special tokens that have a function.
pub(super) const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Everything that the files of a checkpoint say about its tokenizer.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// The content of `tokenizer_config.json`; `None` if there is no such file.
    pub(super) config: Option<Map<String, Value>>,
    /// The `tokenizer_class` of `tokenizer_config.json`.
    pub(super) class: Option<String>,
    /// The `model_type` of `config.json`.
    pub(super) model_type: Option<String>,
    /// The special tokens that a file names, by their keys (`cls_token` and so on).
    pub(super) special: BTreeMap<String, AddedToken>,
    /// Special tokens without a function of their own.
    pub(super) extra: Vec<AddedToken>,
    /// Tokens outside the vocabulary, by the id that their file gives them.
    pub(super) added: BTreeMap<u32, AddedToken>,
}

/// What a file says of the case of letters.
#[derive(Debug)]
pub(super) struct Case {
    /// Whether texts are written in small letters.
    pub(super) is_lowered: bool,
    /// The file.
    pub(super) file: PathBuf,
}

/// The key of `config.json` that concerns the tokenizer.
#[derive(Deserialize)]
struct Model {
    model_type: Option<String>,
    tokenizer_class: Option<String>,
}

/// The key of sentence-transformers' settings of an encoder that concerns the tokenizer.
#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    do_lower_case: Option<bool>,
}

impl Case {
    /// sentence-transformers' `do_lower_case`, of what is done before anything of the tokenizer's own.
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        let Some(file) = checkpoint.limits() else { return Ok(None) };
        let said = read_json::<Limits>(&file)?.do_lower_case;
        Ok(said.map(|is_lowered| Self { is_lowered, file }))
    }
}

impl Settings {
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self> {
        let model: Model = read_json(&checkpoint.config())?;
        let mut settings =
            Self { model_type: model.model_type, class: model.tokenizer_class, ..Self::default() };
        if let Some(path) = checkpoint.file("tokenizer_config.json") {
            let config: Map<String, Value> = read_json(&path)?;
            settings.read_config(config).map_err(|problem| Error::file(path, problem))?;
        }
        if settings.added.is_empty() {
            settings.read_older(checkpoint)?;
        }
        Ok(settings)
    }

    fn read_config(&mut self, config: Map<String, Value>) -> std::result::Result<(), String> {
        if let Some(Value::String(class)) = config.get("tokenizer_class") {
            self.class = Some(class.clone());
        }
        self.read_special(&config)?;
        if let Some(Value::Object(added)) = config.get("added_tokens_decoder") {
            for (id, token) in added {
                let number = id
                    .parse()
                    .map_err(|_| format!("`added_tokens_decoder` has `{id}` for a number"))?;
                let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
                self.added.insert(number, self::token("added_tokens_decoder", token, special)?);
            }
        }
        check(&config)?;
        self.config = Some(config);
        Ok(())
    }

    fn read_special(&mut self, map: &Map<String, Value>) -> std::result::Result<(), String> {
        for key in SPECIAL {
            if let Some(value) = map.get(key).filter(|value| !value.is_null()) {
                self.special.insert(key.to_owned(), token(key, value, true)?);
            }
        }
        for key in ["additional_special_tokens", "extra_special_tokens"] {
            if let Some(Value::Array(tokens)) = map.get(key) {
                for value in tokens {
                    self.extra.push(token(key, value, true)?);
                }
            }
        }
        Ok(())
    }

    /// Reads the two files that `added_tokens_decoder` has replaced.
    fn read_older(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        if let Some(path) = checkpoint.file("special_tokens_map.json") {
            let map: Map<String, Value> = read_json(&path)?;
            self.read_special(&map).map_err(|problem| Error::file(path, problem))?;
        }
        let Some(path) = checkpoint.file("added_tokens.json") else { return Ok(()) };
        for (content, id) in read_json::<BTreeMap<String, u32>>(&path)? {
            let mut all = self.special.values().chain(&self.extra);
            let special = all.any(|token| token.content == content);
            let token = AddedToken::from(content, special);
            if let Some(other) = self.added.insert(id, token) {
                let problem =
                    format!("gives the number {id} to `{}` and to another", other.content);
                return Err(Error::file(path, problem));
            }
        }
        Ok(())
    }

    /// A switch of `tokenizer_config.json`; `None` if it is absent.
    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        self.config.as_ref()?.get(key)?.as_bool()
    }

    /// What `tokenizer_config.json` says of case.
    pub(super) fn case(&self, checkpoint: &Checkpoint) -> Option<Case> {
        let is_lowered = self.switch("do_lower_case")?;
        Some(Case { is_lowered, file: checkpoint.file("tokenizer_config.json")? })
    }

    /// BERT's normalizer. By default it converts to lower case, separates Chinese characters, and strips accents if it
    /// converts to lower case.
    pub(super) fn bert_normalizer(&self) -> BertNormalizer {
        let lower = self.switch("do_lower_case").unwrap_or(true);
        let chinese = self.switch("tokenize_chinese_chars").unwrap_or(true);
        BertNormalizer::new(true, chinese, self.switch("strip_accents"), lower)
    }

    /// The token for a key: the one that a file names, else the one of the class.
    pub(super) fn token(&self, key: &str, of_class: &str) -> AddedToken {
        let of_class = || AddedToken::from(of_class.to_owned(), true);
        self.special.get(key).cloned().unwrap_or_else(of_class)
    }

    /// The text of the token for a key.
    pub(super) fn text(&self, key: &str, of_class: &str) -> String {
        self.token(key, of_class).content
    }

    /// The added tokens in the order of their ids.
    pub(super) fn added_tokens(&self) -> Vec<AddedToken> {
        self.added.values().cloned().collect()
    }

    /// The path of the file that names the class, for messages.
    pub(super) fn of_class(checkpoint: &Checkpoint) -> PathBuf {
        checkpoint.file("tokenizer_config.json").unwrap_or_else(|| checkpoint.config())
    }

    /// The path of the file that names added tokens, for messages.
    pub(super) fn of_added(checkpoint: &Checkpoint) -> PathBuf {
        checkpoint.file("added_tokens.json").unwrap_or_else(|| Self::of_class(checkpoint))
    }
}

/// Refuses settings that versions of `transformers` treat differently, or that are not supported.
fn check(config: &Map<String, Value>) -> std::result::Result<(), String> {
    let is = |key: &str, value: bool| config.get(key) == Some(&Value::Bool(value));
    if is("do_basic_tokenize", false) {
        return Err("`do_basic_tokenize` is false, which versions of `transformers` read differently; write \
                    tokenizer.json with the version that is meant"
            .to_owned());
    }
    match config.get("never_split") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(words)) if words.is_empty() => Ok(()),
        Some(words) => Err(format!(
            "`never_split` is {words}, which versions of `transformers` read differently; write tokenizer.json with \
             the version that is meant"
        )),
    }
}

/// Reads a token that is written as a string or as an object.
fn token(key: &str, value: &Value, special: bool) -> std::result::Result<AddedToken, String> {
    let content = value.as_str().or_else(|| value.get("content").and_then(Value::as_str));
    let content = content.ok_or_else(|| format!("`{key}` is {value}: expected a token"))?;
    let flag = |name: &str| value.get(name).and_then(Value::as_bool);
    let mut token = AddedToken::from(content.to_owned(), special);
    token.lstrip = flag("lstrip").unwrap_or(token.lstrip);
    token.rstrip = flag("rstrip").unwrap_or(token.rstrip);
    token.single_word = flag("single_word").unwrap_or(token.single_word);
    token.normalized = flag("normalized").unwrap_or(token.normalized);
    Ok(token)
}
