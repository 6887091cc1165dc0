//! Text to token numbers, as a checkpoint's tokenizer and a method's config say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokenizers::models::ModelWrapper;
use tokenizers::{Encoding, Model as _, TruncationParams, TruncationStrategy, truncate_encodings};

use crate::checkpoint::Checkpoint;
use crate::contract::{Overrides, contradiction};
use crate::prefix::{Cuts, LONGEST, NoStart, Start};
use crate::reading::{Reading, Tally};
use crate::{Error, Prompt, Result, vocabulary};

/// The tokens of one text, or of a pair of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The id of each token, which is its row of the word embeddings.
    pub ids: Vec<u32>,
    /// The type of each token: 0 in the first text, 1 in the second.
    pub types: Vec<u32>,
    /// The number of tokens at the end that attend to the others but are not attended to.
    pub unseen: usize,
}

impl Tokens {
    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The number of tokens, from the first on, that every token attends to.
    pub fn seen(&self) -> usize {
        self.len() - self.unseen
    }

    /// Whether there are no tokens; a text without special tokens may be empty.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// How a query or a document is turned into the text that the tokenizer reads, and how many tokens are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// One text, or two that the tokenizer joins to a pair. `{text}` and `{title}` stand for the fields of a document;
    /// a query has only `{text}`. Prefixes and prompts are part of the template: `["query: {text}"]`. Text after a bar
    /// belongs to the field and is left out if the field is empty: `["{title| [SEP] }{text}"]`.
    pub template: Vec<String>,
    /// Whether the fields are converted to lower case, as Python's `str.lower` does, before they are put into the
    /// template. For models that were trained on lower case although their tokenizer keeps case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lower_case: bool,
    /// Whether the tokenizer adds its special tokens, such as `[CLS]` and `[SEP]`. They are never cut off.
    pub special_tokens: bool,
    /// The largest number of tokens that are kept, including special ones.
    pub max_length: usize,
    /// The token that shorter texts are filled up with, to `max_length` tokens; `None` if they stay short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
}

/// A token that is appended to short texts, and is pooled and scored like any other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The token, such as `[MASK]`.
    pub token: String,
    /// Whether the text's own tokens attend to it, and it to itself.
    pub seen: bool,
}

/// Which text of a pair is cut if the pair is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    /// The longer one, token by token.
    Longest,
    /// The second one.
    Second,
}

impl Input {
    /// Checks the input; the error says what is wrong. `fields` are the names that its templates may use.
    pub fn check(&self, fields: &[&str]) -> std::result::Result<(), String> {
        if !matches!(self.template.len(), 1 | 2) {
            let found = self.template.len();
            return Err(format!("`template` must be one text or a pair, found {found} texts"));
        }
        for text in &self.template {
            check_fields(text, fields)?;
        }
        match self.max_length {
            0 => Err("`max_length` must be at least 1, found 0".to_owned()),
            _ => Ok(()),
        }
    }

    /// The texts of the template with the values of `field` filled in.
    pub fn texts(&self, field: impl Fn(&str) -> String) -> Vec<String> {
        // Both this and Python's `str.lower` follow Unicode's full mappings, the final sigma included; they differ only in
        // letters that one of the two versions of Unicode lacks.
        let field = |name: &str| match self.lower_case {
            true => field(name).to_lowercase(),
            false => field(name),
        };
        self.template.iter().map(|template| fill(template, field)).collect()
    }
}

/// Fills one text of a template. Whatever belongs to an empty field is left out, and so is one space: `{title} {text}`
/// and `{title| [SEP] }{text}` without a title are just the text.
fn fill(template: &str, field: impl Fn(&str) -> String) -> String {
    let (mut text, mut gone) = (String::new(), false);
    for piece in pieces(template) {
        match piece {
            Piece::Text(piece) if gone => {
                text.push_str(piece.strip_prefix(' ').unwrap_or(piece));
                gone = false;
            }
            Piece::Text(piece) => text.push_str(piece),
            Piece::Field { name, behind } => {
                let value = field(name);
                gone = value.is_empty();
                text.push_str(&value);
                text.push_str(if gone { "" } else { behind });
            }
        }
    }
    text
}

enum Piece<'a> {
    Text(&'a str),
    Field {
        name: &'a str,
        /// The text after the bar.
        behind: &'a str,
    },
}

