//! A text with tags, cut into tags and what stands between them. One pass: nothing is looked at more than twice.

use memchr::{memchr2, memmem};
use rustc_hash::FxHashMap;

/// A piece of a marked-up text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// The text between two tags; entities are not replaced.
    Text(&'t str),
    /// An opening tag `<name …>`.
    Open(Tag<'t>),
    /// A closing tag `</name>`; the name.
    Close(&'t str),
}

/// A tag that opens an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'t> {
    pub(super) name: &'t str,
    /// The text of all attributes.
    pub(super) attributes: &'t str,
}

impl<'t> Tag<'t> {
    /// The value of the first of these attributes that is there.
    pub(super) fn attribute(&self, names: &[&str]) -> Option<&'t str> {
        let is =
            |(name, _): &(&str, &str)| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        attributes(self.attributes).find(is).map(|(_, value)| value)
    }
}

/// The names and values of `name="value" name=value`.
fn attributes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (before, after) = rest.split_once('=')?;
        let name = before.split_ascii_whitespace().next_back().unwrap_or_default();
        let after = after.trim_ascii_start();
        let quote = after.chars().next().filter(|letter| matches!(letter, '"' | '\''));
        let (value, left) = match quote {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => {
                after.split_once(|letter: char| letter.is_ascii_whitespace()).unwrap_or((after, ""))
            }
        };
        rest = left;
        Some((name, value))
    })
}

/// Splits a text into its pieces.
pub(super) struct Markup<'t> {
    text: &'t str,
    at: usize,
    /// The position after which no comment ends.
    no_comment_from: usize,
}

impl<'t> Markup<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0, no_comment_from: text.len() }
    }

    /// The tag at `at`, where a `<` stands, and where it ends; none where that is text.
    fn tag(&mut self, at: usize) -> Option<(Option<Piece<'t>>, usize)> {
        let rest = &self.text[at..];
        match rest.as_bytes().get(1)? {
            b'!' | b'?' => self.declaration(at).map(|end| (None, end)),
            _ => tag(rest).map(|(piece, length)| (Some(piece), at + length)),
        }
    }

    /// The end of the comment or declaration at `at`.
    fn declaration(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        if !rest.starts_with("<!--") {
            let is_one = rest[2..].starts_with(|letter: char| letter.is_ascii_alphabetic());
            let end = memchr2(b'<', b'>', &rest.as_bytes()[1..]).filter(|_| is_one)? + 1;
            return (rest.as_bytes()[end] == b'>').then_some(at + end + 1);
        }
        if at >= self.no_comment_from {
            return None;
        }
        let end = memmem::find(&rest.as_bytes()[4..], b"-->");
        if end.is_none() {
            self.no_comment_from = at;
        }
        end.map(|end| at + 4 + end + 3)
    }
}

impl<'t> Iterator for Markup<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let (mut start, mut from) = (self.at, self.at);
        while let Some(found) = memchr::memchr(b'<', &self.text.as_bytes()[from..]) {
            let at = from + found;
            match self.tag(at) {
                // The text before it comes first; the tag is looked at again.
                Some(_) if at > start => {
                    self.at = at;
                    return Some(Piece::Text(&self.text[start..at]));
                }
                Some((Some(piece), end)) => {
                    self.at = end;
                    return Some(piece);
                }
                Some((None, end)) => (start, from) = (end, end),
                None => from = at + 1,
            }
        }
        self.at = self.text.len();
        (start < self.text.len()).then(|| Piece::Text(&self.text[start..]))
    }
}

/// For each piece that is a tag, the index of the tag at the other end of its element; `None` if there is no such tag.
pub(super) fn partners(pieces: &[Piece<'_>]) -> Vec<Option<u32>> {
    let mut partners = vec![None; pieces.len()];
    let mut open: FxHashMap<String, Vec<u32>> = FxHashMap::default();
    for (at, piece) in (0..).zip(pieces) {
        match piece {
            Piece::Text(_) => {}
            Piece::Open(tag) => open.entry(tag.name.to_ascii_lowercase()).or_default().push(at),
            Piece::Close(name) => {
                let last = open.get_mut(&name.to_ascii_lowercase()).and_then(Vec::pop);
                if let Some(first) = last {
                    partners[first as usize] = Some(at);
                    partners[at as usize] = Some(first);
                }
            }
        }
    }
    partners
}

/// The tag that `text` begins with and its length: `<` or `</`, a letter, up to a `>` on the same line, with no other
/// `<` between.
pub(super) fn tag(text: &str) -> Option<(Piece<'_>, usize)> {
    let closes = text[1..].starts_with('/');
    let name_at = 1 + usize::from(closes);
    text[name_at..].starts_with(|letter: char| letter.is_ascii_alphabetic()).then_some(())?;
    let bytes = &text.as_bytes()[name_at..];
    let end = name_at + memchr::memchr3(b'>', b'<', b'\n', bytes)?;
    if text.as_bytes()[end] != b'>' {
        return None;
    }
    let inner = text[name_at..end].trim_end_matches('/');
    let name_end = inner.find(|letter: char| letter.is_ascii_whitespace()).unwrap_or(inner.len());
    let (name, attributes) = inner.split_at(name_end);
    let piece = if closes { Piece::Close(name) } else { Piece::Open(Tag { name, attributes }) };
    Some((piece, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> String {
        let show = |piece| match piece {
            Piece::Text(text) => format!("[{text}]"),
            Piece::Open(tag) => format!("<{}>", tag.name),
            Piece::Close(name) => format!("</{name}>"),
        };
        Markup::of(text).map(show).collect()
    }

    #[test]
    fn a_tag_is_a_name_between_angles_on_one_line() {
        let cases = [
            ("a<b>c</b>d", "[a]<b>[c]</b>[d]"),
            ("<F P=102>x</F >", "<F>[x]</F>"),
            ("2 < 3 <y> 1<2", "[2 < 3 ]<y>[ 1<2]"),
            ("if a <b and <i>c</i>", "[if a <b and ]<i>[c]</i>"),
            ("a <b\n> c", "[a <b\n> c]"),
            ("a<!-- <b> -->c", "[a][c]"),
            ("a<!-- b", "[a<!-- b]"),
            ("<?xml version=\"1\"?><!DOCTYPE x>a", "[a]"),
            ("a<!-- b --><!-- c -->", "[a]"),
            ("é<ü>ö<", "[é<ü>ö<]"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn an_element_ends_where_its_name_does_whatever_was_left_open() {
        let pieces: Vec<_> = Markup::of("<a><p>x<A>y</a></q></a>").collect();
        let found: Vec<_> = partners(&pieces).into_iter().map(|at| at.unwrap_or(99)).collect();
        assert_eq!(found, [7, 99, 99, 5, 99, 3, 99, 0]);
    }

    #[test]
    fn attributes_have_values_with_quotes_or_without() {
        let tag = Tag { name: "doc", attributes: " type='a b' id = \"A-1\" n=3 x" };
        assert_eq!(tag.attribute(&["ID"]), Some("A-1"));
        assert_eq!(tag.attribute(&["x", "n"]), Some("3"));
        assert_eq!(tag.attribute(&["type"]), Some("a b"));
        assert_eq!(tag.attribute(&["x"]), None);
        assert_eq!(Tag { attributes: " id='é", ..tag }.attribute(&["id"]), Some("é"));
    }
}
