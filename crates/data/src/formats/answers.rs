//! Answers of one's own: one JSON object a line, `{"query_id": "q1", "answers": ["1911", "the year 1911"]}`.

use nir_core::Answers;
use serde::Deserialize;

use super::collect::named;
use super::input::Input;
use super::lines::Lines;
use crate::{Notes, Read, ReadError};

/// What a line must be.
pub(crate) const EXPECTED: &str =
    "a JSON object with `query_id` (or `_id`) and `answers`, a list of strings";

/// A line; other keys are passed over.
#[derive(Deserialize)]
struct Object {
    #[serde(alias = "_id")]
    query_id: Name,
    answers: Vec<String>,
}

/// A name, which may be written as a whole number: its digits are the name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Whole(u64),
}

impl Name {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
        }
    }
}

/// The name of a query and its answers; the error says what was found instead.
pub(crate) fn of_line(text: &str) -> Result<(String, Vec<String>), String> {
    let object: Object = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or(&message);
        format!("{reason} (column {})", error.column())
    })?;
    Ok((object.query_id.into_text(), object.answers))
}

pub(super) fn answers(input: Input<'_>) -> Result<Read<Answers>, ReadError> {
    let source = input.source;
    let (mut lines, mut notes) = (Lines::of(input)?, Notes::default());
    let mut value = Answers::default();
    while let Some(line) = lines.next_row()? {
        let (query_id, answers) =
            of_line(line.text).map_err(|found| line.malformed(found, EXPECTED))?;
        named(source, line.number, "query_id", &query_id)?;
        if value.insert(&query_id, answers).is_some() {
            let found = format!("`{query_id}` again");
            return Err(line.malformed(found, "each query_id once"));
        }
    }
    lines.note(&mut notes);
    Ok(Read { value, notes })
}
