//! Words by the Unicode rules, as Lucene's `StandardTokenizer` cuts them.
//! Unicode Standard Annex 29, Text Segmentation, "Word Boundaries" (rules WB4 to WB13b and WB15).
//!
//! Every character has a class. Two neighbours stay together where a rule says so, and a character that only joins (a
//! full stop in `3.14`, an apostrophe in `can't`) needs the right class on both sides. A run is a word if it holds more
//! than joiners; white space and punctuation between words are dropped.
//!
//! ```text
//! Letter|Numeric × Letter|Numeric      Katakana × Katakana                  WB5, WB8, WB9, WB10, WB13
//! Letter × MidLetter Letter            Numeric × MidNum Numeric             WB6, WB7, WB11, WB12
//! any of these × ExtendNumLet          ExtendNumLet × any of these          WB13a, WB13b
//! any × Extend                                                             WB4
//! ```
//!
//! Beyond the annex, as Lucene does: Han and Hiragana characters are words of their own, a run of a script without
//! spaces (Thai, Lao, Khmer, Burmese) is one word, an emoji sequence is one word, and a word longer than 255 UTF-16
//! units is cut there as if the text ended. The classes are those of Unicode 12.1, Lucene's: letters that came later are
//! no words to either.

use std::sync::LazyLock;

/// Lucene's default maximum token length, in UTF-16 units.
const MAX_UNITS: usize = 255;
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const KEYCAP: char = '\u{20e3}';

/// What a character does at the edge of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Letter,
    Hebrew,
    Numeric,
    Katakana,
    ExtendNumLet,
    MidLetter,
    MidNum,
    MidNumLet,
    SingleQuote,
    DoubleQuote,
    /// Extend, Format and the zero width joiner: part of the character before.
    Extend,
    /// A script without spaces.
    Complex,
    /// A mark of such a script: extends, and begins a run where there is nothing to extend.
    ComplexMark,
    /// Han or Hiragana: one character, one word.
    Ideograph,
    Pictograph,
    /// The colour of an emoji's skin: extends, and is a word where there is nothing to extend.
    Modifier,
    RegionalIndicator,
    /// After a Hebrew letter's quotation mark: letters and digits may follow, but no second mark.
    Quoted,
}

impl Class {
    fn of(c: char) -> Self {
        if c.is_ascii() { ASCII[c as usize] } else { Self::of_unicode(c as u32) }
    }

    fn of_unicode(c: u32) -> Self {
        let after = UNICODE.partition_point(|range| range.first <= c);
        match after.checked_sub(1).map(|i| &UNICODE[i]) {
            Some(range) if c <= range.last => range.class,
            _ => Self::Other,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Letter" => Self::Letter,
            "Hebrew" => Self::Hebrew,
            "Numeric" => Self::Numeric,
            "Katakana" => Self::Katakana,
            "ExtendNumLet" => Self::ExtendNumLet,
            "MidLetter" => Self::MidLetter,
            "MidNum" => Self::MidNum,
            "MidNumLet" => Self::MidNumLet,
            "Extend" => Self::Extend,
            "Complex" => Self::Complex,
            "ComplexMark" => Self::ComplexMark,
            "Ideograph" => Self::Ideograph,
            "Pictograph" => Self::Pictograph,
            "Modifier" => Self::Modifier,
            "RegionalIndicator" => Self::RegionalIndicator,
            _ => return None,
        })
    }

    /// Part of the character before it.
    fn extends(self) -> bool {
        matches!(self, Self::Extend | Self::ComplexMark | Self::Modifier)
    }

    fn is_complex(self) -> bool {
        matches!(self, Self::Complex | Self::ComplexMark)
    }

    fn is_letter(self) -> bool {
        matches!(self, Self::Letter | Self::Hebrew)
    }

    /// Classes that can begin a word of rules WB5 to WB13b.
    fn is_core(self) -> bool {
        self.is_letter() || matches!(self, Self::Numeric | Self::Katakana | Self::ExtendNumLet)
    }

    /// No boundary between two neighbours, whatever comes after.
    fn joins(self, next: Self) -> bool {
        match (self, next) {
            (Self::ExtendNumLet, next) => next.is_core(),
            (Self::Quoted, Self::ExtendNumLet) => true,
            (before, Self::ExtendNumLet) => before.is_core(),
            (Self::Katakana, next) => next == Self::Katakana,
            (before, next) => {
                (before.is_letter() || matches!(before, Self::Numeric | Self::Quoted))
                    && (next.is_letter() || next == Self::Numeric)
            }
        }
    }

    /// No boundary around `mark`, which stands between these two.
    fn joins_over(self, mark: Self, next: Self) -> bool {
        match mark {
            Self::MidLetter => self.is_letter() && next.is_letter(),
            Self::MidNum => self == Self::Numeric && next == Self::Numeric,
            Self::MidNumLet | Self::SingleQuote => {
                self.is_letter() && next.is_letter()
                    || self == Self::Numeric && next == Self::Numeric
            }
            Self::DoubleQuote => self == Self::Hebrew && next == Self::Hebrew,
            _ => false,
        }
    }
}

