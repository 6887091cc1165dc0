//! Prefixes that a checkpoint was trained with, and without which its scores collapse.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::checkpoint::{Checkpoint, Location};
use crate::tokens::read_json;
use crate::{Error, Input, Result};

/// Whose text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A query's.
    Query,
    /// A document's.
    Document,
}

/// What model cards demand and no file of the checkpoint says: repositories that begin so, for a query and a document.
/// E5: the model cards of intfloat/e5-*; BGE v1.5 English: the model cards of BAAI/bge-*-en-v1.5.
/// nomic-embed, modernbert-embed and arctic-embed 2.0: the model cards of the repositories.
const CARDS: [(&str, &str, &str); 8] = [
    ("intfloat/e5-", "query: ", "passage: "),
    ("intfloat/multilingual-e5-", "query: ", "passage: "),
    ("BAAI/bge-small-en", "Represent this sentence for searching relevant passages: ", ""),
    ("BAAI/bge-base-en", "Represent this sentence for searching relevant passages: ", ""),
    ("nomic-ai/nomic-embed-text-v1", "search_query: ", "search_document: "),
    ("nomic-ai/modernbert-embed-base", "search_query: ", "search_document: "),
    ("Snowflake/snowflake-arctic-embed-m-v2.0", "query: ", ""),
    ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
];

/// The part of sentence-transformers' file that names prompts.
#[derive(Debug, Deserialize)]
struct Card {
    #[serde(default)]
    prompts: BTreeMap<String, String>,
}

/// Refuses a template that leaves out the prefix which the checkpoint demands.
pub fn check_prompt(
    checkpoint: &Checkpoint,
    location: &Location,
    input: &Input,
    role: Role,
) -> Result<()> {
    let Some(prompt) = demanded(checkpoint, location, role)? else { return Ok(()) };
    if input.template.iter().any(|text| text.contains(prompt.trim_end())) {
        return Ok(());
    }
    let (whose, name) = match role {
        Role::Query => ("queries", "query"),
        Role::Document => ("documents", "document"),
    };
    Err(Error::Unfit(format!(
        "{}: was trained with the prefix `{prompt}` before {whose}, and the `template` of `{name}` has none: write [\"{prompt}{{text}}\"]",
        checkpoint.name()
    )))
}

fn demanded(checkpoint: &Checkpoint, location: &Location, role: Role) -> Result<Option<String>> {
    let of_card = match location {
        Location::Hub { repo } => CARDS.iter().find(|(prefix, ..)| repo.starts_with(prefix)),
        Location::Folder(_) | Location::Pocket(_) => None,
    };
    let of_card = of_card.map(|&(_, query, document)| match role {
        Role::Query => query.to_owned(),
        Role::Document => document.to_owned(),
    });
    let of_file = || -> Result<Option<String>> {
        let Some(path) = checkpoint.file("config_sentence_transformers.json") else {
            return Ok(None);
        };
        let names: &[&str] = match role {
            Role::Query => &["query"],
            Role::Document => &["document", "passage"],
        };
        let prompts = read_json::<Card>(&path)?.prompts;
        Ok(names.iter().find_map(|&name| prompts.get(name).cloned()))
    };
    let prompt = of_card.map_or_else(of_file, |prompt| Ok(Some(prompt)))?;
    Ok(prompt.filter(|prompt| !prompt.is_empty()))
}
