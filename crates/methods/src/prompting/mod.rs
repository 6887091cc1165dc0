//! Rerankers that ask a language model: for an order, a choice, a comparison or a label.
//!
//! | name | file | config | what differs |
//! |---|---|---|---|
//! | RankGPT, LRL, RankVicuna, RankZephyr | `listwise.rs` | `prompting/rankzephyr` and others | an order of a window of passages, window after window |
//! | permutation self-consistency | `self_consistency.rs` | `prompting/self-consistency-rankzephyr` | the same from several shuffled prompts, made into one order |
//! | setwise prompting | `setwise.rs` | `prompting/setwise-flan-t5-large` | the best of a few passages, which a sort asks for |
//! | pairwise ranking prompting (PRP) | `pairwise.rs` | `prompting/prp-flan-t5-large` | the better of two passages, in both orders |
//! | yes or no, fine-grained labels | `relevance_labels.rs` | `prompting/relevance-labels-flan-t5-xl` | how relevant one passage is |
//!
//! The model is behind a server, or its weights are run here. The prompt is a part of the config, in the table `ask`. What a server
//! answers is kept by the engine, so a second run asks nothing.

pub mod listwise;
pub mod pairwise;
mod prompt;
pub mod relevance_labels;
pub mod self_consistency;
pub mod setwise;
mod sorting;

use std::borrow::Cow;
use std::sync::Arc;

use nir_core::{Corpus, DocNo, Query, Ranking, Reranker, Result};
use serde::{Deserialize, Serialize};

use crate::language_model::{Answer, Asked, LanguageModel, Question, Sampling, Tally, in_parallel};
use crate::{Context, Stage};
use prompt::{Budget, Passage, Turn, check_over_passages, messages};

/// What a stage asks, and whom.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// The model: `{ server = "http://localhost:8000/v1", name = "…" }`, or `{ weights = "hf:org/name", revision = "…" }`.
    pub model: Asked,
    /// How the model chooses its words: `{ temperature = 0.0, max_tokens = 150, seed = 42 }`. A method that can compare the
    /// probabilities of labels does that where it is absent, and nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// The messages of the prompt, with `{query}`, `{num}` and `{passages}`; those with `each = true` are said for each passage,
    /// with its `{rank}`, `{label}`, `{title}` and `{text}`.
    pub prompt: Vec<Turn>,
    /// A passage within `{passages}`, with `{rank}` or `{label}`, `{title}` and `{text}`.
    pub passage: String,
    /// What stands between two passages; a line break if absent.
    #[serde(default = "line", skip_serializing_if = "is_line")]
    pub between: String,
    /// How much of a passage is shown: `{ words = 300 }` or `{ characters = 2000 }`.
    pub budget: Budget,
    /// What the answer begins with, which is given and not written; nothing if absent. A server cannot be told this.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub begins: String,
    /// What is done with an answer that cannot be read: `refuse`, or `keep` the order in which passages were shown.
    pub unreadable: Unreadable,
}

fn line() -> String {
    "\n".to_owned()
}

fn is_line(text: &str) -> bool {
    text == "\n"
}

/// What is done with an answer that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unreadable {
    /// The run stops with an error that names the query and shows the answer.
    Refuse,
    /// The answer changes nothing: the passages stay in the order in which they were shown.
    Keep,
}

/// Whether the answer must be a text, or may be the probabilities of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Text,
    TextOrLabels,
}

impl Asking {
    /// Checks the values; the error says what is wrong.
    pub(crate) fn check(&self, wanted: Wanted) -> std::result::Result<(), String> {
        self.model.check()?;
        self.budget.check()?;
        check_over_passages(&self.prompt, &self.passage)?;
        if !self.begins.is_empty() && self.model.served().is_some() {
            return Err("`begins`: a server cannot be told what its answer begins with: leave it out, or take `weights`".to_owned());
        }
        match (&self.sampling, wanted) {
            (Some(sampling), _) => sampling.check(),
            (None, Wanted::TextOrLabels) => Ok(()),
            (None, Wanted::Text) => {
                Err("`sampling` is missing: expected { temperature = 0.0, max_tokens = 150, seed = 42 }, as the model writes here".to_owned())
            }
        }
    }

    /// Opens the model, for passages of the context's collection.
    pub(crate) fn open(&self, context: &Context<'_>) -> Result<Asker> {
        let (name, model) = self.model.open(context)?;
        let (asking, corpus) = (self.clone(), Arc::clone(&context.corpus));
        Ok(Asker { name, model, asking, corpus, tally: Tally::default() })
    }
}

/// A prompt over passages, with the model that answers it.
pub(crate) struct Asker {
    name: String,
    model: Arc<dyn LanguageModel>,
    asking: Asking,
    corpus: Arc<dyn Corpus>,
    tally: Tally,
}

