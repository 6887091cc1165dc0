//! How much of a text must be tokenized where only its first tokens are kept.
//!
//! A tokenizer takes some hundred bytes of memory for each byte of a text, so a document of 50 MB of which 512 tokens are
//! kept must not be tokenized whole. But a text cannot be cut just anywhere: half a word has other tokens than the word.
//! It can be cut where every step of the tokenizer has a boundary anyway, whatever follows:
//!
//! | step | `a` `b` before the boundary, `c` `d` behind it |
//! |---|---|
//! | added tokens | none contains the character behind the boundary, so none reaches over it |
//! | normalizer | each character by itself, or with marks that follow it; the character behind is no mark |
//! | pre-tokenizer | splits there, and looks at nothing behind to split what is before |
//! | model | sees one piece at a time |
//!
//! Then the tokens of what is before the boundary are the first tokens of the whole. Which characters make such a
//! boundary is read from the tokenizer's own description; steps that are not known to keep to this allow none.

use serde_json::Value;
use tokenizers::{Encoding, Tokenizer};

/// The largest part of a text, in bytes, that is tokenized; it takes half a gigabyte of memory. A text that needs more
/// for its first tokens is refused: as far as the tokenizer can tell, it is one word of this length, or has no word.
pub(crate) const LONGEST: usize = 2 << 20;

/// White space that ends a word.
const BLANKS: &str = " \n\r\t";
/// Punctuation that ends a word. It has no apostrophe, because byte-level BPE splits it off together with the letters
/// that follow; no underscore, which some tokenizers treat as a letter; and no `<`, `=` and `>`, which combine with a
/// following stroke into other characters.
const MARKS: &str = "!\"#$%&()*+,-./:;?@[\\]^`{|}~，。、；：？！";

/// The places at which a text may be cut without changing the tokens before the cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Characters before which a text may be cut, if they follow a letter or a digit; for [`MARKS`], one that no
    /// normalizer takes apart.
    behind_letters: String,
    /// Whether a text may be cut between two ideographs.
    between_ideographs: bool,
}

/// The tokens of the start of a text.
pub(crate) struct Start {
    pub(crate) tokens: Encoding,
    /// Whether the start is the whole text.
    pub(crate) whole: bool,
}

/// The length of a text: in tokens of its start, and in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// The number of tokens; `None` if the text has more than its start.
    tokens: Option<usize>,
    bytes: usize,
}

impl Start {
    pub(crate) fn extent(&self, text: &str) -> Extent {
        Extent { tokens: self.whole.then_some(self.tokens.len()), bytes: text.len() }
    }
}

impl Extent {
    /// The number of bytes up to the end of the last token that is kept; all bytes if no token was cut off.
    pub(crate) fn read(self, kept: &Encoding) -> usize {
        match self.tokens == Some(kept.len()) {
            true => self.bytes,
            false => kept.get_offsets().last().map_or(0, |&(_, end)| end),
        }
    }
}

/// Why the start of a text could not be tokenized.
pub(crate) enum NoStart {
    /// The start would be longer than [`LONGEST`].
    TooLong,
    /// The tokenizer failed.
    Tokenizer(tokenizers::Error),
}

impl Cuts {
    /// The places at which texts for this tokenizer may be cut.
    pub(crate) fn of(tokenizer: &Tokenizer) -> Self {
        Self::known(tokenizer).unwrap_or(Self::NONE)
    }

    const NONE: Self = Self { behind_letters: String::new(), between_ideographs: false };

    fn known(tokenizer: &Tokenizer) -> Option<Self> {
        let described = |part: serde_json::Result<Value>| part.ok();
        let normalizer = described(serde_json::to_value(tokenizer.get_normalizer()))?;
        let splitter = described(serde_json::to_value(tokenizer.get_pre_tokenizer()))?;
        let model = described(serde_json::to_value(tokenizer.get_model()))?;
        // With dropout the same text has other tokens each time.
        if model.get("dropout").is_some_and(|dropout| !dropout.is_null()) {
            return None;
        }
        let mut cuts = Self::NONE;
        for step in steps(&splitter, "pretokenizers") {
            cuts.add(step)?;
        }
        for step in steps(&normalizer, "normalizers") {
            cuts.keep(step)?;
        }
        let handles = |step: &&Value| step["handle_chinese_chars"] == true;
        cuts.between_ideographs &= steps(&normalizer, "normalizers").iter().any(handles);
        for token in tokenizer.get_added_tokens_decoder().values() {
            cuts.leave(&token.content, token.normalized)?;
        }
        Some(cuts)
    }

