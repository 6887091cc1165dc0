//! A model that writes with the prompt that it reads: what rerankers and expanders that write have in common.

use std::sync::Arc;

use nir_core::{Corpus, DocNo, Query, Result};
use nir_nn::{Prompt, Tokenizer, Tokens, Writer, check_prompt_fields};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::model::ModelSource;

/// The fields of a prompt with their values.
pub(crate) type Fields<'a> = Vec<(&'static str, &'a str)>;

/// A model and the prompt that it reads.
pub(crate) struct Prompted {
    pub(crate) model: Arc<dyn Writer>,
    prompt: Prompt,
}

/// Checks a prompt that must name these fields, and its length; the error says what is wrong.
pub(crate) fn check(
    prompt: &str,
    fields: &[&str],
    max_length: usize,
) -> std::result::Result<(), String> {
    check_prompt_fields(prompt, fields).map_err(|problem| format!("`prompt` {problem}"))?;
    match max_length {
        0 => Err("`max_length` must be at least 1, found 0".to_owned()),
        _ => Ok(()),
    }
}

impl Prompted {
    /// Loads the model and binds its tokenizer to the prompt.
    ///
    /// - `gives_way`: the fields that are shortened where the prompt is too long, the first before the others
    pub(crate) fn load(
        context: &Context<'_>,
        source: &ModelSource,
        (template, max_length): (&str, usize),
        gives_way: &[&str],
    ) -> Result<Self> {
        let model = source.load_writer(context)?;
        let prompt = model.tokenizer().bind_prompt(template, gives_way, max_length)?;
        Ok(Self { model, prompt })
    }

    /// The tokens of every prompt.
    pub(crate) fn tokens(&self, prompts: &[Fields<'_>]) -> Result<Vec<Tokens>> {
        tokens(&self.prompt, prompts)
    }

    /// The logits of some tokens at the first position of what follows each prompt: `[prompts, answers]`.
    pub(crate) fn first<const N: usize>(
        &self,
        prompts: &[Fields<'_>],
        answers: [u32; N],
    ) -> Result<Vec<[f32; N]>> {
        let tokens = self.tokens(prompts)?;
        let text = |at: usize| named(&prompts[at]);
        let table = self.model.first(&tokens, &[], &answers, &text)?;
        let row = |row: &[f32]| row.try_into().expect("a row has a logit for each answer");
        Ok(table.rows.chunks_exact(N).map(row).collect())
    }
}

/// The fields `query` and `document` of every candidate; the document stands for title and text.
pub(crate) fn pairs<'a>(
    query: &'a Query,
    docs: &[DocNo],
    corpus: &'a dyn Corpus,
) -> Vec<Fields<'a>> {
    let pair = |&doc| vec![("query", query.text.as_str()), ("document", corpus.contents(doc))];
    docs.iter().map(pair).collect()
}

/// The field `document` of every document, which stands for title and text.
pub(crate) fn documents<'a>(docs: &[DocNo], corpus: &'a dyn Corpus) -> Vec<Fields<'a>> {
    docs.iter().map(|&doc| vec![("document", corpus.contents(doc))]).collect()
}

/// `P(true) = e^z_true / (e^z_true + e^z_false)` of the logits of the two answers, that for relevant first.
pub(crate) fn probability([z_true, z_false]: [f32; 2]) -> f32 {
    1.0 / (1.0 + (z_false - z_true).exp())
}

/// The tokens of a prompt with each of these fields.
pub(crate) fn tokens(prompt: &Prompt, prompts: &[Fields<'_>]) -> Result<Vec<Tokens>> {
    let value = |fields: &Fields<'_>, name: &str| {
        let found = fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
    };
    let one = |fields: &Fields<'_>| Ok(prompt.encode(|name| value(fields, name))?);
    prompts.par_iter().map(one).collect()
}

/// The texts of a prompt, as an error names them.
pub(crate) fn named(fields: &Fields<'_>) -> String {
    fields.iter().map(|(_, value)| *value).collect::<Vec<_>>().join(" / ")
}

/// The two tokens of an answer, as the vocabulary spells them: `▁` stands for the space before a word.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// The token that says that the document is relevant.
    pub relevant: String,
    /// The token that says that it is not.
    pub other: String,
}

impl Answers {
    /// The ids of the two tokens, that for relevant first. Fails if the vocabulary lacks one.
    pub(crate) fn ids(&self, tokenizer: &Tokenizer) -> Result<[u32; 2]> {
        Ok([tokenizer.id(&self.relevant)?, tokenizer.id(&self.other)?])
    }
}

#[cfg(test)]
mod tests {
    use super::probability;

    #[test]
    fn the_probability_is_that_of_one_of_two() {
        // e^1 / (e^1 + e^0) = .731059
        assert!((probability([1.0, 0.0]) - 0.731_059).abs() < 1e-6);
        assert!((probability([0.0, 0.0]) - 0.5).abs() < 1e-6);
    }
}
