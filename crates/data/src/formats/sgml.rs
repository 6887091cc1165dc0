//! TREC's mark-up: documents (`<DOC>`, `<DOCNO>`, `<TEXT>`) and topics (`<top>` or `<topic>`, `<num>`, `<title>`).
//!
//! Neither is XML: topics close no element, documents hold stray `<` and `&`. So this looks for the few tags that
//! matter, in either case, wherever lines end. Tags inside a text are dropped, known entities are what they stand for,
//! and the layout (line ends, indents) becomes single spaces.
//!
//! A document's title is what stands in `<TITLE>`, `<HEADLINE>`, `<HL>`, `<HEAD>` or `<TTL>`; its text what stands in
//! `<TEXT>`, `<BODY>`, `<LP>` or `<LEADPARA>`, or in no element at all. Where that is nothing, its text is everything
//! but name, title and dates: the collections without `<TEXT>`.

mod entities;
mod markup;
mod records;

use nir_core::Queries;
use rustc_hash::FxHashSet;

use super::TopicField;
use super::collect::{QuerySet, named};
use super::input::Input;
use super::lines::malformed;
use super::{DocumentRef, Visit, push_words};
use crate::notes::Remark;
use crate::{Notes, Read, ReadError, Source};
use entities::decoded;
use markup::{Markup, Piece, partners};
use records::{Record, Records};

pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    let source = input.source;
    let mut records = Records::open(input, &["DOC"])?;
    while let Some(record) = records.next()? {
        document(source, &record, visit)?;
    }
    Ok(Notes::default())
}

/// No page has so many tags; taking one apart costs 60 bytes for each.
const MOST_PIECES: usize = 8 << 20;

fn document(source: &Source, record: &Record, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let pieces = pieces(source, record, MOST_PIECES)?;
    let Parts { name, number, title, text, other } = Parts::of(&pieces);
    let attribute = record.attribute(&["id", "docno", "docid"]).unwrap_or_default();
    let names = [name, attribute, number];
    let Some(doc_id) = names.iter().find(|name| !name.is_empty()) else {
        return Err(malformed(source, record.line, "a <DOC> without a <DOCNO>", "one doc_id"));
    };
    named(source, record.line, "doc_id", doc_id)?;
    let text = if text.is_empty() { &other } else { &text };
    visit(DocumentRef { doc_id, title: &title, text }).map_err(ReadError::Stopped)
}

/// A record cut into tags and texts, at most `most` of them.
fn pieces<'r>(
    source: &Source,
    record: &'r Record,
    most: usize,
) -> Result<Vec<Piece<'r>>, ReadError> {
    let pieces: Vec<Piece<'_>> = Markup::of(&record.text).take(most + 1).collect();
    if pieces.len() > most {
        let found = format!("a <{}> with more than {most} tags and texts", record.tag);
        return Err(malformed(source, record.line, found, "a text with fewer tags"));
    }
    Ok(pieces)
}

/// The function of an element in a document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Name,
    /// A second name, which counts where there is no other.
    Number,
    Title,
    Text,
    /// Not what the document says: numbers, dates, headers of protocols.
    Apart,
    /// An element without a function of its own.
    Other,
}

const ROLES: [(&str, Role); 17] = [
    ("docno", Role::Name),
    ("docid", Role::Number),
    ("title", Role::Title),
    ("headline", Role::Title),
    ("hl", Role::Title),
    ("head", Role::Title),
    ("ttl", Role::Title),
    ("text", Role::Text),
    ("body", Role::Text),
    ("lp", Role::Text),
    ("leadpara", Role::Text),
    ("docoldno", Role::Apart),
    ("dochdr", Role::Apart),
    ("fileid", Role::Apart),
    ("date", Role::Apart),
    ("dd", Role::Apart),
    ("date_time", Role::Apart),
];

fn role(name: &str) -> Role {
    let known = ROLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map_or(Role::Other, |(_, role)| *role)
}

/// The parts of a document.
#[derive(Default)]
struct Parts {
    name: String,
    number: String,
    title: String,
    text: String,
    other: String,
}

impl Parts {
    fn of(pieces: &[Piece<'_>]) -> Self {
        let partners = partners(pieces);
        let (mut parts, mut open) = (Self::default(), OpenElements::default());
        for (at, piece) in pieces.iter().enumerate() {
            match (piece, partners[at]) {
                (Piece::Text(text), _) => {
                    if let Some(words) = parts.place(open.role()) {
                        push_words(words, &decoded(text));
                    }
                }
                (Piece::Open(tag), Some(end)) => open.begin(role(tag.name), end),
                (Piece::Close(name), Some(_)) => open.end(role(name), at as u32),
                _ => {}
            }
        }
        parts
    }

    /// The text to which words in an element of that role, or in none, are appended.
    fn place(&mut self, role: Option<Role>) -> Option<&mut String> {
        match role {
            Some(Role::Name) => Some(&mut self.name),
            Some(Role::Number) => Some(&mut self.number),
            Some(Role::Title) => Some(&mut self.title),
            Some(Role::Text) | None => Some(&mut self.text),
            Some(Role::Other) => Some(&mut self.other),
            Some(Role::Apart) => None,
        }
    }
}

/// The elements around a place in a document that a tag behind it closes.
#[derive(Default)]
struct OpenElements {
    /// The open elements that have a role, from the outermost, each with the position of its end.
    with_role: Vec<(Role, u32)>,
    /// The number of entries of `with_role` that have ended.
    first: usize,
    /// The number of other open elements.
    others: usize,
    /// The ends of the elements of `with_role` that do not lie within one another.
    ended: FxHashSet<u32>,
}

impl OpenElements {
    fn begin(&mut self, role: Role, end: u32) {
        match role {
            Role::Other => self.others += 1,
            role => self.with_role.push((role, end)),
        }
    }

