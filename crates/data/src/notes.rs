//! What a reader met, went on after, and does not keep to itself.

use std::fmt;

use crate::Source;

/// What a user should know about a file that could be read: notes that are counted, each with the place of its first
/// occurrence.
///
/// ```
/// # use nir_data::{DocumentFormat, Source, read_documents};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("docs.tsv");
/// std::fs::write(&path, "d1\ttea\nd2\t\n\nd3\t\n").unwrap();
/// let source = Source::file(&path);
/// let notes = read_documents(&source, DocumentFormat::Tsv, &mut |_| Ok(())).unwrap();
/// let said: Vec<String> = notes.sentences().collect();
/// assert!(said[0].ends_with("docs.tsv: 1 blank line was passed over, the first at line 3"));
/// assert!(said[1].ends_with("docs.tsv: 2 documents have neither title nor text, the first is `d2`"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "notes are for the user: print them"]
pub struct Notes(Vec<Note>);

/// A value that was read, with notes on what was unusual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// The notes.
    pub notes: Notes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    from: String,
    remark: Remark,
    first: String,
    count: u64,
}

/// The kinds of notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remark {
    /// A blank line.
    BlankLine,
    /// A first line that names columns.
    Header,
    /// Half of a surrogate pair in JSON.
    Surrogate,
    /// A record of a document that an earlier record gave.
    Repeated,
    /// A document without any words.
    EmptyDocument,
    /// A stored text without any words.
    EmptyText,
    /// A query without any words.
    EmptyQuery,
    /// A topic without a title, of which the description was read.
    NoTitle,
}

impl Notes {
    /// Counts a note; `first` is the place of its first occurrence.
    pub(crate) fn add(
        &mut self,
        from: &Source,
        remark: Remark,
        count: u64,
        first: impl fmt::Display,
    ) {
        let from = from.to_string();
        match self.0.iter_mut().find(|note| note.remark == remark && note.from == from) {
            Some(note) => note.count += count,
            None => self.0.push(Note { from, remark, first: first.to_string(), count }),
        }
    }

    /// Adds the notes of another file.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether there are no notes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The notes in one sentence each: the file, how often, and where first.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Note::to_string)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, remark, first, count } = self;
        let (one, many) = match remark {
            Remark::BlankLine => ("blank line was passed over", "blank lines were passed over"),
            Remark::Header => ("header line names the columns", "header lines name the columns"),
            Remark::Surrogate => (
                "lone surrogate (half of a character) was read as U+FFFD",
                "lone surrogates (halves of characters) were read as U+FFFD",
            ),
            Remark::EmptyDocument => {
                ("document has neither title nor text", "documents have neither title nor text")
            }
            Remark::Repeated => (
                "record repeats the name of an earlier one and was passed over",
                "records repeat the name of an earlier one and were passed over",
            ),
            Remark::EmptyText => ("text is empty", "texts are empty"),
            Remark::EmptyQuery => ("query has no text", "queries have no text"),
            Remark::NoTitle => (
                "topic has no title: its description was read",
                "topics have no title: their descriptions were read",
            ),
        };
        write!(f, "{from}: {count} {}, the first {first}", if *count == 1 { one } else { many })
    }
}