impl Asker {
    /// Whether the probabilities of labels are compared, and nothing is written.
    pub(crate) fn compares_labels(&self) -> bool {
        self.asking.sampling.is_none()
    }

    /// A passage under its label.
    pub(crate) fn passage(&self, doc: DocNo, label: &str) -> Passage<'_> {
        Passage::of(&*self.corpus, doc, self.asking.budget, label.to_owned())
    }

    /// The question about some passages.
    ///
    /// - `choices`: the labels whose probabilities are asked for where nothing is written
    pub(crate) fn question(
        &self,
        query: &Query,
        passages: &[Passage<'_>],
        choices: &[String],
    ) -> Question {
        let Asking { prompt, passage, between, begins, sampling, .. } = &self.asking;
        let values = [("query", query.text.as_str())];
        let choices = if self.compares_labels() { choices.to_vec() } else { Vec::new() };
        Question {
            model: self.name.clone(),
            messages: messages(prompt, (passage, between), &values, passages),
            begins: begins.clone(),
            sampling: sampling.clone().unwrap_or(Sampling::ONE),
            choices,
        }
    }

    /// The answers to questions, in order.
    pub(crate) fn answers(&self, query: &Query, questions: &[Question]) -> Result<Vec<Answer>> {
        let answers = self.model.answers(&query.query_id, questions)?;
        self.tally.add(&answers);
        Ok(answers)
    }

    /// The answer to one question.
    pub(crate) fn answer(&self, query: &Query, question: Question) -> Result<Answer> {
        let answers = self.answers(query, &[question])?;
        Ok(answers.into_iter().next().expect("one answer for each question"))
    }

    /// What was read of an answer, or `otherwise` where nothing was and that is allowed.
    ///
    /// - `expected`: what an answer should have had
    pub(crate) fn read_or<T>(
        &self,
        read: Option<T>,
        otherwise: T,
        (query, expected, answer): (&Query, &str, &str),
    ) -> Result<T> {
        match (read, self.asking.unreadable) {
            (Some(read), _) => Ok(read),
            (None, Unreadable::Keep) => Ok(otherwise),
            (None, Unreadable::Refuse) => Err(format!(
                "query `{}`: the model's answer has not {expected}: found `{}`; change the prompt, or write unreadable = \"keep\"",
                query.query_id,
                shortened(answer)
            )
            .into()),
        }
    }

    /// A stage that ranks as `judge` does.
    pub(crate) fn stage(self, depth: usize, judge: impl Judge + 'static) -> Stage {
        Stage::Reranker(Box::new(Judged { asker: self, depth, judge }))
    }
}

fn shortened(answer: &str) -> Cow<'_, str> {
    match answer.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", &answer[..end]).into(),
        None => answer.into(),
    }
}

/// The place of the largest of the probabilities of labels; the first of equals, `None` where none is known.
pub(crate) fn likeliest(choices: &[Option<f64>]) -> Option<usize> {
    let known = choices.iter().enumerate().filter_map(|(at, choice)| Some((at, (*choice)?)));
    let larger = |best: (usize, f64), one: (usize, f64)| if one.1 > best.1 { one } else { best };
    known.reduce(larger).map(|(at, _)| at)
}

/// The part of a reranker that differs from method to method.
pub(crate) trait Judge: Send + Sync {
    /// The score of each document, in the order in which they are given, which is that of the candidates.
    fn scores(&self, asker: &Asker, query: &Query, docs: &[DocNo]) -> Result<Vec<f32>>;
}

struct Judged<J> {
    asker: Asker,
    depth: usize,
    judge: J,
}

impl<J: Judge> Reranker for Judged<J> {
    fn depth(&self) -> usize {
        self.depth
    }

    fn at_once(&self) -> usize {
        self.asker.model.at_once()
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        self.asker.tally.query();
        candidates.rescored(self.depth, &*self.asker.corpus, |docs| {
            self.judge.scores(&self.asker, query, docs)
        })
    }

    fn rerank_all(&self, queries: &[Query], candidates: &[Ranking]) -> Result<Vec<Ranking>> {
        let pairs: Vec<(&Query, &Ranking)> = queries.iter().zip(candidates).collect();
        in_parallel(self.at_once(), &pairs, |(query, own)| self.rerank(query, own))
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        self.asker.tally.facts()
    }
}

/// The scores of an order: the first of `n` documents has `n`, the last has 1.
///
/// - `order`: places of documents, best first
pub(crate) fn scores_of(order: &[usize]) -> Vec<f32> {
    let mut scores = vec![0.0; order.len()];
    for (rank, &place) in order.iter().enumerate() {
        scores[place] = (order.len() - rank) as f32;
    }
    scores
}
