//! BEIR: `corpus.jsonl` and `queries.jsonl`, one JSON object a line.
//! Thakur et al., NeurIPS 2021 (`thakur2021beir`).
//!
//! Read as the tools write it that make such files: a name may be a whole number (its digits are the name), a title or
//! text may be null (nothing), and Anserini's `id` and `contents` and MIRACL's
//! `docid` stand for `_id` and `text` where those are missing.
//! Half of a surrogate pair is read as U+FFFD and counted.

use std::borrow::Cow;
use std::fmt;

use nir_core::Queries;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::collect::QuerySet;
use super::input::Input;
use super::lines::{Line, Lines};
use super::{AddText, DocumentRef, Visit};
use crate::notes::Remark;
use crate::{Notes, Read, ReadError, Source};

/// A line of either file; other keys (`metadata`) are passed over.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'l"))]
struct Object<'l> {
    #[serde(default, borrow, rename = "_id")]
    beir_id: Value<'l>,
    #[serde(default, borrow, alias = "docid")]
    id: Value<'l>,
    #[serde(default, borrow)]
    title: Value<'l>,
    #[serde(default, borrow)]
    text: Value<'l>,
    #[serde(default, borrow)]
    contents: Value<'l>,
    #[serde(default, borrow)]
    query_id: Value<'l>,
    #[serde(default, borrow)]
    doc_id: Value<'l>,
    #[serde(default, borrow)]
    pseudo_doc: Value<'l>,
    #[serde(default, borrow)]
    texts: Value<'l>,
}

/// The value of a key.
#[derive(Default)]
enum Value<'l> {
    #[default]
    Missing,
    Null,
    Text(Cow<'l, str>),
    /// A list of strings.
    Texts(Vec<String>),
    Whole(String),
    /// A value of another kind, which the text names.
    Other(&'static str),
}

const DOCUMENT: &str =
    "a JSON object with `_id` (or `id`), `text` (or `contents`) and perhaps `title`";
const TEXT: &str = "a JSON object with `query_id`, `doc_id`, `_id` or `id`, and with `text` or `texts`, a list of strings";
const QUERY: &str = "a JSON object with `_id` (or `id`) and `text` (or `contents`)";

pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    objects(input, DOCUMENT, &mut |line, mut object| {
        let doc_id = object.id(line, DOCUMENT)?;
        line.id("doc_id", &doc_id)?;
        let (title, text) = (optional(line, "title", object.title)?, object.text);
        let text = required(line, [("text", text), ("contents", object.contents)], DOCUMENT)?;
        visit(DocumentRef { doc_id: &doc_id, title: &title, text: &text })
            .map_err(ReadError::Stopped)
    })
}

pub(super) fn queries(input: Input<'_>) -> Result<Read<Queries>, ReadError> {
    let mut queries = QuerySet::new(input.source);
    let notes = objects(input, QUERY, &mut |line, mut object| {
        let query_id = object.id(line, QUERY)?;
        let text = required(line, [("text", object.text), ("contents", object.contents)], QUERY)?;
        queries.add(line.number, &query_id, &text)
    })?;
    Ok(queries.finish(notes))
}

/// Reads texts for queries or documents: one text of a line, or a list of them.
pub(super) fn texts(input: Input<'_>, add: &mut AddText<'_>) -> Result<Notes, ReadError> {
    objects(input, TEXT, &mut |line, object| {
        let Object { beir_id, id, text, contents, query_id, doc_id, pseudo_doc, texts, .. } =
            object;
        let ids = [("query_id", query_id), ("doc_id", doc_id), ("_id", beir_id), ("id", id)];
        let id = first_id(line, ids, "`query_id`", TEXT)?;
        line.id("query_id or doc_id", &id)?;
        match texts {
            Value::Texts(texts) if texts.is_empty() => {
                return Err(line.malformed("`texts`: an empty list", "at least one text"));
            }
            Value::Texts(texts) => texts.iter().for_each(|text| add(&id, text, Some(line.number))),
            Value::Missing => {
                let texts = [("text", text), ("contents", contents), ("pseudo_doc", pseudo_doc)];
                add(&id, &required(line, texts, TEXT)?, Some(line.number));
            }
            other => {
                return Err(
                    line.malformed(format!("`texts`: {}", other.kind()), "a list of strings")
                );
            }
        }
        Ok(())
    })
}

