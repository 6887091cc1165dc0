//! Prefixes that a checkpoint was trained with, and without which its scores collapse.

use std::path::Path;

use serde::Deserialize;

use crate::checkpoint::{Checkpoint, Location};
use crate::contract::{Contract, Overrides};
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

impl Role {
    /// The names under which a checkpoint files its prompt, in the order in which sentence-transformers looks.
    fn prompt_names(self) -> &'static [&'static str] {
        match self {
            Self::Query => &["query"],
            Self::Document => &["document", "passage", "corpus"],
        }
    }
}

const RETRIEVE: &str = "Represent this sentence for searching relevant passages: ";

/// What model cards demand and no file of the checkpoint says: names that begin so, for a query and a document.
/// E5: the model cards of intfloat/e5-*; BGE v1.5 English: the model cards of BAAI/bge-*-en-v1.5.
/// nomic-embed, modernbert-embed and arctic-embed 2.0: the model cards of the repositories.
const CARDS: [(&str, &str, &str); 9] = [
    ("e5-", "query: ", "passage: "),
    ("multilingual-e5-", "query: ", "passage: "),
    ("bge-small-en", RETRIEVE, ""),
    ("bge-base-en", RETRIEVE, ""),
    ("bge-large-en", RETRIEVE, ""),
    ("nomic-embed-text-v1", "search_query: ", "search_document: "),
    ("modernbert-embed-base", "search_query: ", "search_document: "),
    ("snowflake-arctic-embed-m-v2.0", "query: ", ""),
    ("snowflake-arctic-embed-l-v2.0", "query: ", ""),
];

/// Of these a card asks for an instruction that names the task, which no rule can know.
const INSTRUCTED: &str = "instruct";

/// Refuses a template that leaves out the prefix which the checkpoint demands.
pub fn check_prompt(
    checkpoint: &Checkpoint,
    contract: &Contract,
    location: &Location,
    input: &Input,
    role: Role,
    overrides: &Overrides,
) -> Result<()> {
    let Some((prompt, said_by)) = prompt(checkpoint, contract, location, role)? else {
        return Ok(());
    };
    let begins = input.template.first().is_some_and(|text| text.starts_with(&prompt));
    if begins || overrides.iter().any(|one| one == "prompt") {
        return Ok(());
    }
    let (whose, name) = match role {
        Role::Query => ("queries", "query"),
        Role::Document => ("documents", "document"),
    };
    Err(Error::Unfit(format!(
        "{}: was trained with the prefix `{prompt}` before {whose} ({said_by}), and the `template` of `{name}` begins \
         otherwise, {:?}: write [\"{prompt}{{text}}\"], or `overrides = [\"prompt\"]` into the card beside a sentence in \
         `differs` that says why",
        checkpoint.name(),
        input.template
    )))
}

/// The prefix that a checkpoint demands for a role, and who says so.
pub fn prompt(
    checkpoint: &Checkpoint,
    contract: &Contract,
    location: &Location,
    role: Role,
) -> Result<Option<(String, String)>> {
    let card = &contract.card;
    let named = role.prompt_names().iter().copied();
    let mut named = named.chain(card.default_prompt_name.as_deref());
    let of_file = named.find_map(|name| card.prompts.get(name));
    let of_file =
        of_file.map(|prompt| (prompt.clone(), contract.card_file().display().to_string()));
    let found = match of_file {
        Some(found) => Some(found),
        None => of_card(checkpoint, location, role)?,
    };
    Ok(found.filter(|(prompt, _)| !prompt.is_empty()))
}

/// What the model's card demands, found by any name that the checkpoint has: its repository, its folder, or the one it was
/// saved under.
fn of_card(
    checkpoint: &Checkpoint,
    location: &Location,
    role: Role,
) -> Result<Option<(String, String)>> {
    #[derive(Deserialize)]
    struct Name {
        #[serde(rename = "_name_or_path")]
        saved: Option<String>,
    }
    let repo = match location {
        Location::Hub { repo } => Some(repo.clone()),
        Location::Folder(path) => folder_name(path),
        Location::Pocket(_) => return Ok(None),
    };
    let names =
        [repo, folder_name(checkpoint.folder()), read_json::<Name>(&checkpoint.config())?.saved];
    for name in names.into_iter().flatten() {
        let last =
            name.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let known = CARDS.iter().find(|(start, ..)| last.starts_with(start));
        if let Some(&(_, query, document)) = known.filter(|_| !last.contains(INSTRUCTED)) {
            let prompt = if role == Role::Query { query } else { document };
            return Ok(Some((prompt.to_owned(), format!("the model card of {last}"))));
        }
    }
    Ok(None)
}

fn folder_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}