/// Characters of one class.
struct Range {
    first: u32,
    last: u32,
    class: Class,
}

/// Sorted.
static UNICODE: LazyLock<Vec<Range>> = LazyLock::new(|| {
    let mut ranges = ranges(include_str!("word_break.txt")).expect("the table is well formed");
    ranges.sort_unstable_by_key(|range| range.first);
    ranges
});

fn ranges(table: &str) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    let mut class = Class::Other;
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    for word in lines.flat_map(str::split_whitespace) {
        if let Some(named) = Class::named(word) {
            class = named;
        } else {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let code = |hex| u32::from_str_radix(hex, 16).ok();
            ranges.push(Range { first: code(first)?, last: code(last)?, class });
        }
    }
    Some(ranges)
}

const ASCII: [Class; 128] = {
    let mut classes = [Class::Other; 128];
    let mut c = 0;
    while c < 128 {
        classes[c] = match c as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Numeric,
            b'_' => Class::ExtendNumLet,
            b':' => Class::MidLetter,
            b',' | b';' => Class::MidNum,
            b'.' => Class::MidNumLet,
            b'\'' => Class::SingleQuote,
            b'"' => Class::DoubleQuote,
            _ => Class::Other,
        };
        c += 1;
    }
    classes
};

/// Calls `emit` with every word of `text`, in order.
pub(crate) fn words<'t>(text: &'t str, mut emit: impl FnMut(&'t str)) {
    let mut rest = text;
    while !rest.is_empty() {
        let run = capped_run(rest);
        if run.is_word {
            emit(&rest[..run.len]);
        }
        rest = &rest[run.len..];
    }
}

/// Characters without a boundary between them.
struct Run {
    /// In bytes, at least one character.
    len: usize,
    is_word: bool,
}

fn capped_run(text: &str) -> Run {
    let run = run(text);
    // A byte is at most one unit, so that a short run needs no counting.
    if run.len <= MAX_UNITS || text[..run.len].encode_utf16().count() <= MAX_UNITS {
        return run;
    }
    self::run(up_to_max_units(text))
}

fn up_to_max_units(text: &str) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > MAX_UNITS
    });
    end.map_or(text, |(end, _)| &text[..end])
}

fn run(text: &str) -> Run {
    let (class, first) = character(text, 0).expect("there is text left");
    let end = match class {
        Class::Ideograph | Class::Modifier => Some(first),
        Class::Complex | Class::ComplexMark => Some(complex(text)),
        Class::Pictograph => Some(pictograph(text, first)),
        Class::Extend => joined_pictograph(text),
        Class::RegionalIndicator => flag(text, first),
        Class::Other => keycap(&text[..first]),
        _ if class.is_core() => core_run(text, class, first),
        _ => None,
    };
    end.map_or_else(|| between_words(text), |len| Run { len, is_word: true })
}

/// One character that begins no word, or a line drawn with it: what extends it may still begin one.
fn between_words(text: &str) -> Run {
    let first = first_char(text, 0).expect("there is text left");
    let line = if Class::of(first) == Class::ExtendNumLet { text.len() } else { first.len_utf8() };
    Run { len: line - text[..line].trim_start_matches(first).len(), is_word: false }
}