fn objects(
    input: Input<'_>,
    expected: &str,
    each: &mut dyn FnMut(&Line<'_>, Object<'_>) -> Result<(), ReadError>,
) -> Result<Notes, ReadError> {
    let (source, mut notes) = (input.source, Notes::default());
    let mut lines = Lines::of(input)?;
    while let Some(line) = lines.next_row()? {
        match serde_json::from_str(line.text) {
            // serde would take an array for the fields of a struct in their order.
            Ok(object) if !line.text.trim_start().starts_with('[') => each(&line, object)?,
            Ok(_) => return Err(array(&line)),
            Err(error) => match mended(source, &line, &mut notes) {
                Some(text) => {
                    let object = serde_json::from_str(&text)
                        .map_err(|error| wrong(&line, &error, expected))?;
                    each(&line, object)?;
                }
                None => return Err(wrong(&line, &error, expected)),
            },
        }
    }
    lines.note(&mut notes);
    Ok(notes)
}

fn array(line: &Line<'_>) -> ReadError {
    line.malformed("an array", "one JSON object a line (`jq -c '.[]'` makes that of an array)")
}

fn wrong(line: &Line<'_>, error: &serde_json::Error, expected: &str) -> ReadError {
    if line.text.trim_start().starts_with('[') {
        return array(line);
    }
    if line.text.contains('\r') {
        return line.carriage_return();
    }
    let message = error.to_string();
    // Every object is one line to serde_json: only the column says something.
    let reason = message.split(" at line ").next().unwrap_or(&message);
    line.malformed(format!("{reason} (column {})", error.column()), expected)
}

/// The line with U+FFFD in place of lone surrogates, if it has any; they are counted.
fn mended(source: &Source, line: &Line<'_>, notes: &mut Notes) -> Option<String> {
    let (text, count) = without_lone_surrogates(line.text);
    if count == 0 {
        return None;
    }
    notes.add(source, Remark::Surrogate, count, format_args!("at line {}", line.number));
    Some(text)
}

/// A JSON text in which every escape of half a surrogate pair is written `\ufffd`, and how many there were.
fn without_lone_surrogates(json: &str) -> (String, u64) {
    let mut text = String::with_capacity(json.len());
    let (mut rest, mut count) = (json, 0);
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let kept = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => 0,
            // `\\` is one escape: what follows it is none.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        text.push_str(&escape[..kept]);
        if kept == 0 {
            text.push_str("\\ufffd");
            count += 1;
        }
        rest = &escape[if kept == 0 { 6 } else { kept }..];
    }
    text.push_str(rest);
    (text, count)
}

/// The half of a surrogate pair whose escape `text` begins with.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    (0xd800..=0xdfff).contains(&code).then_some(code)
}

impl<'l> Object<'l> {
    /// The document's or query's id: `_id`, or `id` if there is no `_id`.
    fn id(&mut self, line: &Line<'_>, expected: &str) -> Result<Cow<'l, str>, ReadError> {
        let (beir_id, id) = (std::mem::take(&mut self.beir_id), std::mem::take(&mut self.id));
        first_id(line, [("_id", beir_id), ("id", id)], "`_id`", expected)
    }
}

/// The id that the first of several keys gives that the object has; `wanted` is the key that is missed where it has none.
fn first_id<'l, const N: usize>(
    line: &Line<'_>,
    keys: [(&str, Value<'l>); N],
    wanted: &str,
    expected: &str,
) -> Result<Cow<'l, str>, ReadError> {
    let Some((key, value)) = first(keys) else { return Err(missing(line, wanted, expected)) };
    match value {
        Value::Text(text) => Ok(text),
        Value::Whole(digits) => Ok(digits.into()),
        other => Err(line.malformed(format!("`{key}`: {}", other.kind()), NAME)),
    }
}

/// The first of several keys that the object has.
fn first<'k, 'l, const N: usize>(keys: [(&'k str, Value<'l>); N]) -> Option<(&'k str, Value<'l>)> {
    keys.into_iter().find(|(_, value)| !matches!(value, Value::Missing))
}

impl Value<'_> {
    /// What the value is, for messages.
    fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "nothing",
            Self::Null => "null",
            Self::Text(_) => "a string",
            Self::Texts(_) => "an array",
            Self::Whole(_) => "a number",
            Self::Other(kind) => kind,
        }
    }
}