    fn end(&mut self, role: Role, at: u32) {
        if role == Role::Other {
            self.others -= 1;
            return;
        }
        self.ended.insert(at);
        while self.with_role.get(self.first).is_some_and(|(_, end)| self.ended.contains(end)) {
            self.first += 1;
        }
    }

    /// The role of the outermost open element that has one.
    fn role(&self) -> Option<Role> {
        let outermost = self.with_role.get(self.first).map(|(role, _)| *role);
        outermost.or((self.others > 0).then_some(Role::Other))
    }
}

/// The fields of a topic: their elements, and the label that a text of theirs may begin with.
const FIELDS: [(TopicField, &[&str], &str); 3] = [
    (TopicField::Title, &["title", "query"], "topic:"),
    (TopicField::Description, &["desc", "description", "question"], "description:"),
    (TopicField::Narrative, &["narr", "narrative"], "narrative:"),
];

/// Reads topics; the text of each is what its `fields` say, or without any what its title says.
pub(super) fn topics(input: Input<'_>, fields: &[TopicField]) -> Result<Read<Queries>, ReadError> {
    let source = input.source;
    let mut queries = QuerySet::new(source);
    let mut notes = Notes::default();
    let mut records = Records::open(input, &["top", "topic"])?;
    while let Some(record) = records.next()? {
        let missing = |what: &str, expected: &str| {
            let found = format!("a <{}> without <{what}>", record.tag);
            malformed(source, record.line, found, expected)
        };
        let topic = Topic::new(pieces(source, &record, MOST_PIECES)?);
        let number = topic.field(&["num", "number"], "number:");
        let number = number.or_else(|| record.attribute(&["number", "num", "id"]));
        let number = number.ok_or_else(|| missing("num", "<num> and <title>"))?;
        let text = match fields {
            [] => topic.title().or_else(|| {
                let description = topic.of(TopicField::Description)?;
                notes.add(source, Remark::NoTitle, 1, format_args!("is `{number}`"));
                Some(description)
            }),
            fields => topic.text(fields),
        };
        let text = text.ok_or_else(|| match fields {
            [] => missing("title", "<num> and <title>"),
            _ => missing("title", "at least one of the fields that were chosen"),
        })?;
        queries.add(record.line, &number, &text)?;
    }
    Ok(queries.finish(notes))
}

/// The parts of a topic.
struct Topic<'t> {
    pieces: Vec<Piece<'t>>,
    partners: Vec<Option<u32>>,
}

impl<'t> Topic<'t> {
    fn new(pieces: Vec<Piece<'t>>) -> Self {
        Self { partners: partners(&pieces), pieces }
    }

    /// The words of the first of these fields that is there: to its end tag if it has one, or else to the next tag.
    fn field(&self, names: &[&str], label: &str) -> Option<String> {
        let is = |name: &&str| {
            let opens = |piece: &Piece<'_>| matches!(piece, Piece::Open(tag) if tag.name.eq_ignore_ascii_case(name));
            self.pieces.iter().position(opens)
        };
        let start = names.iter().find_map(is)?;
        let tag = |piece: &Piece<'_>| !matches!(piece, Piece::Text(_));
        let next = self.pieces[start + 1..].iter().position(tag).map(|after| start + 1 + after);
        let end = self.partners[start].map(|end| end as usize).or(next);
        let words = self.words(start + 1, end.unwrap_or(self.pieces.len()));
        Some(without_label(&words, label).to_owned())
    }

    /// What is searched for, in a few words.
    fn title(&self) -> Option<String> {
        self.of(TopicField::Title).or_else(|| self.bare())
    }

    /// The words of a field.
    fn of(&self, field: TopicField) -> Option<String> {
        let (_, names, label) = FIELDS.iter().find(|(known, ..)| *known == field)?;
        self.field(names, label)
    }

    /// The words of several fields, in their order.
    fn text(&self, fields: &[TopicField]) -> Option<String> {
        let words: Vec<String> = fields.iter().filter_map(|&field| self.of(field)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// The whole text of a topic that has no fields.
    fn bare(&self) -> Option<String> {
        let opens = |piece: &Piece<'_>| matches!(piece, Piece::Open(_));
        let words = self.words(0, self.pieces.len());
        (!words.is_empty() && !self.pieces.iter().any(opens)).then_some(words)
    }

    fn words(&self, start: usize, end: usize) -> String {
        let mut words = String::new();
        for piece in &self.pieces[start..end] {
            if let Piece::Text(text) = piece {
                push_words(&mut words, &decoded(text));
            }
        }
        words
    }
}

/// The words after `label`; all words if they do not begin with it.
fn without_label<'w>(words: &'w str, label: &str) -> &'w str {
    match words.split_at_checked(label.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(label) => rest.trim_start(),
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_more_tags_than_any_page_has_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::file(folder.path().join("docs"));
        std::fs::write(&source.path, "\n<DOC>a<b>c</b></DOC>").unwrap();
        let input = Input::open(&source).unwrap();
        let record = Records::open(input, &["DOC"]).unwrap().next().unwrap().unwrap();
        assert_eq!(pieces(&source, &record, 4).unwrap().len(), 4, "two texts and two tags");
        let error = pieces(&source, &record, 3).unwrap_err().to_string();
        assert!(error.ends_with(
            "docs:2: found a <DOC> with more than 3 tags and texts, expected a text with fewer tags"
        ));
    }
}