/// The text of a template with its fields filled in, as [`Input::texts`] has it.
pub(crate) fn template_text(template: &str, field: impl Fn(&str) -> String) -> String {
    fill(template, field)
}

/// The names of the fields of a template, in order.
pub(crate) fn template_fields(template: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Field { name, .. } => Some(name),
        Piece::Text(_) => None,
    };
    pieces(template).into_iter().filter_map(name).collect()
}

/// Where each of the first tokens of a text ends, in bytes, without special tokens: of all its tokens, or of at least `enough`.
pub(crate) fn first_ends(
    cuts: &Cuts,
    tokenizer: &tokenizers::Tokenizer,
    text: &str,
    enough: usize,
) -> Result<Vec<usize>> {
    let start = cuts.start(tokenizer, text, enough).map_err(|problem| match problem {
        NoStart::Tokenizer(error) => Error::Unfit(error.to_string()),
        NoStart::TooLong => too_long(text),
    })?;
    Ok(start.tokens.get_offsets().iter().map(|&(_, end)| end).collect())
}

fn too_long(text: &str) -> Error {
    Error::Unfit(format!(
        "a text of {} bytes that begins `{}` would have to be tokenized beyond {LONGEST} bytes: it has no end of \
         a word for as long, or both texts of a pair are longer; take it out, or cut it",
        text.len(),
        text.chars().take(30).collect::<String>()
    ))
}

/// Splits `"query: {text}"` into its pieces; a brace that is never closed is text.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut rest) = (Vec::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        let (name, own) = name.split_once('|').unwrap_or((name, ""));
        pieces.push(Piece::Text(before));
        pieces.push(Piece::Field { name, behind: own });
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn check_fields(template: &str, fields: &[&str]) -> std::result::Result<(), String> {
    let found = template_fields(template);
    let expected =
        || fields.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ");
    match found.iter().find(|name| !fields.contains(name)) {
        Some(name) => Err(format!("`template` names `{{{name}}}`: expected {}", expected())),
        None if found.is_empty() => {
            Err(format!("`template` is always `{template}`: expected one of {} in it", expected()))
        }
        None => Ok(()),
    }
}

/// The tokenizer of a checkpoint, before it is bound to an [`Input`].
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    name: String,
    /// The number of positions of the encoder.
    positions: usize,
    /// What is removed from texts for static embeddings; `None` for other encoders.
    skipped: Option<Skipped>,
    /// The file that says that letters keep their case, where they do.
    cased_by: Option<PathBuf>,
}

/// What is removed from a text before and after it becomes tokens of static embeddings.
#[derive(Debug, Clone, Copy)]
struct Skipped {
    /// The token that stands for all text outside the vocabulary.
    unknown: Option<u32>,
    /// The number of characters of a token of median length; `max_length` times as many characters are read.
    characters: usize,
}

