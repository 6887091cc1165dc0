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

/// The class of a character, which decides whether a word ends beside it.
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
    /// A character of a script without spaces.
    Complex,
    /// A mark of such a script: extends, and begins a run where there is nothing to extend.
    ComplexMark,
    /// A Han or Hiragana character, which is a word of its own.
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

    /// Whether the character belongs to the one before it.
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

    /// Joins two characters that it stands between, if they are of the right classes.
    fn is_mark(self) -> bool {
        use Class::{DoubleQuote, MidLetter, MidNum, MidNumLet, SingleQuote};
        matches!(self, MidLetter | MidNum | MidNumLet | SingleQuote | DoubleQuote)
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

/// A range of characters of one class.
struct Range {
    first: u32,
    last: u32,
    class: Class,
}

/// The ranges of all classes, sorted.
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

/// Calls `emit` with every word of `text`, in order. Takes time in proportion to the text, whatever is in it.
///
/// No run is longer than [`MAX_UNITS`], so only as much is looked at. What comes later could make a run longer, never
/// shorter, and a run that is too long is cut as if the text ended there: which is where the look ends.
pub(crate) fn words<'t>(text: &'t str, mut emit: impl FnMut(&'t str)) {
    let mut window = Window { text, start: 0, end: 0, units: 0 };
    let (mut start, mut blank) = (0, 0);
    while window.advance_to(start) {
        let run = run(&text[start..window.end], blank - start.min(blank));
        if run.is_word {
            emit(&text[start..start + run.len]);
        }
        blank = blank.max(start + run.blank);
        start += run.len;
    }
}

/// The characters from `start` on, as many as [`MAX_UNITS`] allow.
struct Window<'t> {
    text: &'t str,
    start: usize,
    end: usize,
    /// Its length in UTF-16 units.
    units: usize,
}

impl Window<'_> {
    /// Lets it begin at `start`, which is not beyond its end; returns whether there is anything in it.
    fn advance_to(&mut self, start: usize) -> bool {
        self.units -= units(&self.text[self.start..start]);
        self.start = start;
        while let Some(c) = first_char(self.text, self.end)
            && self.units + c.len_utf16() <= MAX_UNITS
        {
            self.units += c.len_utf16();
            self.end += c.len_utf8();
        }
        self.start < self.end
    }
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Characters without a word boundary between them.
struct Run {
    /// The length in bytes; at least one character.
    len: usize,
    is_word: bool,
    /// How many bytes from its start on are known to be underscores and what extends them, and so no word by themselves.
    blank: usize,
}

/// The run at the start of `text`, of which the first `blank` bytes are known from an earlier run.
fn run(text: &str, blank: usize) -> Run {
    let first = first_char(text, 0).expect("there is text left");
    let class = Class::of(first);
    let first_end = first.len_utf8();
    let end = match class {
        Class::Ideograph | Class::Modifier => Some(extended(text, first_end)),
        Class::Complex | Class::ComplexMark => Some(complex(text)),
        Class::Pictograph => Some(pictograph(text, extended(text, first_end))),
        Class::Extend => joined_pictograph(text),
        Class::RegionalIndicator => flag(text, extended(text, first_end)),
        Class::Other => keycap(text, first),
        Class::ExtendNumLet => return line(text, first_end.max(blank)),
        _ if class.is_core() => Some(core_run(text, class, extended(text, first_end)).0),
        _ => None,
    };
    let word = end.map(|len| Run { len, is_word: true, blank: 0 });
    word.unwrap_or_else(|| Run { len: between_words(text, class), is_word: false, blank: 0 })
}

/// A run that begins with an underscore and is known to go on to `end`: a word if it holds more, else a line drawn with
/// it. What extends a line may still begin a word.
fn line(text: &str, end: usize) -> Run {
    let (end, is_word) = core_run(text, Class::ExtendNumLet, extended(text, end));
    let first = first_char(text, 0).expect("there is text left");
    match is_word {
        true => Run { len: end, is_word, blank: 0 },
        false => {
            Run { len: text.len() - text.trim_start_matches(first).len(), is_word, blank: end }
        }
    }
}

/// The length of what begins no word: one character, or marks that have nothing to extend.
fn between_words(text: &str, first: Class) -> usize {
    let mut chars = text.chars();
    chars.next();
    if first == Class::Extend {
        let more = |c: char| c != ZERO_WIDTH_JOINER && Class::of(c) == Class::Extend;
        return text.len() - chars.as_str().trim_start_matches(more).len();
    }
    text.len() - chars.as_str().len()
}

/// The end of a character with everything that extends it (WB4), if the character itself ends at `end`.
fn extended(text: &str, mut end: usize) -> usize {
    while let Some(next) = first_char(text, end)
        && !next.is_ascii()
        && Class::of(next).extends()
    {
        end += next.len_utf8();
    }
    end
}

/// The class of the character at `start`, and where it ends with all that extends it, if `wanted` is true of it.
fn character(text: &str, start: usize, wanted: impl Fn(Class) -> bool) -> Option<(Class, usize)> {
    let c = first_char(text, start)?;
    let class = Class::of(c);
    wanted(class).then(|| (class, extended(text, start + c.len_utf8())))
}

fn first_char(text: &str, start: usize) -> Option<char> {
    match text.as_bytes().get(start)? {
        byte if byte.is_ascii() => Some(char::from(*byte)),
        _ => text[start..].chars().next(),
    }
}

