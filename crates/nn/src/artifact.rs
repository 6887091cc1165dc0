//! What a checkpoint of ColBERT says of itself: `artifact.metadata`, the settings of the authors' code (`colbert/infra/config`),
//! held against what a config says.
//!
//! | key                                | is                                                                  | in a config             |
//! |------------------------------------|---------------------------------------------------------------------|-------------------------|
//! | `query_token_id`, `doc_token_id`   | the tokens that say which side a text is of                          | `marker`                |
//! | `query_maxlen`, `doc_maxlen`       | how many tokens of a text are read, special ones included            | `max_length`            |
//! | `mask_punctuation`                 | whether documents drop the tokens that are punctuation               | `punctuation`, negated  |
//! | `attend_to_mask_tokens`            | whether the masks that fill a query are seen by its words            | `fill.seen`             |
//! | `dim`                              | how many numbers a vector has                                        | the layer `projection`  |

use std::path::PathBuf;

use serde::Deserialize;

use crate::checkpoint::Checkpoint;
use crate::contract::{Overrides, contradiction};
use crate::json::read_json;
use crate::{Input, Result};

const FILE: &str = "artifact.metadata";

/// The settings in `artifact.metadata`. A key that an older version of ColBERT's code did not write is `None`.
#[derive(Debug, Default, Deserialize)]
struct Settings {
    query_token_id: Option<String>,
    doc_token_id: Option<String>,
    query_maxlen: Option<usize>,
    doc_maxlen: Option<usize>,
    mask_punctuation: Option<bool>,
    attend_to_mask_tokens: Option<bool>,
    dim: Option<usize>,
}

/// The settings of a checkpoint of ColBERT, and the file that they were read from.
#[derive(Debug)]
pub struct Artifact {
    settings: Settings,
    file: PathBuf,
}

/// What a config states about late interaction.
#[derive(Debug, Clone, Copy)]
pub struct Late<'a> {
    /// The token at the second position of every query, if one is put there, and how queries are turned into tokens.
    pub query: (Option<&'a str>, &'a Input),
    /// The token at the second position of every document, if one is put there, and how documents are turned into tokens.
    pub document: (Option<&'a str>, &'a Input),
    /// Whether the vectors of punctuation are kept in documents.
    pub punctuation: bool,
    /// The number of values of a vector.
    pub dim: usize,
}

impl Artifact {
    /// Reads `artifact.metadata`; `None` if the checkpoint has no such file.
    ///
    /// # Errors
    ///
    /// If the file is no JSON object with these keys.
    pub fn read(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        let Some(file) = checkpoint.beside(FILE) else { return Ok(None) };
        Ok(Some(Self { settings: read_json(&file)?, file }))
    }

    /// Compares a config with the settings.
    ///
    /// # Errors
    ///
    /// At the first key whose value differs, unless the name of that setting is in `overrides`.
    pub fn hold(&self, asked: &Late<'_>, overrides: &Overrides) -> Result<()> {
        let Settings { query_maxlen, doc_maxlen, dim, .. } = &self.settings;
        let quoted = |text: &String| format!("`{text}`");
        let said = &self.settings;
        let text = |text: Option<&str>| text.map_or("none".to_owned(), |text| format!("`{text}`"));
        let number = |value: &Option<usize>| value.map(|value| value.to_string());
        let flag = |value: Option<bool>| value.map(|value| value.to_string());
        let seen = asked.query.1.fill.as_ref().map(|fill| fill.seen.to_string());
        let points = [
            ("marker", said.query_token_id.as_ref().map(quoted), text(asked.query.0)),
            ("marker", said.doc_token_id.as_ref().map(quoted), text(asked.document.0)),
            ("max_length", number(query_maxlen), asked.query.1.max_length.to_string()),
            ("max_length", number(doc_maxlen), asked.document.1.max_length.to_string()),
            (
                "punctuation",
                flag(said.mask_punctuation.map(|masks| !masks)),
                asked.punctuation.to_string(),
            ),
            (
                "fill",
                flag(said.attend_to_mask_tokens).filter(|_| seen.is_some()),
                seen.clone().unwrap_or_default(),
            ),
            ("projection", number(dim), asked.dim.to_string()),
        ];
        for (key, said, asked) in points {
            let Some(said) = said.filter(|said| *said != asked) else { continue };
            if !overrides.iter().any(|one| one == key) {
                return Err(contradiction(&self.file, key, said, asked));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fill;

    fn input(max_length: usize, seen: Option<bool>) -> Input {
        Input {
            template: vec!["{text}".to_owned()],
            lower_case: false,
            special_tokens: true,
            max_length,
            fill: seen.map(|seen| Fill { token: "[MASK]".to_owned(), seen }),
        }
    }

    /// The settings of colbert-ir/colbertv2.0, as far as they are held.
    const V2: &str = r#"{"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_maxlen": 32, "doc_maxlen": 180,
        "mask_punctuation": true, "attend_to_mask_tokens": false, "dim": 128, "nbits": 1, "checkpoint": "…"}"#;

    fn hold(query: &Input, document: &Input, punctuation: bool, overrides: &[&str]) -> String {
        let settings = serde_json::from_str(V2).unwrap();
        let artifact = Artifact { settings, file: PathBuf::from("model/artifact.metadata") };
        let asked = Late {
            query: (Some("[unused0]"), query),
            document: (Some("[unused1]"), document),
            punctuation,
            dim: 128,
        };
        let overrides: Vec<String> = overrides.iter().map(|&name| name.to_owned()).collect();
        artifact.hold(&asked, &overrides).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_config_that_says_the_same_is_taken() {
        assert_eq!(hold(&input(32, Some(false)), &input(180, None), false, &[]), "");
        // A config that fills nothing says nothing of masks.
        assert_eq!(hold(&input(32, None), &input(180, None), false, &[]), "");
    }

    #[test]
    fn each_contradiction_is_named_unless_the_card_names_it() {
        let long = hold(&input(32, None), &input(220, None), false, &[]);
        assert!(
            long.contains("says max_length = 180, and the config says max_length = 220"),
            "{long}"
        );
        assert_eq!(hold(&input(32, None), &input(220, None), false, &["max_length"]), "");
        let kept = hold(&input(32, None), &input(180, None), true, &[]);
        assert!(
            kept.contains("says punctuation = false, and the config says punctuation = true"),
            "{kept}"
        );
        let seen = hold(&input(32, Some(true)), &input(180, None), false, &[]);
        assert!(seen.contains("says fill = false, and the config says fill = true"), "{seen}");
    }
}
