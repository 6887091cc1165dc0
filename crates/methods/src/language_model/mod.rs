//! Models that answer: the tables `model` and `sampling` of every config that prompts, and what a stage asks and is answered.
//!
//! ```toml
//! model    = { server = "http://localhost:8000/v1", name = "castorini/rank_zephyr_7b_v1_full" }     # a server
//! model    = { weights = "hf:google/flan-t5-large", revision = "a commit", plain = true }           # or weights
//! sampling = { temperature = 0.0, max_tokens = 150, seed = 42 }
//! ```
//!
//! A stage sees a [`LanguageModel`], whichever it is. The engine lends that of a server through
//! [`Resources::served`](crate::Resources::served), and keeps every answer of it under the digest of its [`Question`]. Weights are
//! run here ([`local`]).

pub mod local;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nir_core::{Digest, Result};
use nir_nn::Message;
use nir_nn::checkpoint::{Location, Wanted};
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::model::{ModelSource, Vocabulary};

/// The model that is asked: behind a server, or run here.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Table", untagged)]
pub enum Asked {
    /// Behind a server.
    Served(Served),
    /// Run here.
    Local(Local),
}

/// A model behind an OpenAI-compatible endpoint for chat completions: vLLM, llama.cpp, Ollama, or a provider.
///
/// Only the name decides answers; the other keys say how the server is reached, and are no part of any key in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Served {
    /// The address of the endpoint, up to and with its version: `http://localhost:8000/v1`.
    #[serde(skip_serializing)]
    pub server: String,
    /// The name of the model, as the server knows it.
    pub name: String,
    /// The environment variable that holds the key of the server; absent for a server that wants none.
    #[serde(skip_serializing)]
    pub key: Option<String>,
    /// The largest number of requests at a time.
    #[serde(skip_serializing)]
    pub parallel: usize,
    /// The seconds after which an answer is given up and asked for again.
    #[serde(skip_serializing)]
    pub timeout: u64,
}

/// Weights that are run here, with what the conversation is written by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Local {
    /// The checkpoint.
    #[serde(flatten)]
    pub source: ModelSource,
    /// Whether the messages' texts are read as they are, one after the other, without the checkpoint's chat template: for models
    /// that were not trained on conversations, as T5.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
}

/// The keys of the table `model`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The address of the endpoint, up to and with its version: `http://localhost:8000/v1`; or `weights`.
    pub server: Option<String>,
    /// The name of the model, as the server knows it.
    pub name: Option<String>,
    /// The environment variable that holds the key of the server; absent for a server that wants none.
    pub key: Option<String>,
    /// The largest number of requests at a time; if absent, 8.
    pub parallel: Option<usize>,
    /// The seconds after which an answer is given up and asked for again; if absent, 300.
    pub timeout: Option<u64>,
    /// The place of the weights of a model that is run here: `hf:org/name` on the hub, `file:FOLDER` on this machine.
    pub weights: Option<Location>,
    /// The commit of the weights on the hub, or a branch; no other place has one.
    pub revision: Option<String>,
    /// Names of tensors that the checkpoint has and the method does not use, with `*` for any letters.
    pub ignore: Option<Vec<String>>,
    /// The checkpoint whose tokenizer is used, where these weights come without one.
    pub vocabulary: Option<Vocabulary>,
    /// Whether the messages' texts are read as they are, one after the other, without the checkpoint's chat template.
    pub plain: Option<bool>,
}

impl TryFrom<Table> for Asked {
    type Error = String;

    fn try_from(table: Table) -> std::result::Result<Self, String> {
        let Table { server, name, key, parallel, timeout, .. } = table;
        let Table { weights, revision, ignore, vocabulary, plain, .. } = table;
        match (server, weights) {
            (Some(server), None) => {
                let here = [
                    ("revision", revision.is_some()),
                    ("ignore", ignore.is_some()),
                    ("vocabulary", vocabulary.is_some()),
                    ("plain", plain.is_some()),
                ];
                refuse(&here, "server")?;
                let name =
                    name.ok_or("`name` is missing: expected the model's name on the server")?;
                let (parallel, timeout) = (parallel.unwrap_or(8), timeout.unwrap_or(300));
                Ok(Self::Served(Served { server, name, key, parallel, timeout }))
            }
            (None, Some(weights)) => {
                let there = [
                    ("name", name.is_some()),
                    ("key", key.is_some()),
                    ("parallel", parallel.is_some()),
                    ("timeout", timeout.is_some()),
                ];
                refuse(&there, "weights")?;
                let ignore = ignore.unwrap_or_default();
                let source = ModelSource { weights, revision, ignore, vocabulary };
                Ok(Self::Local(Local { source, plain: plain.unwrap_or_default() }))
            }
            _ => Err("expected either `server` and `name`, or `weights`".to_owned()),
        }
    }
}