/// A tokenizer bound to an [`Input`], which turns texts into tokens in one way.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The tokenizer, with its own truncation switched off.
    inner: tokenizers::Tokenizer,
    /// The places at which a text that is too long may be cut before it is tokenized.
    cuts: Cuts,
    /// How the tokens are cut afterwards, before special ones are added.
    truncation: TruncationParams,
    input: Input,
    /// The id of the token to fill up with, and whether other tokens attend to it.
    fill: Option<(u32, bool)>,
    skipped: Option<Skipped>,
    /// Counts what has been read so far.
    tally: Arc<Tally>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, or builds the tokenizer from the vocabulary files of older checkpoints.
    ///
    /// - `vocabulary`: the checkpoint that has these files, usually the same
    /// - `vocab`: the number of rows of the word embeddings
    /// - `positions`: the number of tokens that the encoder can read
    ///
    /// # Errors
    ///
    /// If the files are missing or damaged, or ask for something that is not supported.
    pub fn load(
        checkpoint: &Checkpoint,
        vocabulary: &Checkpoint,
        vocab: usize,
        positions: usize,
    ) -> Result<Self> {
        let vocabulary::Read { tokenizer: mut inner, cased_by } = vocabulary::read(vocabulary)?;
        inner.with_padding(None);
        let name = checkpoint.name().to_owned();
        let largest = inner.get_vocab(true).into_values().max().unwrap_or_default() as usize;
        if largest >= vocab {
            let problem = format!(
                "{name}: the tokenizer gives token numbers up to {largest}, the model has {vocab} word embeddings: they do not belong together"
            );
            return Err(Error::Unfit(problem));
        }
        Ok(Self { inner, name, positions, skipped: None, cased_by })
    }

    /// Reads a `tokenizer.json` without a checkpoint, for a model that is yet to be trained; returns it with the number
    /// of its tokens.
    pub fn in_file(path: &Path, positions: usize) -> Result<(Self, usize)> {
        let mut inner = vocabulary::tokenizer_json(path)?;
        inner.with_padding(None);
        let vocab = inner.get_vocab_size(true);
        let name = path.display().to_string();
        Ok((Self { inner, name, positions, skipped: None, cased_by: None }, vocab))
    }

    /// Holds a config's lower case against what the checkpoint's files say of it.
    ///
    /// # Errors
    ///
    /// Where the config writes texts in lower case, and a file says that this model keeps the case of letters. The other way
    /// round there is nothing to hold: lower case that a file asks for is applied.
    pub fn hold_case(&self, input: &Input, overrides: &Overrides) -> Result<()> {
        match &self.cased_by {
            Some(file) if input.lower_case && !is_free(overrides, "lower_case") => {
                Err(contradiction(file, "lower_case", false, true))
            }
            _ => Ok(()),
        }
    }

    /// Holds a config's special tokens, for a text that the model reads, against those that its tokenizer puts around a text.
    /// A template that begins with the first of them writes them down itself, as TCT-ColBERT's does.
    ///
    /// # Errors
    ///
    /// Where the tokenizer has such tokens and the config leaves them out, or where the checkpoint is of static embeddings,
    /// which were made without any, and the config adds them.
    pub fn hold_special_tokens(&self, input: &Input, overrides: &Overrides) -> Result<()> {
        let first = self.first_special_token()?;
        let said = first.is_some() && self.skipped.is_none();
        let first = first.unwrap_or_default();
        let written = input.template.first().is_some_and(|text| text.starts_with(&first));
        let fits = match input.special_tokens {
            true => said || first.is_empty(),
            false => !said || written,
        };
        match fits || is_free(overrides, "special_tokens") {
            true => Ok(()),
            false => Err(contradiction(&self.name, "special_tokens", said, input.special_tokens)),
        }
    }

    /// The special token that the tokenizer puts before every text, if it puts any there.
    fn first_special_token(&self) -> Result<Option<String>> {
        let empty = self.inner.encode("", true);
        let empty = empty.map_err(|error| Error::Unfit(format!("{}: {error}", self.name)))?;
        let mut tokens = empty.get_tokens().iter().zip(empty.get_special_tokens_mask());
        Ok(tokens.find(|(_, mask)| **mask == 1).map(|(token, _)| token.clone()))
    }

    /// Binds the tokenizer to an input. Fails if the template, the length or the fill token does not fit it.
    pub fn bind(&self, input: &Input, truncation: Truncation) -> Result<Bound> {
        self.check_length(input.max_length)?;
        let fill = |fill: &Fill| Ok::<_, Error>((self.id(&fill.token)?, fill.seen));
        let fill = input.fill.as_ref().map(fill).transpose()?;
        let truncation = self.truncation(input, truncation)?;
        let mut inner = self.inner.clone();
        inner.with_truncation(None).expect("nothing to check");
        let cuts = Cuts::of(&inner);
        let (input, skipped) = (input.clone(), self.skipped);
        Ok(Bound { inner, cuts, truncation, input, fill, skipped, tally: Arc::default() })
    }

    /// From now on, reads texts as model2vec does: as many characters as `max_length` tokens of median length have, and
    /// without unknown tokens, which have no vector.
    pub(crate) fn skip_unknown(&mut self) {
        let unknown = match self.inner.get_model() {
            ModelWrapper::WordPiece(model) => model.token_to_id(&model.unk_token),
            ModelWrapper::WordLevel(model) => model.token_to_id(&model.unk_token),
            ModelWrapper::BPE(model) => {
                model.unk_token.as_ref().and_then(|token| model.token_to_id(token))
            }
            ModelWrapper::Unigram(model) => model.token_to_id("<unk>"),
        };
        let vocabulary = self.inner.get_vocab(true).into_keys();
        let mut lengths: Vec<usize> = vocabulary.map(|token| token.chars().count()).collect();
        lengths.sort_unstable();
        let at = |i: usize| lengths.get(i).copied().unwrap_or_default();
        let count = lengths.len();
        let characters = at(count.saturating_sub(1) / 2).midpoint(at(count / 2));
        self.skipped = Some(Skipped { unknown, characters });
    }

    /// Binds the tokenizer to a prompt: a text with fields, of which those of `gives_way` are shortened, the first before the
    /// others, where it has more than `max_length` tokens.
    ///
    /// # Errors
    ///
    /// If the model has fewer positions.
    pub fn bind_prompt(
        &self,
        template: &str,
        gives_way: &[&str],
        max_length: usize,
    ) -> Result<Prompt> {
        self.check_length(max_length)?;
        Ok(Prompt::new(&self.inner, template, gives_way, max_length))
    }

    fn check_length(&self, max_length: usize) -> Result<()> {
        match max_length > self.positions {
            true => Err(Error::Unfit(format!(
                "{}: `max_length` is {max_length}, the model has {} positions",
                self.name, self.positions
            ))),
            false => Ok(()),
        }
    }

    fn truncation(&self, input: &Input, truncation: Truncation) -> Result<TruncationParams> {
        let strategy = match truncation {
            Truncation::Longest => TruncationStrategy::LongestFirst,
            Truncation::Second => TruncationStrategy::OnlySecond,
        };
        let added = added(&self.inner, input.template.len() == 2);
        if input.special_tokens && input.max_length <= added {
            return Err(Error::Unfit(format!(
                "{}: `max_length` is {}, and the special tokens alone take {added}",
                self.name, input.max_length
            )));
        }
        Ok(TruncationParams { max_length: input.max_length, strategy, ..Default::default() })
    }

    /// The id of a token such as `[MASK]`; an error if there is no such token.
    pub fn id(&self, token: &str) -> Result<u32> {
        self.inner.token_to_id(token).ok_or_else(|| {
            Error::Unfit(format!("{}: the tokenizer has no token `{token}`", self.name))
        })
    }

    /// The text of the token with this id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The text that tokens stand for, without special tokens.
    ///
    /// # Errors
    ///
    /// If the tokenizer cannot write it.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let text = self.inner.decode(ids, true);
        text.map_err(|error| Error::Unfit(format!("{}: {error}", self.name)))
    }

    /// The tokens of a whole text, with the special tokens that the tokenizer puts around it.
    ///
    /// # Errors
    ///
    /// If the tokenizer cannot read it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, true)
    }

    /// The tokens of a text by itself, without the special ones that the tokenizer puts around a text.
    ///
    /// # Errors
    ///
    /// If the tokenizer fails on the text.
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.ids(text, false)
    }

    fn ids(&self, text: &str, special_tokens: bool) -> Result<Vec<u32>> {
        let encoded = self.inner.encode(text, special_tokens);
        let encoded = encoded.map_err(|error| Error::Unfit(format!("{}: {error}", self.name)))?;
        Ok(encoded.get_ids().to_vec())
    }

    /// Whether the token with this id is a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.inner.get_added_tokens_decoder().get(&id).is_some_and(|token| token.special)
    }
}

