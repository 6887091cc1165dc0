//! The lines of a file, without a copy and without an allocation for each.

use std::io::{self, BufRead};
use std::str;

use crate::bounds::Exceeded;

/// The mark that some editors put at the start of a file in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Why a pass over lines stopped.
pub(crate) enum Stop<E> {
    /// Reading failed.
    Read(io::Error),
    /// The line with this number is not UTF-8.
    Text(u64),
    /// The line with this number has a control character.
    Control(u64, char),
    /// The line with this number is too long.
    Long(u64, Exceeded),
    /// The error that `each` returned.
    Line(E),
}

/// A line of text, without its line feed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextLine<'l> {
    /// The number of the line, counted from 1.
    pub(crate) number: u64,
    pub(crate) text: &'l str,
    /// Whether all lines around it are ASCII, so that nobody needs to look for other white space.
    pub(crate) ascii: bool,
}

/// Calls `each` with every line of at most `longest` bytes.
///
/// Lines that lie whole in the reader's buffer are lent from there, and checked to be text all at once; only one cut by
/// the end of the buffer is copied. The byte order mark that some editors put before the first line is not part of it.
/// Control characters other than white space are refused: they belong to no name, and on a screen nobody sees them. So
/// is a carriage return inside a line, which would make one line of many.
pub(crate) fn for_each_line<E>(
    reader: &mut dyn BufRead,
    longest: usize,
    mut each: impl FnMut(TextLine<'_>) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    let mut each = |line: TextLine<'_>| match line.text.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) if line.number == 1 => each(TextLine { text, ..line }),
        _ => each(line),
    };
    let mut number = 0;
    let mut cut = Vec::new();
    loop {
        let buffer = reader.fill_buf().map_err(Stop::Read)?;
        let size = buffer.len();
        if size == 0 {
            break;
        }
        let mut rest = buffer;
        if !cut.is_empty() {
            let end = memchr::memchr(b'\n', rest).map_or(size, |at| at + 1);
            cut.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            if cut.ends_with(b"\n") {
                lines(&cut, &mut number, &mut each)?;
                cut.clear();
            }
        }
        let whole = memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1);
        lines(&rest[..whole], &mut number, &mut each)?;
        cut.extend_from_slice(&rest[whole..]);
        if cut.len() > longest {
            return Err(Stop::Long(number + 1, Exceeded::Line(longest)));
        }
        reader.consume(size);
    }
    lines(&cut, &mut number, &mut each)
}

/// The lines of a text that begins with one and ends with one.
fn lines<E>(
    text: &[u8],
    number: &mut u64,
    each: &mut impl FnMut(TextLine<'_>) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    let (text, wrong) = match str::from_utf8(text) {
        Ok(text) => (text, false),
        Err(error) => (until(text, error.valid_up_to()), true),
    };
    let (ascii, controls) = (text.is_ascii(), may_hold_controls(text.as_bytes()));
    let mut rest = text;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
        *number += 1;
        let line = TextLine { number: *number, text: &rest[..end], ascii };
        if let Some(control) = controls.then(|| control(line.text)).flatten() {
            return Err(Stop::Control(line.number, control));
        }
        each(line).map_err(Stop::Line)?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    if wrong { Err(Stop::Text(*number + 1)) } else { Ok(()) }
}

/// The lines of `text` before the line that contains `at`.
fn until(text: &[u8], at: usize) -> &str {
    let end = memchr::memrchr(b'\n', &text[..at]).map_or(0, |line| line + 1);
    str::from_utf8(&text[..end]).expect("the text is valid up to `at`")
}

/// Whether a text has a byte that [`control`] must look at, found in one pass without branches over many lines at once.
fn may_hold_controls(text: &[u8]) -> bool {
    let odd = |byte: u8| byte >= 0x7f || (byte < b' ' && byte != b'\n' && byte != b'\t');
    text.iter().fold(false, |found, &byte| found | odd(byte))
}

/// The first control character of a line that is no white space, or that is a carriage return before its end.
fn control(line: &str) -> Option<char> {
    let white = |letter: char| matches!(letter, '\t' | '\u{b}' | '\u{c}');
    let line = line.trim_end_matches('\r');
    line.chars().find(|&letter| letter.is_control() && !white(letter))
}

/// The columns of a line: what lies between spaces, tabs and other control characters.
#[derive(Debug, Clone)]
pub(crate) struct Columns<'a>(pub(crate) &'a str);

