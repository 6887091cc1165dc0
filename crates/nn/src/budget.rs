//! Prompts: a text with fields in it, which is shortened where it has too many tokens.
//!
//! A prompt ends with what the model is asked, so it must not be cut at its end. Fields give way instead, in an order that the
//! method states: of a passage the end is left out, token by token, and of a query only where the prompt is too long without any
//! passage.

use std::sync::Arc;

use crate::prefix::Cuts;
use crate::tokens::{first_ends, template_fields, template_text};
use crate::{Error, Reading, Result, Tally, Tokens};

/// A text with fields, bound to a tokenizer and a length.
#[derive(Debug, Clone)]
pub struct Prompt {
    inner: tokenizers::Tokenizer,
    cuts: Cuts,
    template: String,
    /// The fields that give way, the first before the others.
    gives_way: Vec<String>,
    max_length: usize,
    /// Counts what has been read so far.
    tally: Arc<Tally>,
}

/// Checks that a template names every one of `fields` and no other; the error says what is wrong.
pub fn check_prompt_fields(template: &str, fields: &[&str]) -> std::result::Result<(), String> {
    let found = template_fields(template);
    let list = |names: &[&str]| {
        names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
    };
    match found.iter().find(|name| !fields.contains(name)) {
        Some(name) => Err(format!("names `{{{name}}}`: expected {}", list(fields))),
        None => match fields.iter().find(|name| !found.contains(name)) {
            Some(name) => Err(format!("is `{template}`, without `{{{name}}}`: expected it in it")),
            None => Ok(()),
        },
    }
}

impl Prompt {
    pub(crate) fn new(
        inner: &tokenizers::Tokenizer,
        template: &str,
        gives_way: &[&str],
        max_length: usize,
    ) -> Self {
        let mut inner = inner.clone();
        inner.with_truncation(None).expect("nothing to check");
        Self {
            cuts: Cuts::of(&inner),
            inner,
            template: template.to_owned(),
            gives_way: gives_way.iter().map(|&name| name.to_owned()).collect(),
            max_length,
            tally: Arc::default(),
        }
    }

    /// The largest number of tokens of a prompt.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// The counter of what this prompt has read, and left out of its fields.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// The tokens of the prompt with the values of `field` filled in.
    ///
    /// # Errors
    ///
    /// If the prompt is too long without any of the fields that give way, or the tokenizer cannot read it.
    pub fn encode(&self, field: impl Fn(&str) -> String) -> Result<Tokens> {
        let values = self.gives_way.iter().map(|name| field(name));
        let whole: Vec<String> = values.collect();
        let values = whole.iter().map(|value| self.value(value));
        let mut values: Vec<Value> = values.collect::<Result<_>>()?;
        loop {
            let text = self.filled(&values, &field);
            let encoded = self.inner.encode(text.as_str(), true);
            let ids = encoded.map_err(|error| Error::Unfit(error.to_string()))?.get_ids().to_vec();
            if ids.len() <= self.max_length {
                let left_out =
                    whole.iter().zip(&values).map(|(whole, value)| whole.len() - value.text.len());
                let bytes = text.len() + left_out.sum::<usize>();
                self.tally.add(Reading::of_text(bytes, text.len()));
                return Ok(Tokens { types: vec![0; ids.len()], ids, unseen: 0 });
            }
            let gives = values.iter_mut().find(|value| !value.ends.is_empty());
            gives.ok_or_else(|| self.too_long(&text))?.shorten(ids.len() - self.max_length);
        }
    }

    /// The template with its fields filled in: those that give way as far as they are left.
    fn filled(&self, values: &[Value], field: impl Fn(&str) -> String) -> String {
        template_text(&self.template, |name| {
            match self.gives_way.iter().position(|own| own == name) {
                Some(at) => values[at].text.clone(),
                None => field(name),
            }
        })
    }

    /// A field as far as `max_length` tokens reach.
    fn value(&self, text: &str) -> Result<Value> {
        let ends = first_ends(&self.cuts, &self.inner, text, self.max_length + 1)?;
        let mut value = Value { text: text.to_owned(), ends };
        if value.ends.len() > self.max_length {
            value.shorten(value.ends.len() - self.max_length);
        }
        Ok(value)
    }

    fn too_long(&self, text: &str) -> Error {
        Error::Unfit(format!(
            "a prompt cannot be written in {} tokens, even without {}: give a larger `max_length`, or take the prompt shorter; it begins `{}`",
            self.max_length,
            self.gives_way.join(" and "),
            text.chars().take(60).collect::<String>()
        ))
    }
}

/// What is left of a field that gives way.
struct Value {
    text: String,
    /// Where each of its tokens ends, in bytes.
    ends: Vec<usize>,
}

impl Value {
    /// Leaves out the last tokens; all of them if there are not as many.
    fn shorten(&mut self, tokens: usize) {
        self.ends.truncate(self.ends.len().saturating_sub(tokens));
        let end = self.ends.last().copied().unwrap_or_default();
        self.text.truncate(self.text.floor_char_boundary(end));
    }
}
