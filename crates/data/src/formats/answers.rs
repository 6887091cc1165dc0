//! Answers of one's own: one JSON object a line, `{"query_id": "q1", "answers": ["1911", "the year 1911"]}`.

use nir_core::Answers;
use serde::Deserialize;

use super::collect::named;
use super::input::Input;
use super::lines::Lines;
use crate::{Notes, Read, ReadError};

const EXPECTED: &str = "a JSON object with `query_id` (or `_id`) and `answers`, a list of strings";

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

pub(super) fn answers(input: Input<'_>) -> Result<Read<Answers>, ReadError> {
    let source = input.source;
    let (mut lines, mut notes) = (Lines::of(input)?, Notes::default());
    let mut value = Answers::default();
    while let Some(line) = lines.next_row()? {
        let object: Object = serde_json::from_str(line.text).map_err(|error| {
            let message = error.to_string();
            let reason = message.split(" at line ").next().unwrap_or(&message);
            line.malformed(format!("{reason} (column {})", error.column()), EXPECTED)
        })?;
        let query_id = object.query_id.into_text();
        named(source, line.number, "query_id", &query_id)?;
        if value.insert(&query_id, object.answers).is_some() {
            let found = format!("`{query_id}` again");
            return Err(line.malformed(found, "each query_id once"));
        }
    }
    lines.note(&mut notes);
    Ok(Read { value, notes })
}