impl Columns<'_> {
    /// Whether there is another column, which is cheaper than finding its end.
    pub(crate) fn any_left(&mut self) -> bool {
        let blanks = self.0.bytes().take_while(|&byte| is_blank(byte)).count();
        self.0 = &self.0[blanks..];
        !self.0.is_empty()
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        if !self.any_left() {
            return None;
        }
        let (column, rest) = self.0.split_at(blank(self.0.as_bytes()));
        self.0 = rest;
        Some(column)
    }
}

fn is_blank(byte: u8) -> bool {
    byte <= b' '
}

/// The position of the first blank; the length if there is none.
///
/// Columns are short and of changing length, so that a loop over bytes spends most of its time on the branch it could
/// not foresee. Eight bytes at once make that one branch for most columns.
fn blank(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let blanks = blanks(u64::from_le_bytes(*word));
        if blanks != 0 {
            return number * 8 + blanks.trailing_zeros() as usize / 8;
        }
    }
    let end = rest.iter().position(|&byte| is_blank(byte)).unwrap_or(rest.len());
    words.len() * 8 + end
}

/// The lowest set bit is the highest bit of the first byte that is at most a space; bits above it mean nothing.
fn blanks(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    word.wrapping_sub(EACH * (u64::from(b' ') + 1)) & !word & (EACH << 7)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn lines(text: &[u8], buffer: usize) -> (Vec<(u64, String)>, Option<u64>) {
        let mut found = Vec::new();
        let mut reader = BufReader::with_capacity(buffer, text);
        let stop = for_each_line(&mut reader, 1 << 20, |line| {
            found.push((line.number, line.text.to_owned()));
            Ok::<_, ()>(())
        });
        match stop {
            Err(Stop::Text(line)) => (found, Some(line)),
            _ => (found, None),
        }
    }

    #[test]
    fn a_line_may_be_longer_than_the_buffer() {
        let text = "one\n\nthree, größer and longer\nno line feed".as_bytes();
        let (whole, _) = lines(text, 1 << 10);
        assert_eq!(whole.len(), 4);
        assert_eq!(whole[3], (4, "no line feed".into()));
        for buffer in 1..20 {
            assert_eq!(lines(text, buffer).0, whole, "a buffer of {buffer}");
        }
    }

    #[test]
    fn a_line_that_is_not_text_is_told_by_number() {
        for buffer in [1, 3, 7, 100] {
            let (before, wrong) = lines(b"one\ntwo\nth\xffree\nfour\n", buffer);
            assert_eq!((before.len(), wrong), (2, Some(3)), "a buffer of {buffer}");
        }
    }

    /// What stops the pass over `text` with lines of at most `longest` bytes.
    fn stopped(text: &[u8], longest: usize) -> Option<Stop<()>> {
        let mut reader = BufReader::with_capacity(8, text);
        for_each_line(&mut reader, longest, |_| Ok(())).err()
    }

    #[test]
    fn control_characters_are_found_and_white_space_is_not_one() {
        for (text, line, control) in [
            ("a b\nc\u{1}d\n", 2, '\u{1}'),
            ("a\u{7f}\n", 1, '\u{7f}'),
            ("é\u{9b}", 1, '\u{9b}'),
            ("a\rb\n", 1, '\r'),
        ] {
            let found = stopped(text.as_bytes(), 100);
            assert!(
                matches!(found, Some(Stop::Control(at, odd)) if (at, odd) == (line, control)),
                "{text:?}"
            );
        }
        assert!(stopped("a\tb\r\nc\u{b}d\u{c}\u{a0}é\r\n".as_bytes(), 100).is_none());
    }

    #[test]
    fn a_line_without_an_end_stops_at_the_limit() {
        let text = [b"one\n".as_slice(), &[b'x'; 100]].concat();
        assert!(matches!(stopped(&text, 50), Some(Stop::Long(2, Exceeded::Line(50)))));
        assert!(stopped(&text, 100).is_none());
    }

    proptest! {
        #[test]
        fn columns_are_those_of_a_loop_over_bytes(line in "[ \\ta-c\u{e9}\u{7f}]{0,40}") {
            let looped: Vec<&str> =
                line.split(|c| c <= ' ').filter(|column| !column.is_empty()).collect();
            prop_assert_eq!(Columns(&line).collect::<Vec<_>>(), looped);
        }
    }

    #[test]
    fn columns_are_cut_at_any_blank() {
        let columns: Vec<_> = Columns(" 1\tQ0  d \r").collect();
        assert_eq!(columns, ["1", "Q0", "d"]);
    }
}
