//! What `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json` and `config.json` say of a tokenizer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::AddedToken;
use tokenizers::normalizers::BertNormalizer;

use crate::checkpoint::Checkpoint;
use crate::tokens::read_json;
use crate::{Error, Result};

/// The tokens that have a part to play, by their keys.
pub(super) const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// `tokenizer_config.json`, where there is one.
    pub(super) config: Option<Map<String, Value>>,
    /// `tokenizer_class`.
    pub(super) class: Option<String>,
    /// Of `config.json`.
    pub(super) model_type: Option<String>,
    /// `cls_token` and the like, as far as a file names them.
    pub(super) special: BTreeMap<String, AddedToken>,
    /// Special tokens without a part.
    pub(super) extra: Vec<AddedToken>,
    /// Tokens beside the vocabulary, by the number that their file gives them.
    pub(super) added: BTreeMap<u32, AddedToken>,
    /// sentence-transformers' `do_lower_case`.
    pub(super) lower_case_before: bool,
}

/// The part of `config.json` that speaks of tokens.
#[derive(Deserialize)]
struct Model {
    model_type: Option<String>,
    tokenizer_class: Option<String>,
}

/// The part of sentence-transformers' settings of an encoder that speaks of tokens.
#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    do_lower_case: Option<bool>,
}

impl Settings {
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self> {
        let model: Model = read_json(&checkpoint.config())?;
        let limits = checkpoint.limits().map(|path| read_json::<Limits>(&path)).transpose()?;
        let mut settings = Self {
            model_type: model.model_type,
            class: model.tokenizer_class,
            lower_case_before: limits.is_some_and(|limits| limits.do_lower_case == Some(true)),
            ..Self::default()
        };
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

    /// The two files that `added_tokens_decoder` has replaced.
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

    /// A switch of `tokenizer_config.json`.
    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        self.config.as_ref()?.get(key)?.as_bool()
    }

    /// BERT's: lower case and Chinese characters apart unless something says otherwise, accents as the case.
    pub(super) fn bert_normalizer(&self) -> BertNormalizer {
        let lower = self.switch("do_lower_case").unwrap_or(true);
        let chinese = self.switch("tokenize_chinese_chars").unwrap_or(true);
        BertNormalizer::new(true, chinese, self.switch("strip_accents"), lower)
    }

    /// The token of a part, by what a file says or a class takes.
    pub(super) fn token(&self, key: &str, of_class: &str) -> AddedToken {
        let of_class = || AddedToken::from(of_class.to_owned(), true);
        self.special.get(key).cloned().unwrap_or_else(of_class)
    }

    /// Its text.
    pub(super) fn text(&self, key: &str, of_class: &str) -> String {
        self.token(key, of_class).content
    }

    /// In the order of their numbers.
    pub(super) fn added_tokens(&self) -> Vec<AddedToken> {
        self.added.values().cloned().collect()
    }

    /// The file that names the class.
    pub(super) fn of_class(checkpoint: &Checkpoint) -> PathBuf {
        checkpoint.file("tokenizer_config.json").unwrap_or_else(|| checkpoint.config())
    }

    /// The file that names added tokens.
    pub(super) fn of_added(checkpoint: &Checkpoint) -> PathBuf {
        checkpoint.file("added_tokens.json").unwrap_or_else(|| Self::of_class(checkpoint))
    }
}

/// What no version of `transformers` does as another, or what we do not do.
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

/// A token as a string or as an object.
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