/// Refuses keys that stand beside another.
fn refuse(keys: &[(&str, bool)], beside: &str) -> std::result::Result<(), String> {
    match keys.iter().find(|(_, given)| *given) {
        Some((key, _)) => Err(format!("`{key}` does not go with `{beside}`: leave it out")),
        None => Ok(()),
    }
}

impl Asked {
    /// Checks the values; the error says what is wrong.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let served = match self {
            Self::Local(local) => return local.source.check("model"),
            Self::Served(served) => served,
        };
        let Served { server, name, parallel, timeout, .. } = served;
        match () {
            () if !server.starts_with("http://") && !server.starts_with("https://") => {
                Err(format!(
                    "`model`: server = \"{server}\": expected an address such as \"http://localhost:8000/v1\""
                ))
            }
            () if name.is_empty() => {
                Err("`model`: name is empty: expected the model's name on the server".to_owned())
            }
            () if *parallel == 0 => Err("`model`: parallel = 0: expected at least 1".to_owned()),
            () if *timeout == 0 => {
                Err("`model`: timeout = 0: expected at least 1 second".to_owned())
            }
            () => Ok(()),
        }
    }

    /// The checkpoints that are read here.
    pub(crate) fn checkpoints(&self) -> Vec<Wanted> {
        match self {
            Self::Served(_) => Vec::new(),
            Self::Local(local) => local.source.checkpoints(),
        }
    }

    /// The model behind a server.
    pub(crate) fn served(&self) -> Option<&Served> {
        match self {
            Self::Served(served) => Some(served),
            Self::Local(_) => None,
        }
    }

    /// The name that questions have: that on the server; of weights the digest of their files.
    pub(crate) fn open(&self, context: &Context<'_>) -> Result<(String, Arc<dyn LanguageModel>)> {
        Ok(match self {
            Self::Served(served) => (served.name.clone(), context.resources.served(served)?),
            Self::Local(local) => {
                (local.source.digest(context)?, Arc::new(local::Model::load(context, local)?))
            }
        })
    }
}

/// How the model chooses its words.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// 0 takes the likeliest token each time; larger values draw among more of them.
    pub temperature: f64,
    /// The largest number of tokens of an answer.
    pub max_tokens: u32,
    /// The seed of the draws. Several answers to one prompt take this one and those after it.
    pub seed: u64,
    /// Draws among the likeliest tokens that together have this probability; if absent, among all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Texts at which an answer ends, without them; none if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl Sampling {
    /// The likeliest of some choices: a single token.
    pub(crate) const ONE: Self =
        Self { temperature: 0.0, max_tokens: 1, seed: 0, top_p: None, stop: Vec::new() };

    /// Checks the values; the error says what is wrong.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let Self { temperature, max_tokens, top_p, .. } = self;
        match top_p {
            _ if !(0.0..=2.0).contains(temperature) => {
                Err(format!("`sampling`: temperature = {temperature}: expected 0 to 2"))
            }
            _ if *max_tokens == 0 => {
                Err("`sampling`: max_tokens = 0: expected at least 1".to_owned())
            }
            Some(top_p) if !(*top_p > 0.0 && *top_p <= 1.0) => {
                Err(format!("`sampling`: top_p = {top_p}: expected more than 0, and at most 1"))
            }
            _ => Ok(()),
        }
    }
}

/// A request, with everything that decides the answer.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Question {
    /// The name of the model.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What the answer begins with, which is given and not written; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub begins: String,
    /// How the model chooses its words.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// Texts of one token, of which the logarithms of probabilities are asked for as the first one of the answer; with them
    /// nothing is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

impl Question {
    /// The digest of all of it, under which its answer is kept.
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).expect("a question is plain data"))
    }
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
pub struct Answer {
    /// The text, without what it was to begin with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// For each choice the logarithm of its probability, up to a constant; `None` where a server did not tell it, as it was among
    /// the unlikely ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Option<f64>>,
    /// The number of tokens of the prompt.
    pub prompt_tokens: u64,
    /// The number of tokens of the answer.
    pub generated_tokens: u64,
}

/// A model that answers.
pub trait LanguageModel: Send + Sync {
    /// The answers to questions that are asked for one query, in order.
    ///
    /// # Errors
    ///
    /// Where a question cannot be answered. The error names the query.
    fn answers(&self, query_id: &str, questions: &[Question]) -> Result<Vec<Answer>>;

    /// The number of queries that may ask at the same time: one, unless answers are waited for.
    fn at_once(&self) -> usize {
        1
    }
}

/// What a stage has asked so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    queries: AtomicU64,
    calls: AtomicU64,
    prompt_tokens: AtomicU64,
    generated_tokens: AtomicU64,
}