/// Letters, digits, Katakana and what joins them, from a first character that ends at `end`: where they end, and whether
/// there is more than underscores.
fn core_run(text: &str, first: Class, mut end: usize) -> (usize, bool) {
    let mut before = first;
    let mut is_word = first != Class::ExtendNumLet;
    while let Some((class, joined_end)) = joined(text, before, end) {
        is_word |= class != Class::ExtendNumLet;
        (before, end) = (class, joined_end);
    }
    (end, is_word)
}

/// The end of a run after what joins it, and the class that it then ends in; the run ends at `end` in a character of
/// class `before`.
fn joined(text: &str, before: Class, end: usize) -> Option<(Class, usize)> {
    let joins = |class: Class| before.joins(class) || class.is_mark();
    let (class, class_end) = character(text, end, joins)?;
    if before.joins(class) {
        return Some((class, class_end));
    }
    let joins_over = |next| before.joins_over(class, next);
    if let Some((next, next_end)) = character(text, class_end, joins_over) {
        let last = if class == Class::DoubleQuote { Class::Quoted } else { next };
        return Some((last, next_end));
    }
    // WB7a: a Hebrew letter keeps its apostrophe (geresh).
    (before == Class::Hebrew && class == Class::SingleQuote).then_some((Class::Quoted, class_end))
}

/// Characters of a script without spaces, with their marks.
fn complex(text: &str) -> usize {
    let mut end = 0;
    while let Some((_, next_end)) = character(text, end, Class::is_complex) {
        end = next_end;
    }
    end
}

/// Pictographs tied by zero width joiners (WB3c): a family is one word.
fn pictograph(text: &str, mut end: usize) -> usize {
    while text[..end].ends_with(ZERO_WIDTH_JOINER)
        && let Some((_, next_end)) = character(text, end, |class| class == Class::Pictograph)
    {
        end = next_end;
    }
    end
}

/// Two regional indicators (WB15); one alone is no word.
fn flag(text: &str, first: usize) -> Option<usize> {
    character(text, first, |class| class == Class::RegionalIndicator).map(|(_, end)| end)
}

/// A joiner with nothing before it still joins a pictograph (WB3c).
fn joined_pictograph(text: &str) -> Option<usize> {
    let joiner = ZERO_WIDTH_JOINER.len_utf8();
    text.starts_with(ZERO_WIDTH_JOINER)
        .then(|| pictograph(text, joiner))
        .filter(|&end| end > joiner)
}

/// `#` or `*` as a key of a telephone; digits with a key are numbers already.
fn keycap(text: &str, key: char) -> Option<usize> {
    matches!(key, '#' | '*')
        .then(|| extended(text, key.len_utf8()))
        .filter(|&end| text[..end].contains(KEYCAP))
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

    /// The rule as it is said: a run over all that is left, and if it is too long, one over the first 255 units.
    fn cut_with_the_end_in_view(text: &str) -> Vec<&str> {
        let (mut all, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let mut found = run(rest, 0);
            if units(&rest[..found.len]) > MAX_UNITS {
                let mut window = Window { text: rest, start: 0, end: 0, units: 0 };
                window.advance_to(0);
                found = run(&rest[..window.end], 0);
            }
            if found.is_word {
                all.push(&rest[..found.len]);
            }
            rest = &rest[found.len..];
        }
        all
    }

    /// One character of each class that a rule names, and of each length in UTF-8.
    const KINDS: [&str; 26] = [
        "a",
        "é",
        "א",
        "1",
        "カ",
        "_",
        "\u{203f}",
        ":",
        ",",
        ".",
        "'",
        "\"",
        "\u{301}",
        "\u{e0100}",
        "ก",
        "\u{e31}",
        "漢",
        "😀",
        "\u{1f3fd}",
        "🇩",
        "\u{200d}",
        "#",
        "\u{20e3}",
        " ",
        "𝒳",
        "\u{fe0f}",
    ];

    proptest::proptest! {
        #[test]
        fn looking_no_further_than_a_word_cuts_the_same(
            pieces in proptest::collection::vec((proptest::collection::vec(0..KINDS.len(), 1..4), 1..300usize), 0..6),
        ) {
            let pieces = pieces.into_iter().map(|(kinds, times)| {
                kinds.iter().map(|&kind| KINDS[kind]).collect::<String>().repeat(times)
            });
            let text: String = pieces.collect();
            proptest::prop_assert_eq!(cut(&text), cut_with_the_end_in_view(&text));
        }
    }

    /// Each of these took time in proportion to the square of its length, or would where a look ahead is repeated: a
    /// million characters would take hours.
    #[test]
    fn a_million_of_anything_is_cut_at_once() {
        for (piece, words) in [
            ("a", 1_000_000_usize.div_ceil(255)),
            ("_", 0),
            ("\u{301}", 0),
            ("_\u{301}", 0),
            ("_\u{1f3fd}", 1_000_000),
            ("\u{200d}", 0),
            ("#\u{301}", 0),
            ("ก", 1_000_000_usize.div_ceil(255)),
            ("漢", 1_000_000),
            // 255 of them, and an apostrophe that then joins nothing.
            ("a'", 2_000_000_usize.div_ceil(256)),
            ("'", 0),
            ("🇩\u{301}", 500_000),
        ] {
            assert_eq!(cut(&piece.repeat(1_000_000)).len(), words, "{piece}");
        }
    }
}