/// Whether a config may contradict this point of a checkpoint.
fn is_free(overrides: &Overrides, point: &str) -> bool {
    overrides.iter().any(|one| one == point)
}

impl Bound {
    /// The largest number of tokens of a text.
    pub fn max_length(&self) -> usize {
        self.input.max_length
    }

    /// The counter of what this tokenizer reads.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// The number of tokens before the first field of the template, including special ones; 0 if there are none.
    pub fn prompt_length(&self) -> Result<usize> {
        let template = self.input.template.first().map_or("", String::as_str);
        let prompt = template.split_once('{').map_or("", |(before, _)| before);
        if prompt.is_empty() {
            return Ok(0);
        }
        let encoded = self.inner.encode(prompt, self.input.special_tokens);
        let ids = encoded.map_err(|error| self.cannot(&error))?.get_ids().to_vec();
        let added = self.inner.get_added_tokens_decoder();
        let ends = ids.last().and_then(|id| added.get(id)).is_some_and(|token| token.special);
        Ok(ids.len() - usize::from(ends))
    }

    /// The tokens of a text whose fields are given by name.
    ///
    /// Of a long text only the start is tokenized, as much as decides the tokens that are kept. Where that is more than
    /// 2 MiB, because the tokenizer's own steps allow no cut in them (one word, or nothing but white space) or because both
    /// texts of a pair are longer and it must be known which is the longest, that is an error.
    pub fn encode(&self, field: impl Fn(&str) -> String) -> Result<Tokens> {
        let mut texts = self.input.texts(field).into_iter();
        let first = texts.next().expect("a checked template has a text");
        // An empty second text is none, as the reference library has it.
        let second = texts.next().filter(|second| !second.is_empty());
        let bytes = first.len() + second.as_ref().map_or(0, String::len);
        let (encoded, read) = self.tokenized(self.start_of(&first), second.as_deref())?;
        self.tally.add(Reading::of_text(bytes, read));
        let unknown = self.skipped.and_then(|skipped| skipped.unknown);
        let kept = |&(&id, _): &(&u32, &u32)| unknown != Some(id);
        let tokens = encoded.get_ids().iter().zip(encoded.get_type_ids()).filter(kept);
        let (mut ids, mut types): (Vec<u32>, Vec<u32>) = tokens.unzip();
        let mut unseen = 0;
        if let Some((fill, seen)) = self.fill {
            unseen = if seen { 0 } else { self.input.max_length - ids.len() };
            ids.resize(self.input.max_length, fill);
            types.resize(self.input.max_length, 0);
        }
        Ok(Tokens { ids, types, unseen })
    }

