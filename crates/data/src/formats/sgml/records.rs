//! A source cut at tags such as `<DOC>` and `</DOC>`, wherever they stand in their lines.

use super::super::input::Input;
use super::super::lines::{Lines, malformed};
use super::markup::{Piece, Tag, tag};
use crate::bounds::{DOCUMENT, Exceeded};
use crate::names::start;
use crate::{ReadError, Source};

/// The records of a source, one after the other.
pub(super) struct Records<'s> {
    source: &'s Source,
    lines: Lines<'s>,
    /// The names of the tags that enclose a record.
    tags: &'static [&'static str],
    /// The line that is being read.
    line: String,
    at: usize,
    number: u64,
    /// The largest length of a record in bytes.
    longest: usize,
}

/// The text between the tags of a record.
pub(super) struct Record {
    /// The number of the line with the opening tag.
    pub(super) line: u64,
    /// The name of the tag as the file writes it.
    pub(super) tag: String,
    pub(super) text: String,
    attributes: String,
}

impl Record {
    /// The value of the first of these attributes that its tag has.
    pub(super) fn attribute(&self, names: &[&str]) -> Option<String> {
        let tag = Tag { name: &self.tag, attributes: &self.attributes };
        tag.attribute(names).map(|value| value.trim().to_owned())
    }
}

impl<'s> Records<'s> {
    pub(super) fn open(input: Input<'s>, tags: &'static [&'static str]) -> Result<Self, ReadError> {
        Self::bounded(input, tags, DOCUMENT)
    }

    fn bounded(
        input: Input<'s>,
        tags: &'static [&'static str],
        longest: usize,
    ) -> Result<Self, ReadError> {
        let source = input.source;
        let (lines, line) = (Lines::bounded(input, longest)?, String::new());
        Ok(Self { source, lines, tags, line, at: 0, number: 0, longest })
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, ReadError> {
        let Some(mut record) = self.begin()? else { return Ok(None) };
        while !self.add_to(&mut record)? {
            if !self.next_line()? {
                let found = format!("<{}> and then the end of the file", record.tag);
                return Err(malformed(
                    self.source,
                    record.line,
                    found,
                    format!("</{}>", record.tag),
                ));
            }
        }
        Ok(Some(record))
    }

    fn rest(&self) -> &str {
        &self.line[self.at..]
    }

    /// Turns to the next line; false at the end of the source.
    fn next_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        self.at = 0;
        self.more()
    }

    /// Appends the next line to the current one, after a space; returns whether there was one.
    fn more(&mut self) -> Result<bool, ReadError> {
        let Some(line) = self.lines.next_line()? else { return Ok(false) };
        if !self.line.is_empty() {
            self.line.push(' ');
        }
        self.line.push_str(line.text);
        self.number = line.number;
        Ok(true)
    }

    /// The next record, as far as its first tag. What may stand before it: declarations, comments and the tags of
    /// elements that hold all records.
    fn begin(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if self.rest().is_empty() {
                if self.next_line()? {
                    continue;
                }
                return Ok(None);
            }
            self.complete_tag()?;
            if let Some(record) = self.tag()? {
                return Ok(Some(record));
            }
        }
    }

    /// Joins the lines that a tag stands on to one line.
    fn complete_tag(&mut self) -> Result<(), ReadError> {
        const LONGEST_TAG: usize = 4096;
        let open =
            |rest: &str| rest.starts_with('<') && rest.len() < LONGEST_TAG && !rest.contains('>');
        while open(self.rest()) && self.more()? {}
        Ok(())
    }

    /// Passes over the tag that the rest of the line begins with; the record, if it begins one.
    fn tag(&mut self) -> Result<Option<Record>, ReadError> {
        let rest = &self.line[self.at..];
        if rest.starts_with("<!--") {
            return self.skip_comment().map(|()| None);
        }
        let found = if !rest.starts_with('<') {
            None
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            rest.find('>').map(|end| (None, end + 1))
        } else {
            tag(rest).map(|(piece, length)| (Some(piece), length))
        };
        let Some((piece, length)) = found else { return Err(self.no_record()) };
        let is_one = |name: &str| self.tags.iter().any(|tag| tag.eq_ignore_ascii_case(name));
        let record = match piece {
            Some(Piece::Open(tag)) if is_one(tag.name) => Some(Record {
                line: self.number,
                tag: tag.name.to_owned(),
                text: String::new(),
                attributes: tag.attributes.to_owned(),
            }),
            _ => None,
        };
        self.at += length;
        Ok(record)
    }

    fn skip_comment(&mut self) -> Result<(), ReadError> {
        loop {
            if let Some(end) = self.rest().find("-->") {
                self.at += end + "-->".len();
                return Ok(());
            }
            if !self.next_line()? {
                return Ok(());
            }
        }
    }

    fn no_record(&self) -> ReadError {
        let expected: Vec<String> = self.tags.iter().map(|tag| format!("<{tag}>")).collect();
        let found = format!("`{}`", start(self.rest().trim_end()));
        malformed(self.source, self.number, found, expected.join(" or "))
    }

    /// Adds the rest of the line to the record; whether it ends there.
    fn add_to(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        let rest = &self.line[self.at..];
        for at in memchr::memchr_iter(b'<', rest.as_bytes()) {
            if let Some(length) = closes(&rest[at..], &record.tag) {
                record.text.push_str(&rest[..at]);
                self.at += at + length;
                return Ok(true);
            }
            if begins_another(&self.line, &rest[at..], &record.tag) {
                let (found, expected) = (format!("<{}>", record.tag), format!("</{}>", record.tag));
                return Err(malformed(self.source, self.number, found, expected));
            }
        }
        record.text.push_str(rest);
        record.text.push('\n');
        if record.text.len() > self.longest {
            let found = Exceeded::Record(self.longest).to_string();
            let expected = format!("</{}> before", record.tag);
            return Err(malformed(self.source, record.line, found, expected));
        }
        Ok(false)
    }
}

/// The length of `</name>` if `text` begins with it.
fn closes(text: &str, name: &str) -> Option<usize> {
    let rest = text.strip_prefix("</")?;
    let (found, rest) = rest.split_at_checked(name.len())?;
    let end = rest.trim_ascii_start().strip_prefix('>')?;
    found.eq_ignore_ascii_case(name).then(|| text.len() - end.len())
}

/// Whether `text`, a part of `line`, begins with the tag of another record. In a text the same tag may stand for
/// something else: one that begins a record stands alone on its line, or its name follows.
fn begins_another(line: &str, text: &str, name: &str) -> bool {
    match tag(text) {
        Some((Piece::Open(tag), length)) if tag.name.eq_ignore_ascii_case(name) => {
            let next = text[length..].trim_ascii_start();
            let named = |start: &str| {
                next.get(..start.len()).is_some_and(|next| next.eq_ignore_ascii_case(start))
            };
            line.trim_ascii() == text[..length].trim_ascii() || named("<docno") || named("<num")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_an_end_stops_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::file(folder.path().join("docs"));
        std::fs::write(&source.path, "<DOC>\n".to_owned() + &"tea\n".repeat(300)).unwrap();
        let read = |longest| {
            let input = Input::open(&source).unwrap();
            let error = Records::bounded(input, &["DOC"], longest).unwrap().next().err().unwrap();
            error.to_string().rsplit("docs:").next().unwrap().to_owned()
        };
        assert!(
            read(1000).starts_with("1: found a record of more than 0 MiB; is its end missing?")
        );
        assert!(read(5000).starts_with("1: found <DOC> and then the end of the file"));
    }
}