const NAME: &str = "a string or a whole number";

/// The text of the first of several keys that the object has.
fn required<'l, const N: usize>(
    line: &Line<'_>,
    keys: [(&str, Value<'l>); N],
    expected: &str,
) -> Result<Cow<'l, str>, ReadError> {
    match first(keys) {
        Some((key, value)) => optional(line, key, value),
        None => Err(missing(line, "`text`", expected)),
    }
}

fn optional<'l>(line: &Line<'_>, key: &str, value: Value<'l>) -> Result<Cow<'l, str>, ReadError> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Missing | Value::Null => Ok(Cow::Borrowed("")),
        other => Err(line.malformed(format!("`{key}`: {}", other.kind()), "a string or null")),
    }
}

/// The error for a missing key, which lists the keys of the object.
fn missing(line: &Line<'_>, key: &str, expected: &str) -> ReadError {
    let keys: Keys = serde_json::from_str(line.text).unwrap_or_default();
    let keys: Vec<String> = keys.0.iter().map(|key| format!("`{key}`")).collect();
    let there = if keys.is_empty() { "no key".to_owned() } else { keys.join(", ") };
    line.malformed(format!("no {key} among {there}"), expected)
}

/// The first few keys of an object, for messages.
#[derive(Default)]
struct Keys(Vec<String>);

impl<'l> Deserialize<'l> for Keys {
    fn deserialize<D: Deserializer<'l>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'l> Visitor<'l> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<Keys, A::Error> {
        const SHOWN: usize = 8;
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            if keys.len() < SHOWN {
                keys.push(crate::names::start(&key));
            }
        }
        Ok(Keys(keys))
    }
}

impl<'de: 'l, 'l> Deserialize<'de> for Value<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'l> Visitor<'l> for ValueVisitor {
    type Value = Value<'l>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'l str) -> Result<Value<'l>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'l>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'l>, E> {
        Ok(Value::Whole(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'l>, E> {
        Ok(Value::Whole(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'l>, E> {
        Ok(Value::Other("a number that is not whole, or too large"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'l>, E> {
        Ok(Value::Other("true or false"))
    }

    fn visit_unit<E>(self) -> Result<Value<'l>, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'l>>(self, mut seq: A) -> Result<Value<'l>, A::Error> {
        let mut texts = Some(Vec::new());
        while let Some(value) = seq.next_element::<Value<'_>>()? {
            match (value, &mut texts) {
                (Value::Text(text), Some(texts)) => texts.push(text.into_owned()),
                _ => texts = None,
            }
        }
        Ok(texts.map_or(Value::Other("an array"), Value::Texts))
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<Value<'l>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_pairs_are_told_from_pairs_and_from_escaped_backslashes() {
        let cases = [
            (r#""\ud83c\udf75""#, r#""\ud83c\udf75""#, 0),
            (r#""\ud83c tea""#, r#""\ufffd tea""#, 1),
            (r#""\udf75\ud83c""#, r#""\ufffd\ufffd""#, 2),
            (r#""\ud83c\ud83c\udf75""#, r#""\ufffd\ud83c\udf75""#, 1),
            (r#""\\ud83c""#, r#""\\ud83c""#, 0),
            (r#""\uD83C\n\u00e9""#, r#""\ufffd\n\u00e9""#, 1),
            (r#""é\ud8""#, r#""é\ud8""#, 0),
            (r"\", r"\", 0),
        ];
        for (json, mended, count) in cases {
            assert_eq!(without_lone_surrogates(json), (mended.to_owned(), count), "{json}");
        }
    }
}
