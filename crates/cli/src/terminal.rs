//! Text that fits the terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::output::errln;

/// The width in columns where no terminal tells its own.
const WIDTH: usize = 100;

/// The width of the terminal in columns: `COLUMNS` if it is set, else the terminal's own, else 100.
pub(crate) fn width() -> usize {
    let of_environment = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    of_environment.or_else(of_terminal).unwrap_or(WIDTH)
}

/// The text on one line of at most `width` columns; a text that is cut ends in `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.width() <= width {
        return line;
    }
    let (mut kept, mut left) = (String::new(), width.saturating_sub(1));
    for letter in line.chars() {
        let columns = letter.width().unwrap_or(0);
        if columns > left {
            break;
        }
        left -= columns;
        kept.push(letter);
    }
    kept.trim_end().to_owned() + "…"
}

/// The pieces side by side in lines of at most `width` columns, each line indented by `indent` spaces.
pub(crate) fn wrapped(pieces: &[String], indent: usize, width: usize) -> String {
    let (mut text, mut column) = (String::new(), usize::MAX);
    for piece in pieces {
        let needed = piece.width() + 2;
        if column.saturating_add(needed) > width {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            text.push_str("  ");
        }
        text.push_str(piece);
        column += needed;
    }
    text
}

/// A paragraph in lines of at most `width` columns, and of at most 100, as longer lines are hard to read.
pub(crate) fn lines(paragraph: &str, width: usize) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        let needed = word.width() + 1;
        let fits = column + needed <= width.min(WIDTH);
        text.push_str(if text.is_empty() {
            ""
        } else if fits {
            " "
        } else {
            "\n"
        });
        column = if fits { column + needed } else { needed };
        text.push_str(word);
    }
    text
}

/// Prints warnings to standard error, one on each line.
pub(crate) fn warn(sentences: impl IntoIterator<Item = impl std::fmt::Display>) {
    sentences.into_iter().for_each(|sentence| errln!("warning: {sentence}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_to_columns_and_not_to_letters() {
        assert_eq!(cut("two  words\nand more", 9), "two word…");
        assert_eq!(cut("two words", 9), "two words");
        // Each of these takes two columns: the third would end in the seventh.
        assert_eq!(cut("東京都庁舎", 6), "東京…");
    }

    #[test]
    fn pieces_fill_lines() {
        let pieces = ["tea 1.0", "milk 0.5", "sugar 0.25"].map(str::to_owned);
        assert_eq!(lines("a paragraph  of\nwords", 12), "a paragraph\nof words");
        assert_eq!(wrapped(&pieces, 2, 22), "  tea 1.0  milk 0.5\n  sugar 0.25");
    }
}
