//! TREC's mark-up: documents (`<DOC>`, `<DOCNO>`, `<TEXT>`) and topics (`<top>`, `<num>`, `<title>`).
//!
//! Neither is XML: topics close no element, documents hold stray `<` and `&`. So this looks for the few tags that
//! matter. Tags inside a text are dropped and its layout (line ends, indents) becomes single spaces; entities stay.

use nir_core::Queries;

use super::collect::QuerySet;
use super::lines::{Lines, malformed};
use super::{DocumentRef, Visit};
use crate::{ReadError, Source};

/// Where the newswire collections keep a title.
const TITLES: [&str; 3] = ["TITLE", "HEADLINE", "HL"];

pub(super) fn documents(source: &Source, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let mut records = Records::open(source, "DOC")?;
    while let Some(record) = records.next()? {
        document(source, &record, visit)?;
    }
    Ok(())
}

fn document(source: &Source, record: &Record, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let doc_id = elements(&record.text, "DOCNO").next().unwrap_or_default().trim();
    if doc_id.is_empty() {
        return Err(malformed(source, record.line, "a <DOC> without a <DOCNO>", "one doc_id"));
    }
    super::collect::named(source, record.line, "doc_id", doc_id)?;
    let (mut title, mut text) = (String::new(), String::new());
    let titles = TITLES.iter().flat_map(|tag| elements(&record.text, tag));
    titles.take(1).for_each(|content| push_words(&mut title, content));
    elements(&record.text, "TEXT").for_each(|content| push_words(&mut text, content));
    visit(DocumentRef { doc_id, title: &title, text: &text }).map_err(ReadError::Stopped)
}

pub(super) fn topics(source: &Source) -> Result<Queries, ReadError> {
    let mut queries = QuerySet::new(source);
    let mut records = Records::open(source, "top")?;
    while let Some(record) = records.next()? {
        let missing = |tag: &str| {
            malformed(source, record.line, format!("a <top> without <{tag}>"), "<num> and <title>")
        };
        let number = field(&record.text, "num", "Number:").ok_or_else(|| missing("num"))?;
        let title = field(&record.text, "title", "Topic:").ok_or_else(|| missing("title"))?;
        queries.add(record.line, &number, &title)?;
    }
    Ok(queries.finish())
}

/// The words of a field of a topic: to its end tag if it has one, or else to the next tag.
fn field(topic: &str, tag: &str, label: &str) -> Option<String> {
    let rest = after_tag(topic, tag)?;
    let end = (0..rest.len()).find(|&at| markup(&rest[at..]).is_some()).unwrap_or(rest.len());
    let content = rest[..end].trim();
    let mut words = String::new();
    push_words(&mut words, content.strip_prefix(label).unwrap_or(content));
    Some(words)
}

/// What stands between `<tag>` and `</tag>`, for every such pair.
fn elements<'t>(text: &'t str, tag: &'t str) -> impl Iterator<Item = &'t str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let content = after_tag(rest, tag)?;
        let end = content.find(&format!("</{tag}>")).unwrap_or(content.len());
        rest = &content[end..];
        Some(&content[..end])
    })
}

/// What follows the first `<tag>` or `<tag …>`.
fn after_tag<'t>(text: &'t str, tag: &str) -> Option<&'t str> {
    text.match_indices('<').find_map(|(at, _)| {
        let length = markup(&text[at..])?;
        let name = text[at + 1..at + length - 1].split_ascii_whitespace().next()?;
        (name == tag).then(|| &text[at + length..])
    })
}

/// How long the tag is that `text` begins with, if it does: `<` or `</`, a letter, up to `>` on the same line.
fn markup(text: &str) -> Option<usize> {
    let name = text.strip_prefix('<')?;
    let name = name.strip_prefix('/').unwrap_or(name);
    name.starts_with(|letter: char| letter.is_ascii_alphabetic()).then_some(())?;
    let end = text.find(['>', '\n'])?;
    text[end..].starts_with('>').then_some(end + 1)
}

/// Adds the words of `content`, one space between any two, without tags.
fn push_words(to: &mut String, content: &str) {
    let mut plain = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find('<') {
        let length = markup(&rest[at..]);
        plain.push_str(&rest[..at]);
        plain.push(if length.is_some() { ' ' } else { '<' });
        rest = &rest[at + length.unwrap_or(1)..];
    }
    plain.push_str(rest);
    super::push_words(to, &plain);
}

/// A source cut at `<tag>` and `</tag>`, each of them on a line of its own.
struct Records<'s> {
    source: &'s Source,
    lines: Lines<'s>,
    tag: &'static str,
}

/// What stands between the two lines.
struct Record {
    /// The line of `<tag>`.
    line: u64,
    text: String,
}

impl<'s> Records<'s> {
    fn open(source: &'s Source, tag: &'static str) -> Result<Self, ReadError> {
        Ok(Self { source, lines: Lines::open(source)?, tag })
    }

    fn next(&mut self) -> Result<Option<Record>, ReadError> {
        let (open, close) = (format!("<{}>", self.tag), format!("</{}>", self.tag));
        let mut record: Option<Record> = None;
        while let Some(line) = self.lines.next_line()? {
            let text = line.text.trim();
            match &mut record {
                None if text == open => {
                    record = Some(Record { line: line.number, text: String::new() });
                }
                None if text.is_empty() => {}
                None => return Err(line.malformed(format!("`{}`", start(text)), open)),
                Some(_) if text == close => return Ok(record),
                Some(_) if text == open => return Err(line.malformed(open, close)),
                Some(record) => push_line(&mut record.text, line.text),
            }
        }
        match record {
            None => Ok(None),
            Some(record) => {
                let found = format!("{open} and then the end of the file");
                Err(malformed(self.source, record.line, found, close))
            }
        }
    }
}

fn push_line(to: &mut String, line: &str) {
    to.push_str(line);
    to.push('\n');
}

/// Enough of a line to recognise it.
fn start(line: &str) -> String {
    line.chars().take(40).collect()
}