    /// Adds the places at which one step of the tokenizer splits; `None` if the step is not known.
    fn add(&mut self, step: &Value) -> Option<()> {
        let words = |marks: &str| format!("{BLANKS}{marks}");
        match step["type"].as_str()? {
            "BertPreTokenizer" => {
                self.behind_letters += &words(MARKS);
                self.between_ideographs = true;
            }
            "Whitespace" => self.behind_letters += &words(MARKS),
            "ByteLevel" if step["use_regex"] == true => self.behind_letters += &words(MARKS),
            "WhitespaceSplit" => self.behind_letters += BLANKS,
            "Metaspace" if step["split"] == true => self.behind_letters.push(' '),
            // These split between characters of two kinds, and so between no other pieces than before.
            "Digits" | "Punctuation" => {}
            _ => return None,
        }
        Some(())
    }

    /// Removes the places that one step of the normalizer may change; `None` if the step is not known.
    fn keep(&mut self, step: &Value) -> Option<()> {
        match step["type"].as_str()? {
            "BertNormalizer" | "Lowercase" | "NFC" | "NFD" | "NFKC" | "NFKD" | "Nmt" | "Strip"
            | "StripAccents" | "Precompiled" | "Prepend" => Some(()),
            "Replace" => self.keep_replaced(&step["pattern"], step["content"].as_str()?),
            _ => None,
        }
    }

    /// Handles a replacement by the normalizer. Returns `None` if the pattern has a letter, which could reach over a
    /// cut, or if letters would be replaced by something else.
    fn keep_replaced(&mut self, pattern: &Value, content: &str) -> Option<()> {
        let known = ["\\s+", " {2,}"];
        if pattern["Regex"].as_str().is_some_and(|regex| known.contains(&regex)) {
            return (content == " ").then_some(());
        }
        let pattern = pattern["String"].as_str()?;
        if pattern.chars().chain(content.chars()).any(|c| c.is_alphanumeric() || c.is_whitespace())
        {
            return None;
        }
        self.behind_letters.retain(|c| !pattern.contains(c));
        Some(())
    }

    /// Removes the places over which an added token could reach.
    fn leave(&mut self, token: &str, normalized: bool) -> Option<()> {
        // What such a token is compared with may have been another character.
        if token.contains(char::is_whitespace) || normalized && !token.is_ascii() {
            return None;
        }
        self.behind_letters.retain(|c| !token.contains(c));
        self.between_ideographs &= !token.contains(is_ideograph);
        Some(())
    }

    /// The first place for a cut at byte `from` or later, or the end of the text.
    fn next(&self, text: &str, from: usize) -> usize {
        let from = text.floor_char_boundary(from);
        let mut before = text[..from].chars().next_back();
        for (at, c) in text[from..].char_indices() {
            if before.is_some_and(|before| self.between(before, c)) {
                return from + at;
            }
            before = Some(c);
        }
        text.len()
    }

    fn between(&self, before: char, behind: char) -> bool {
        let ends_word = match BLANKS.contains(behind) {
            true => is_letter(before),
            false => is_plain(before),
        };
        (ends_word && self.behind_letters.contains(behind))
            || (self.between_ideographs && is_ideograph(before) && is_ideograph(behind))
    }

    /// Tokenizes as much of a text as has at least `enough` tokens, without special ones. They are the first tokens of
    /// the whole text.
    pub(crate) fn start(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        enough: usize,
    ) -> Result<Start, NoStart> {
        // A word of English has about six bytes with its space, and mostly one or two tokens.
        let mut bytes = 8 * enough;
        loop {
            let end = self.next(text, bytes.min(text.len()));
            if end > LONGEST {
                return Err(NoStart::TooLong);
            }
            let tokens = tokenizer.encode(&text[..end], false).map_err(NoStart::Tokenizer)?;
            let whole = end == text.len();
            if whole || tokens.len() >= enough {
                return Ok(Start { tokens, whole });
            }
            bytes = (4 * end).min(LONGEST / 2).max(end + 1);
        }
    }
}

/// The steps of a part of the tokenizer: one step, a sequence with this name, or none.
fn steps<'v>(part: &'v Value, name: &str) -> Vec<&'v Value> {
    match part.get(name).and_then(Value::as_array) {
        Some(inner) => inner.iter().flat_map(|part| steps(part, name)).collect(),
        None if part.is_null() => Vec::new(),
        None => vec![part],
    }
}

/// Whether a character is a letter or a digit to every step of a tokenizer and does not join with the next character:
/// letters of common scripts. (Unicode Standard Annex 29 has a class `Prepend` of characters that do join.)
fn is_letter(c: char) -> bool {
    is_plain(c)
        || matches!(c,
            'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ɏ' | 'Α'..='Ω' | 'α'..='ω' | 'Ѐ'..='ҁ' | 'Ҋ'..='ԯ' | 'א'..='ת'
            | 'ء'..='غ' | 'ف'..='ي' | 'अ'..='ह' | 'ก'..='ะ' | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '가'..='힣')
}

/// Whether a character is unchanged in all Unicode normal forms.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || is_ideograph(c)
}

/// Whether BERT's normalizer treats a character as an ideograph; only the two oldest blocks are counted.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fa5}' | '\u{3400}'..='\u{4db5}')
}
