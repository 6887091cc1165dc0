//! A conversation as the text that a chat model reads: the checkpoint's own template.
//!
//! A model that was trained on conversations knows them in one form only, with special tokens around every message. The form is in
//! the checkpoint: a Jinja template, in `chat_template.jinja` or under `chat_template` in `tokenizer_config.json`. Written otherwise,
//! the same words are another prompt. What the template sees is what `transformers` gives it (`apply_chat_template`): `messages`,
//! `add_generation_prompt`, the special tokens by name, and `raise_exception`.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::checkpoint::Checkpoint;
use crate::json::read_json;
use crate::{Error, Result};

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Message {
    /// Who says it: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// The template of a checkpoint.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    source: String,
    /// The file that it stands in.
    said_by: String,
    /// The special tokens by name, such as `bos_token`.
    tokens: Map<String, Value>,
}

/// The keys of `tokenizer_config.json` that a template may need.
#[derive(Deserialize, Default)]
struct Settings {
    chat_template: Option<Templates>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// One template, or several by name, of which that called `default` is taken.
#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Several(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

impl Templates {
    fn default(self) -> Option<String> {
        match self {
            Self::One(template) => Some(template),
            Self::Several(all) => {
                all.into_iter().find(|one| one.name == "default").map(|one| one.template)
            }
        }
    }
}

/// What a template sees.
#[derive(Serialize)]
struct Seen<'a> {
    messages: &'a [Message],
    add_generation_prompt: bool,
    /// Nothing, as where the reference is given none.
    tools: Option<()>,
    documents: Option<()>,
    #[serde(flatten)]
    tokens: &'a Map<String, Value>,
}

impl ChatTemplate {
    /// Reads the template of a checkpoint; `None` if it has none.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or the template is none.
    pub fn read(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        const SETTINGS: &str = "tokenizer_config.json";
        const OWN: &str = "chat_template.jinja";
        let settings = checkpoint.file(SETTINGS).map(|path| read_json::<Settings>(&path));
        let Settings { chat_template, others } = settings.transpose()?.unwrap_or_default();
        let own = checkpoint.file(OWN).map(|path| {
            let text = std::fs::read_to_string(&path);
            text.map_err(|source| Error::Io { path, source })
        });
        let (source, file) = match (own.transpose()?, chat_template.and_then(Templates::default)) {
            (Some(source), _) => (source, OWN),
            (None, Some(source)) => (source, SETTINGS),
            (None, None) => return Ok(None),
        };
        let tokens = others.into_iter().filter_map(|(name, value)| {
            let is_token = name.ends_with("_token");
            Some((name, token(&value)?)).filter(|_| is_token)
        });
        let said_by = format!("{} of {}", file, checkpoint.name());
        let template = Self { source, said_by, tokens: tokens.collect() };
        template.environment()?;
        Ok(Some(template))
    }

    /// The text of a conversation up to where the model begins its answer.
    ///
    /// # Errors
    ///
    /// If the template refuses the conversation: many know no system message, or want user and assistant in turn.
    pub fn text(&self, messages: &[Message]) -> Result<String> {
        let environment = self.environment()?;
        let template = environment.get_template("chat").expect("was added when it was read");
        let seen = Seen {
            messages,
            add_generation_prompt: true,
            tools: None,
            documents: None,
            tokens: &self.tokens,
        };
        template.render(Serde(seen)).map_err(|error| self.problem(&error))
    }

    fn environment(&self) -> Result<Environment<'_>> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the usual delimiters differ"));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> std::result::Result<(), _> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_template("chat", &self.source).map_err(|error| self.problem(&error))?;
        Ok(environment)
    }

    fn problem(&self, error: &minijinja::Error) -> Error {
        let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
        let what = error.detail().map_or_else(|| error.to_string(), str::to_owned);
        Error::Unfit(format!("the chat template in {}{line}: {what}", self.said_by))
    }
}

/// A special token, which is a text or a table with its `content`.
fn token(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Object(table) => table.get("content").cloned(),
        _ => None,
    }
}