    /// The part of a text that is tokenized.
    fn start_of<'t>(&self, text: &'t str) -> &'t str {
        let Some(Skipped { characters, .. }) = self.skipped else { return text };
        let most = self.input.max_length.saturating_mul(characters);
        text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
    }

    /// Tokenizes one or two texts and cuts the tokens. Also returns the number of bytes of both texts up to the last
    /// token of each that is kept.
    ///
    /// The tokens are cut here because the tokenizer itself would first stop each text at `max_length` and then no
    /// longer know which of two is longer (tokenizers 0.23.2); and because it would keep everything that it cuts off,
    /// for a pair in every combination of both.
    fn tokenized(&self, first: &str, second: Option<&str>) -> Result<(Encoding, usize)> {
        let (one, two) = match second {
            Some(second) => self.starts(first, second).map(|(one, two)| (one, Some(two)))?,
            None => (self.start(first, self.enough())?, None),
        };
        let whole =
            (one.extent(first), two.as_ref().zip(second).map(|(two, text)| two.extent(text)));
        let room = self.room(two.is_some());
        let cut = truncate_encodings(one.tokens, two.map(|two| two.tokens), &room);
        let (mut first, mut second) = cut.map_err(|error| self.cannot(&error))?;
        first.take_overflowing();
        second.as_mut().map(Encoding::take_overflowing);
        let read = whole.0.read(&first)
            + whole.1.zip(second.as_ref()).map_or(0, |(whole, kept)| whole.read(kept));
        let encoded = self.inner.post_process(first, second, self.input.special_tokens);
        Ok((encoded.map_err(|error| self.cannot(&error))?, read))
    }

    /// The length that special tokens leave for the text.
    fn room(&self, pair: bool) -> TruncationParams {
        let added = if self.input.special_tokens { added(&self.inner, pair) } else { 0 };
        let max_length = self.truncation.max_length - added;
        TruncationParams { max_length, ..self.truncation }
    }

    /// The starts of both texts of a pair, long enough to be cut as the whole texts would be: the longer text must not
    /// look shorter than the other.
    fn starts(&self, first: &str, second: &str) -> Result<(Start, Start)> {
        let (mut enough, mut starts) = (self.enough(), None);
        while starts.is_none() {
            let (one, two) = (self.start(first, enough)?, self.start(second, enough)?);
            let longest = one.tokens.len().max(two.tokens.len());
            let decided = self.truncation.strategy == TruncationStrategy::OnlySecond
                || match (one.whole, two.whole) {
                    (true, true) => true,
                    (true, false) => two.tokens.len() > one.tokens.len(),
                    (false, true) => one.tokens.len() > two.tokens.len(),
                    (false, false) => false,
                };
            enough = 2 * longest + 1;
            starts = decided.then_some((one, two));
        }
        Ok(starts.expect("the loop ends with them"))
    }

    /// One more token than is kept of any text.
    fn enough(&self) -> usize {
        self.input.max_length + 1
    }

    fn start(&self, text: &str, enough: usize) -> Result<Start> {
        self.cuts.start(&self.inner, text, enough).map_err(|problem| match problem {
            NoStart::Tokenizer(error) => self.cannot(&error),
            NoStart::TooLong => too_long(text),
        })
    }

    fn cannot(&self, error: &tokenizers::Error) -> Error {
        Error::Unfit(format!(
            "a text cannot be written in {} tokens ({error}); with `truncation = \"longest\"` both texts give way",
            self.input.max_length
        ))
    }
}

