//! The English chain of Anserini, and so of most published BM25 figures.
//! Yang, Fang and Lin, SIGIR 2017 (`yang2017anserini`); `DefaultEnglishAnalyzer` in Anserini.
//!
//! Words by the Unicode rules, the possessive `'s` off, lower case, Lucene's 33 stop words out, Porter's stemmer.
//! Two systems that differ in one of these differ in every score.

use super::{Analyzer, porter, uax29};

/// Anserini's default chain for English, with its stemmer `porter`.
pub(crate) struct LuceneEnglish;

impl Analyzer for LuceneEnglish {
    fn name(&self) -> &'static str {
        "lucene-english@1"
    }

    fn analyze(&self, text: &str, emit: &mut dyn FnMut(&str)) {
        let mut term = Term::default();
        uax29::words(text, |word| {
            if let Some(term) = term.of(without_possessive(word)) {
                emit(term);
            }
        });
    }
}

/// `boss's` and `boss’s` become `boss`, as in Lucene's `EnglishPossessiveFilter`.
fn without_possessive(word: &str) -> &str {
    let stripped = word.strip_suffix(['s', 'S']);
    stripped.and_then(|rest| rest.strip_suffix(['\'', '\u{2019}', '\u{ff07}'])).unwrap_or(word)
}

/// A buffer for one term, used again for the next.
#[derive(Default)]
struct Term {
    bytes: Vec<u8>,
    units: Vec<u16>,
    text: String,
}

impl Term {
    fn of(&mut self, word: &str) -> Option<&str> {
        if word.is_ascii() { self.of_ascii(word) } else { self.of_unicode(word) }
    }

    fn of_ascii(&mut self, word: &str) -> Option<&str> {
        self.bytes.clear();
        self.bytes.extend(word.bytes().map(|byte| byte.to_ascii_lowercase()));
        if is_stop_word(&self.bytes) {
            return None;
        }
        porter::stem(&mut self.bytes);
        Some(std::str::from_utf8(&self.bytes).expect("a stem of ASCII letters is ASCII"))
    }

    /// Java's strings, and so Lucene's stemmer, count in UTF-16 units.
    fn of_unicode(&mut self, word: &str) -> Option<&str> {
        self.text.clear();
        self.text.extend(word.chars().map(lower_case));
        if is_stop_word(self.text.as_bytes()) {
            return None;
        }
        self.units.clear();
        self.units.extend(self.text.encode_utf16());
        porter::stem(&mut self.units);
        self.text.clear();
        let stem = char::decode_utf16(self.units.iter().copied());
        self.text.extend(stem.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        Some(&self.text)
    }
}

/// One character for one character, as Java's `Character.toLowerCase`; only İ would become two.
fn lower_case(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// Lucene's `EnglishAnalyzer.ENGLISH_STOP_WORDS_SET`: 33 words.
fn is_stop_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"a" | b"an"
            | b"and"
            | b"are"
            | b"as"
            | b"at"
            | b"be"
            | b"but"
            | b"by"
            | b"for"
            | b"if"
            | b"in"
            | b"into"
            | b"is"
            | b"it"
            | b"no"
            | b"not"
            | b"of"
            | b"on"
            | b"or"
            | b"such"
            | b"that"
            | b"the"
            | b"their"
            | b"then"
            | b"there"
            | b"these"
            | b"they"
            | b"this"
            | b"to"
            | b"was"
            | b"will"
            | b"with"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_at_work() {
        let text = "The U.S.A.'s running dogs can't eat 3.14 O'Neill's wi-fi naïve e-mail@x.com";
        assert_eq!(
            LuceneEnglish.terms(text).join(" "),
            "u.s.a s run dog can't eat 3.14 o'neil wi fi naïv e mail x.com"
        );
    }

    #[test]
    fn all_possessive_apostrophes_go() {
        assert_eq!(LuceneEnglish.terms("Boss'S boss’s boss＇s s's"), ["boss", "boss", "boss", "s"]);
    }
}