impl Tally {
    /// Counts a query that is ranked.
    pub(crate) fn query(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, answers: &[Answer]) {
        let sum = |of: fn(&Answer) -> u64| answers.iter().map(of).sum::<u64>();
        self.calls.fetch_add(answers.len() as u64, Ordering::Relaxed);
        self.prompt_tokens.fetch_add(sum(|answer| answer.prompt_tokens), Ordering::Relaxed);
        self.generated_tokens.fetch_add(sum(|answer| answer.generated_tokens), Ordering::Relaxed);
    }

    /// The means over all queries so far, each with its name.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        let queries = self.queries.load(Ordering::Relaxed);
        if queries == 0 {
            return Vec::new();
        }
        let mean =
            |sum: &AtomicU64| format!("{:.1}", sum.load(Ordering::Relaxed) as f64 / queries as f64);
        vec![
            ("calls a query", mean(&self.calls)),
            ("prompt tokens a query", mean(&self.prompt_tokens)),
            ("generated tokens a query", mean(&self.generated_tokens)),
        ]
    }
}

/// Does `work` on every item on up to `threads` threads, which may wait for a server; the results are in the order of the
/// items. After an error no further item is begun; of several errors it is that of the first item.
///
/// # Errors
///
/// As `work`.
pub fn in_parallel<I: Sync, T: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = items.get(place) else { return };
        let result = work(item);
        if result.is_err() {
            next.store(items.len(), Ordering::Relaxed);
        }
        found.lock().expect("no thread died working").push((place, result));
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut found = found.into_inner().expect("no thread died working");
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items_and_errors_stop_the_work() {
        let items: Vec<u64> = (0..40).collect();
        let squares = in_parallel(7, &items, |&item| {
            std::thread::sleep(std::time::Duration::from_micros(40 - item));
            Ok(item * item)
        });
        assert_eq!(squares.unwrap(), items.iter().map(|item| item * item).collect::<Vec<_>>());
        let begun = AtomicUsize::new(0);
        let failed = in_parallel(1, &items, |&item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item == 3 { Err("three".into()) } else { Ok(item) }
        });
        assert_eq!((failed.unwrap_err().to_string().as_str(), begun.into_inner()), ("three", 4));
        assert!(in_parallel(3, &[] as &[u8], |_| Ok(())).unwrap().is_empty());
    }

    fn asked(text: &str) -> std::result::Result<Asked, String> {
        toml::from_str::<Asked>(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_model_is_behind_a_server_or_here() {
        let server = "server = \"http://a/v1\"\n";
        let served = |more: &str| asked(&format!("{server}name = \"m\"\n{more}")).unwrap();
        let text = |asked: &Asked| serde_json::to_string(asked).unwrap();
        // How it is reached decides nothing.
        assert_eq!(text(&served("")), r#"{"name":"m"}"#);
        assert_eq!(text(&served("key = \"KEY\"\nparallel = 2\ntimeout = 9")), text(&served("")));
        let local = asked("weights = \"file:folder\"\nplain = true").unwrap();
        assert_eq!(text(&local), r#"{"weights":"file:folder","plain":true}"#);
        assert_eq!(
            asked(server).unwrap_err(),
            "`name` is missing: expected the model's name on the server"
        );
        assert!(
            asked("name = \"m\"").unwrap_err().contains("either `server` and `name`, or `weights`")
        );
        let both = asked(&format!("{server}name = \"m\"\nplain = true")).unwrap_err();
        assert_eq!(both, "`plain` does not go with `server`: leave it out");
    }

    #[test]
    fn everything_that_decides_an_answer_is_in_its_digest() {
        let sampling: Sampling =
            toml::from_str("temperature = 0.0\nmax_tokens = 5\nseed = 1").unwrap();
        let message = Message { role: "user".to_owned(), content: "tea?".to_owned() };
        let question = Question {
            model: "m".to_owned(),
            messages: vec![message],
            begins: String::new(),
            sampling,
            choices: Vec::new(),
        };
        let mut others = vec![question.clone(); 5];
        others[0].model = "n".to_owned();
        others[1].messages[0].role = "system".to_owned();
        others[2].sampling.seed = 2;
        others[3].choices = vec!["yes".to_owned()];
        others[4].begins = "Passage".to_owned();
        assert!(others.iter().all(|other| other.digest() != question.digest()));
    }

    #[test]
    fn a_wrong_value_is_named() {
        let served = asked("server = \"localhost\"\nname = \"m\"").unwrap();
        assert!(
            served.check().unwrap_err().contains("server = \"localhost\": expected an address")
        );
        let sampling: Sampling =
            toml::from_str("temperature = 3.0\nmax_tokens = 5\nseed = 1").unwrap();
        assert_eq!(sampling.check().unwrap_err(), "`sampling`: temperature = 3: expected 0 to 2");
    }
}
