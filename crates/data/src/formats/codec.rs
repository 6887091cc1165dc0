//! CODEC: `topics.json`, one object whose keys are the names of the topics.
//! Mackie et al., SIGIR 2022.

use std::fmt;
use std::io::Read as _;

use nir_core::Queries;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::collect::QuerySet;
use super::input::Input;
use super::lines::malformed;
use crate::bounds::DOCUMENT;
use crate::{Notes, Read, ReadError};

const EXPECTED: &str = "a JSON object of topics, `\"economics-1\": { \"Query\": \"…\" }`";

/// A topic; its domain and guidelines are passed over.
#[derive(Deserialize)]
struct Topic {
    #[serde(rename = "Query")]
    query: String,
}

/// The topics in the order of the file.
struct Topics(Vec<(String, Topic)>);

impl<'de> Deserialize<'de> for Topics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Topics;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of topics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Topics, A::Error> {
        let mut topics = Vec::new();
        while let Some(topic) = map.next_entry()? {
            topics.push(topic);
        }
        Ok(Topics(topics))
    }
}

pub(super) fn queries(input: Input<'_>) -> Result<Read<Queries>, ReadError> {
    let source = input.source;
    let mut queries = QuerySet::new(source);
    let io = |error| ReadError::Io { from: source.clone(), line: 1, error };
    let mut text = String::new();
    input.into_reader().take(DOCUMENT as u64).read_to_string(&mut text).map_err(io)?;
    let Topics(topics) = serde_json::from_str(&text)
        .map_err(|error| malformed(source, error.line() as u64, error.to_string(), EXPECTED))?;
    for (query_id, topic) in topics {
        queries.add(1, &query_id, &topic.query)?;
    }
    Ok(queries.finish(Notes::default()))
}
