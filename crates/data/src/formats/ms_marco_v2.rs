//! MS MARCO v2 and v2.1: passages, documents and segments of documents, one JSON object a line.
//!
//! A passage has `pid` and `passage`, a document `docid` and `body`, a segment `docid` and `segment`; the `docid` of a passage is
//! the document that it is from, and no name. Documents and segments have a `title` and `headings`, which stand before the text
//! here as they do in Anserini's index. The url is dropped.

use std::borrow::Cow;

use serde::Deserialize;

use super::input::Input;
use super::lines::{Line, Lines};
use super::{DocumentRef, Visit, push_words};
use crate::{Notes, ReadError};

const EXPECTED: &str = "a JSON object with `pid` and `passage`, or with `docid`, `title`, `headings` and `body` or `segment`";

/// A line of any of the three; other keys (`spans`, `url`, `start_char`) are passed over.
#[derive(Deserialize)]
struct Object<'l> {
    #[serde(borrow)]
    pid: Option<Cow<'l, str>>,
    #[serde(borrow)]
    docid: Option<Cow<'l, str>>,
    #[serde(borrow)]
    title: Option<Cow<'l, str>>,
    #[serde(borrow)]
    headings: Option<Cow<'l, str>>,
    #[serde(borrow)]
    passage: Option<Cow<'l, str>>,
    #[serde(borrow)]
    segment: Option<Cow<'l, str>>,
    #[serde(borrow)]
    body: Option<Cow<'l, str>>,
}

impl Object<'_> {
    /// The name and the text of what the line holds; `None` where one of them is missing.
    fn named(&self) -> Option<(&str, &str)> {
        let passage = self.pid.as_deref().zip(self.passage.as_deref());
        let text = self.segment.as_deref().or(self.body.as_deref());
        passage.or_else(|| self.docid.as_deref().zip(text))
    }

    /// The words of the headings on a line, and the text below it; the text alone where there are no headings.
    fn below_headings<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut joined = String::new();
        push_words(&mut joined, self.headings.as_deref().unwrap_or_default());
        if joined.is_empty() {
            return text.into();
        }
        joined.push('\n');
        joined.push_str(text);
        joined.into()
    }
}

pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    let (mut lines, mut notes) = (Lines::of(input)?, Notes::default());
    while let Some(line) = lines.next_row()? {
        let object: Object<'_> =
            serde_json::from_str(line.text).map_err(|error| wrong(&line, &error))?;
        let (id, text) = object
            .named()
            .ok_or_else(|| line.malformed("neither of the two pairs of keys", EXPECTED))?;
        let (doc_id, text) = (line.id("doc_id", id)?, object.below_headings(text));
        let title = object.title.as_deref().unwrap_or_default();
        visit(DocumentRef { doc_id, title, text: &text }).map_err(ReadError::Stopped)?;
    }
    lines.note(&mut notes);
    Ok(notes)
}

fn wrong(line: &Line<'_>, error: &serde_json::Error) -> ReadError {
    let message = error.to_string();
    let reason = message.split(" at line ").next().unwrap_or(&message);
    line.malformed(format!("{reason} (column {})", error.column()), EXPECTED)
}