/// The class of the character at `start`, and where it ends with all that extends it (WB4).
fn character(text: &str, start: usize) -> Option<(Class, usize)> {
    let c = first_char(text, start)?;
    let mut end = start + c.len_utf8();
    while let Some(next) = first_char(text, end)
        && !next.is_ascii()
        && Class::of(next).extends()
    {
        end += next.len_utf8();
    }
    Some((Class::of(c), end))
}

fn first_char(text: &str, start: usize) -> Option<char> {
    match text.as_bytes().get(start)? {
        byte if byte.is_ascii() => Some(char::from(*byte)),
        _ => text[start..].chars().next(),
    }
}

/// Letters, digits, Katakana and what joins them, from a first character that ends at `end`.
fn core_run(text: &str, first: Class, mut end: usize) -> Option<usize> {
    let mut before = first;
    let mut is_word = first != Class::ExtendNumLet;
    while let Some((class, joined_end)) = joined(text, before, end) {
        is_word |= class != Class::ExtendNumLet;
        (before, end) = (class, joined_end);
    }
    is_word.then_some(end)
}

/// What joins a run that ends at `end` in a character of class `before`: the class it then ends in, and where.
fn joined(text: &str, before: Class, end: usize) -> Option<(Class, usize)> {
    let (class, class_end) = character(text, end)?;
    if before.joins(class) {
        return Some((class, class_end));
    }
    if let Some((next, next_end)) = character(text, class_end)
        && before.joins_over(class, next)
    {
        let last = if class == Class::DoubleQuote { Class::Quoted } else { next };
        return Some((last, next_end));
    }
    // WB7a: a Hebrew letter keeps its apostrophe (geresh).
    (before == Class::Hebrew && class == Class::SingleQuote).then_some((Class::Quoted, class_end))
}

/// Characters of a script without spaces, with their marks.
fn complex(text: &str) -> usize {
    let mut end = 0;
    while let Some((class, next_end)) = character(text, end)
        && class.is_complex()
    {
        end = next_end;
    }
    end
}

/// Pictographs tied by zero width joiners (WB3c): a family is one word.
fn pictograph(text: &str, mut end: usize) -> usize {
    while text[..end].ends_with(ZERO_WIDTH_JOINER)
        && let Some((Class::Pictograph, next_end)) = character(text, end)
    {
        end = next_end;
    }
    end
}

/// Two regional indicators (WB15); one alone is no word.
fn flag(text: &str, first: usize) -> Option<usize> {
    let (class, end) = character(text, first)?;
    (class == Class::RegionalIndicator).then_some(end)
}

/// A joiner with nothing before it still joins a pictograph (WB3c).
fn joined_pictograph(text: &str) -> Option<usize> {
    let joiner = ZERO_WIDTH_JOINER.len_utf8();
    text.starts_with(ZERO_WIDTH_JOINER)
        .then(|| pictograph(text, joiner))
        .filter(|&end| end > joiner)
}

/// `#` or `*` as a key of a telephone; digits with a key are numbers already.
fn keycap(character: &str) -> Option<usize> {
    (character.starts_with(['#', '*']) && character.contains(KEYCAP)).then_some(character.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        words(text, |word| all.push(word));
        all
    }

    #[test]
    fn a_mark_joins_only_between_its_own_kind() {
        assert_eq!(
            cut("can't o'' 3.14 3. a.b a:b 1:2 1,2 a,b"),
            ["can't", "o", "3.14", "3", "a.b", "a:b", "1", "2", "1,2", "a", "b"]
        );
    }

    #[test]
    fn an_underscore_joins_but_is_no_word() {
        assert_eq!(cut("_ __ _a_ a__b a_.b"), ["_a_", "a__b", "a_", "b"]);
    }

    #[test]
    fn a_mark_alone_is_no_word() {
        assert!(cut("... - \u{301} ' \" , ;").is_empty());
    }

    #[test]
    fn a_long_word_is_cut_as_if_the_text_ended() {
        let word = "x".repeat(600);
        assert_eq!(cut(&word).iter().map(|word| word.len()).collect::<Vec<_>>(), [255, 255, 90]);
    }
}