/// The number of special tokens that a tokenizer adds to a text or a pair.
fn added(tokenizer: &tokenizers::Tokenizer, pair: bool) -> usize {
    let post = tokenizer.get_post_processor();
    post.map_or(0, |post| tokenizers::PostProcessor::added_tokens(post, pair))
}

/// Groups sequences of similar length, the longest first, so that a batch padded to its longest sequence has at most
/// `budget` tokens or is a single sequence. Returns indices into `lengths`.
pub fn batches(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(lengths[i]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for i in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * lengths[batch[0]] <= budget => batch.push(i),
            _ => batches.push(vec![i]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(template: &[&str]) -> Input {
        let template = template.iter().map(|&text| text.to_owned()).collect();
        Input { template, lower_case: false, special_tokens: true, max_length: 8, fill: None }
    }

    #[test]
    fn a_template_is_filled_in() {
        let field = |name: &str| if name == "title" { String::new() } else { "tea".to_owned() };
        assert_eq!(input(&["query: {text}"]).texts(field), ["query: tea"]);
        assert_eq!(input(&["{title} {text}"]).texts(field), ["tea"]);
        assert_eq!(input(&["{title}", "{text} {"]).texts(field), ["", "tea {"]);
    }

    #[test]
    fn what_belongs_to_an_empty_field_goes_with_it() {
        let titled = |title: &'static str| {
            move |name: &str| if name == "title" { title.to_owned() } else { "tea".to_owned() }
        };
        let dpr = input(&["{title| [SEP] }{text}"]);
        assert_eq!(dpr.texts(titled("Drinks")), ["Drinks [SEP] tea"]);
        assert_eq!(dpr.texts(titled("")), ["tea"]);
        // Without a bar a separator stays.
        assert_eq!(input(&["{title} [SEP] {text}"]).texts(titled("")), ["[SEP] tea"]);
        assert_eq!(dpr.check(&["title", "text"]), Ok(()));
        assert_eq!(
            input(&["{titel| [SEP] }{text}"]).check(&["title", "text"]).unwrap_err(),
            "`template` names `{titel}`: expected {title}, {text}"
        );
    }

    /// What Python 3.11 gives for `"ΟΔΥΣΣΕΥΣ İSTANBUL Straẞe ǅ Σ".lower()`.
    #[test]
    fn fields_are_lowered_as_python_does_and_the_template_is_not() {
        let field = |_: &str| "ΟΔΥΣΣΕΥΣ İSTANBUL Straẞe ǅ Σ".to_owned();
        let lower = Input { lower_case: true, ..input(&["[CLS] [Q] {text}"]) };
        assert_eq!(lower.texts(field), ["[CLS] [Q] οδυσσευς i̇stanbul straße ǆ σ"]);
        assert_eq!(input(&["{text}"]).texts(field), [field("")]);
    }

    #[test]
    fn a_template_that_forgets_the_text_is_refused() {
        assert_eq!(input(&["{text}"]).check(&["text"]), Ok(()));
        assert_eq!(
            input(&["query: {txt}"]).check(&["text"]).unwrap_err(),
            "`template` names `{txt}`: expected {text}"
        );
        assert_eq!(
            input(&["query:"]).check(&["text"]).unwrap_err(),
            "`template` is always `query:`: expected one of {text} in it"
        );
        assert!(input(&[]).check(&["text"]).unwrap_err().contains("found 0 texts"));
    }

    #[test]
    fn a_batch_never_exceeds_its_budget() {
        let lengths = [3, 10, 4, 10, 1, 30];
        // Longest first: 30 alone; 10 and 10; 4, 3 and 1 padded to 4.
        assert_eq!(batches(&lengths, 20), [vec![5], vec![1, 3], vec![2, 0, 4]]);
        assert!(batches(&[], 20).is_empty());
    }
}
