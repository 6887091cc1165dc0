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

/// The most bytes of a text that are tokenized, which takes half a gigabyte. A text that needs more for its first tokens
/// is refused: it is one word of this length, as far as the tokenizer can tell, or has no word.
pub(crate) const LONGEST: usize = 2 << 20;

/// White space at which words end.
const BLANKS: &str = " \n\r\t";
/// Punctuation at which words end. No apostrophe, which byte-level BPE splits off with letters behind it; no underscore,
/// which is a letter to some; no `<`, `=` and `>`, which are other characters with a stroke behind them.
const MARKS: &str = "!\"#$%&()*+,-./:;?@[\\]^`{|}~，。、；：？！";

/// Where a text may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Characters before which it may, if a letter or a digit is before them, and for [`MARKS`] one that no normalizer
    /// takes apart.
    behind_letters: String,
    /// Whether it may between two ideographs.
    between_ideographs: bool,
}

/// The start of a text.
pub(crate) struct Start {
    pub(crate) tokens: Encoding,
    /// Whether it is all of it.
    pub(crate) whole: bool,
}

/// How far a text reaches, in tokens of its start and in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// None where there are more tokens than its start has.
    tokens: Option<usize>,
    bytes: usize,
}

impl Start {
    pub(crate) fn extent(&self, text: &str) -> Extent {
        Extent { tokens: self.whole.then_some(self.tokens.len()), bytes: text.len() }
    }
}

impl Extent {
    /// The bytes up to the end of the last token that is kept: all of them where no token was cut off.
    pub(crate) fn read(self, kept: &Encoding) -> usize {
        match self.tokens == Some(kept.len()) {
            true => self.bytes,
            false => kept.get_offsets().last().map_or(0, |&(_, end)| end),
        }
    }
}

/// Why there is no start.
pub(crate) enum NoStart {
    /// It would be longer than [`LONGEST`].
    TooLong,
    /// The tokenizer failed.
    Tokenizer(tokenizers::Error),
}

impl Cuts {
    /// Those of a tokenizer.
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

    /// Boundaries of one step that splits.
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

    /// Boundaries that one step of the normalizer leaves where they are.
    fn keep(&mut self, step: &Value) -> Option<()> {
        match step["type"].as_str()? {
            "BertNormalizer" | "Lowercase" | "NFC" | "NFD" | "NFKC" | "NFKD" | "Nmt" | "Strip"
            | "StripAccents" | "Precompiled" | "Prepend" => Some(()),
            "Replace" => self.keep_replaced(&step["pattern"], step["content"].as_str()?),
            _ => None,
        }
    }

    /// A pattern with a letter in it could reach over a boundary, and letters in place of it would be none.
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

    /// Leaves alone what an added token could reach over.
    fn leave(&mut self, token: &str, normalized: bool) -> Option<()> {
        // What such a token is compared with may have been another character.
        if token.contains(char::is_whitespace) || normalized && !token.is_ascii() {
            return None;
        }
        self.behind_letters.retain(|c| !token.contains(c));
        self.between_ideographs &= !token.contains(is_ideograph);
        Some(())
    }

    /// The first boundary from byte `from` on, or the end of the text.
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

    /// The tokens of as much of a text as has at least `enough`, without special ones: the first of the whole text's.
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

/// The steps of a part, which is one, or a sequence under this name, or none.
fn steps<'v>(part: &'v Value, name: &str) -> Vec<&'v Value> {
    match part.get(name).and_then(Value::as_array) {
        Some(inner) => inner.iter().flat_map(|part| steps(part, name)).collect(),
        None if part.is_null() => Vec::new(),
        None => vec![part],
    }
}

/// A letter or a digit, to every step, that takes nothing behind it along: letters of common scripts. (Unicode Standard
/// Annex 29 has a class `Prepend` of those that do.)
fn is_letter(c: char) -> bool {
    is_plain(c)
        || matches!(c,
            'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ɏ' | 'Α'..='Ω' | 'α'..='ω' | 'Ѐ'..='ҁ' | 'Ҋ'..='ԯ' | 'א'..='ת'
            | 'ء'..='غ' | 'ف'..='ي' | 'अ'..='ह' | 'ก'..='ะ' | 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '가'..='힣')
}

/// One that is itself in every normal form.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || is_ideograph(c)
}

/// As BERT's normalizer has it, as far as both blocks are old.
fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fa5}' | '\u{3400}'..='\u{4db5}')
}
