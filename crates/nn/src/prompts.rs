//! Prefixes that a checkpoint was trained with, and without which its scores collapse.

use std::path::Path;

use serde::Deserialize;

use crate::checkpoint::{Checkpoint, Location};
use crate::contract::{Contract, Overrides};
use crate::json::read_json;
use crate::{Error, Input, Result};

/// Whether a text is a query or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The text is a query.
    Query,
    /// The text is a document.
    Document,
}

impl Role {
    /// The names under which a checkpoint stores the prompt of this role, in the order in which sentence-transformers
    /// looks them up.
    fn prompt_names(self) -> &'static [&'static str] {
        match self {
            Self::Query => &["query"],
            Self::Document => &["document", "passage", "corpus"],
        }
    }
}

const RETRIEVE: &str = "Represent this sentence for searching relevant passages: ";

/// Prompts that model cards demand and that no file of the checkpoint states: the beginning of the model's name, the
/// prompt of a query, the prompt of a document. Sources: the model cards of intfloat/e5-*, of BAAI/bge-*-en-v1.5, and
/// of the repositories of nomic-embed, modernbert-embed and arctic-embed 2.0.
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

/// The part of a name that marks models whose card asks for an instruction. It describes the user's task, so no rule
/// can state it.
const INSTRUCTED: &str = "instruct";

/// Checks that a template contains the prompt that the checkpoint demands for a role.
///
/// # Errors
///
/// If the prompt is missing and `prompt` is not in `overrides`, or if a file of the checkpoint cannot be read.
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
    let (whose, name) = match role {
        Role::Query => ("queries", "`template` of `query`"),
        Role::Document => ("documents", "`template` of `document`"),
    };
    let demand = Demand { prompt, said_by, whose, name };
    demand.hold(checkpoint, &input.template, overrides)
}

/// Refuses a template of a pair that leaves out the prefix which a cross-encoder puts before the first of two texts.
pub fn check_pair_prompt(
    checkpoint: &Checkpoint,
    contract: &Contract,
    template: &[String],
    overrides: &Overrides,
) -> Result<()> {
    let Some((prompt, said_by)) = pair_prompt(contract) else { return Ok(()) };
    Demand { prompt, said_by, whose: "pairs", name: "`template`" }
        .hold(checkpoint, template, overrides)
}

/// A prefix that a checkpoint was trained with.
struct Demand<'a> {
    prompt: String,
    /// The file or the model card that says so.
    said_by: String,
    /// The texts that it stands before.
    whose: &'a str,
    /// The parameter of a config that should begin with it.
    name: &'a str,
}

impl Demand<'_> {
    fn hold(
        &self,
        checkpoint: &Checkpoint,
        template: &[String],
        overrides: &Overrides,
    ) -> Result<()> {
        let Self { prompt, said_by, whose, name } = self;
        let begins = template.first().is_some_and(|text| text.starts_with(prompt));
        if begins || overrides.iter().any(|one| one == "prompt") {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "{}: was trained with the prefix `{prompt}` before {whose} ({said_by}), and the {name} begins otherwise, \
             {template:?}: write the prefix first, as in [\"{prompt}{{text}}\"], or `overrides = [\"prompt\"]` into the card \
             beside a sentence in `differs` that says why",
            checkpoint.name(),
        )))
    }
}

/// The prefix that a cross-encoder puts before the first text of every pair, and the file that says so: sentence-transformers
/// knows no other for it than the one that stands before all texts.
pub fn pair_prompt(contract: &Contract) -> Option<(String, String)> {
    let prompt = contract.card.prompts.get(contract.card.default_prompt_name.as_ref()?)?;
    let said_by = contract.card_file().display().to_string();
    (!prompt.is_empty()).then(|| (prompt.clone(), said_by))
}

/// The prompt that a checkpoint demands for a role, and the file or model card that demands it; `None` if there is
/// none.
///
/// # Errors
///
/// If a file of the checkpoint cannot be read.
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

/// The prompt that the model's card demands, found by any name of the checkpoint: its repository, its folder, or the
/// name that it was saved under.
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
