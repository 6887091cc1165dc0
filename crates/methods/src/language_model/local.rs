//! A language model that is run here.

use std::sync::Arc;

use nir_core::{Digest, Result};
use nir_nn::{ChatTemplate, Message, Tokenizer, Tokens, Writer};

use super::{Answer, LanguageModel, Local, Question, Sampling};
use crate::Context;

/// A model with the template by which a conversation is written for it.
pub(crate) struct Model {
    writer: Arc<dyn Writer>,
    /// `None` where messages are read as they are.
    template: Option<ChatTemplate>,
}

impl Model {
    /// Loads the model.
    ///
    /// # Errors
    ///
    /// As the loading of the weights, or where a chat template is wanted and the checkpoint has none.
    pub(crate) fn load(context: &Context<'_>, Local { source, plain }: &Local) -> Result<Self> {
        let writer = source.load_writer(context)?;
        if *plain {
            return Ok(Self { writer, template: None });
        }
        let checkpoint = source.checkpoint(context)?;
        let template = ChatTemplate::read(&checkpoint)?.ok_or_else(|| {
            format!(
                "{}: has no chat template: a conversation cannot be written for it; take a model that was trained on conversations, or write plain = true into `model` for the texts as they are",
                checkpoint.name()
            )
        })?;
        Ok(Self { writer, template: Some(template) })
    }

    fn prompt(&self, messages: &[Message]) -> Result<Tokens> {
        let tokenizer = self.writer.tokenizer();
        let ids = if let Some(template) = &self.template {
            // The template writes special tokens itself.
            tokenizer.encode_plain(&template.text(messages)?)?
        } else {
            let texts: Vec<&str> = messages.iter().map(|one| one.content.as_str()).collect();
            tokenizer.encode(&texts.join("\n"))?
        };
        Ok(Tokens { types: vec![0; ids.len()], ids, unseen: 0 })
    }

    /// The answers to questions that are alike but for their messages.
    fn alike(&self, prompts: &[Tokens], question: &Question) -> Result<Vec<Answer>> {
        let tokenizer = self.writer.tokenizer();
        let begins = tokenizer.encode_plain(&question.begins)?;
        if !question.choices.is_empty() {
            let ids =
                question.choices.iter().map(|choice| last(tokenizer, &question.begins, choice));
            let ids: Vec<u32> = ids.collect::<Result<_>>()?;
            let name = |at: usize| tokenizer.decode(&prompts[at].ids).unwrap_or_default();
            let table = self.writer.first(prompts, &begins, &ids, &name)?;
            let rows = table.rows.chunks_exact(ids.len());
            let choices = rows.map(|row| row.iter().map(|&logit| Some(logit.into())).collect());
            return Ok(answers(prompts, choices.map(|choices| (String::new(), choices, 1))));
        }
        let Sampling { max_tokens, ref stop, .. } = question.sampling;
        let stops = |ids: &[u32]| {
            let text = tokenizer.decode(ids).unwrap_or_default();
            stop.iter().any(|stop| text.contains(stop.as_str()))
        };
        let written = match drawn(&question.sampling) {
            None => self.writer.greedy(prompts, &begins, max_tokens as usize, &stops)?,
            Some(with) => {
                let names: Vec<u64> = prompts.iter().map(name).collect();
                let sizes = (1, max_tokens as usize);
                let texts = self.writer.sample(prompts, &begins, &names, &with, sizes, &stops)?;
                texts.into_iter().flatten().collect()
            }
        };
        let texts = written.iter().map(|ids| Ok((cut(&tokenizer.decode(ids)?, stop), ids.len())));
        let texts: Vec<(String, usize)> = texts.collect::<Result<_>>()?;
        Ok(answers(
            prompts,
            texts.into_iter().map(|(text, count)| (text, Vec::new(), count as u64)),
        ))
    }
}

impl LanguageModel for Model {
    fn answers(&self, query_id: &str, questions: &[Question]) -> Result<Vec<Answer>> {
        let Some(first) = questions.first() else { return Ok(Vec::new()) };
        let alike = |question: &Question| {
            let Question { begins, sampling, choices, .. } = question;
            (begins, sampling, choices) == (&first.begins, &first.sampling, &first.choices)
        };
        let work = || {
            if !questions.iter().all(alike) {
                let each = |question: &Question| {
                    let prompt = self.prompt(&question.messages)?;
                    Ok(self.alike(&[prompt], question)?.swap_remove(0))
                };
                return questions.iter().map(each).collect();
            }
            let prompts = questions.iter().map(|question| self.prompt(&question.messages));
            self.alike(&prompts.collect::<Result<Vec<_>>>()?, first)
        };
        work().map_err(|error: nir_core::BoxError| format!("query `{query_id}`: {error}").into())
    }
}

/// The last token of a choice behind what the answer begins with.
fn last(tokenizer: &Tokenizer, begins: &str, choice: &str) -> Result<u32> {
    let ids = tokenizer.encode_plain(&format!("{begins}{choice}"))?;
    let before = tokenizer.encode_plain(begins)?.len();
    match ids.len().checked_sub(before) {
        Some(1) => Ok(ids[before]),
        _ => Err(format!(
            "`{choice}` is {} tokens behind `{begins}`: expected one, as its probability is read at a single place",
            ids.len().saturating_sub(before)
        )
        .into()),
    }
}

/// How tokens are drawn; `None` where the likeliest is taken.
fn drawn(sampling: &Sampling) -> Option<nir_nn::Sampling> {
    (sampling.temperature > 0.0).then(|| nir_nn::Sampling {
        top_k: None,
        top_p: sampling.top_p.map(|p| p as f32),
        temperature: sampling.temperature as f32,
        seed: sampling.seed,
    })
}

/// A number for a prompt, from which its draws follow.
fn name(prompt: &Tokens) -> u64 {
    let bytes: Vec<u8> = prompt.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    Digest::of(&bytes).number()
}

/// A text up to the first of `stop`.
fn cut(text: &str, stop: &[String]) -> String {
    let ends = stop.iter().filter_map(|stop| text.find(stop.as_str()));
    text[..ends.min().unwrap_or(text.len())].to_owned()
}

fn answers(
    prompts: &[Tokens],
    made: impl Iterator<Item = (String, Vec<Option<f64>>, u64)>,
) -> Vec<Answer> {
    let one = |(prompt, (text, choices, generated_tokens)): (&Tokens, _)| Answer {
        text,
        choices,
        prompt_tokens: prompt.len() as u64,
        generated_tokens,
    };
    prompts.iter().zip(made).map(one).collect()
}
