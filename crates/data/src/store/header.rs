//! `store.json`, the last file that an import writes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use nir_core::Digest;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// The name of the header in the folder of the store.
pub(super) const FILE: &str = "store.json";
const FORMAT: &str = "nir store";
/// The version of the files' format.
const VERSION: u32 = 1;

/// The description of a store.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) documents: u64,
    pub(super) empty_texts: u64,
    pub(super) digest: Digest,
    /// The length of every other file in bytes, by name.
    pub(super) files: BTreeMap<String, u64>,
}

/// The part of a header that all versions share.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

/// The header in the form in which the file holds it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    format: String,
    version: u32,
    documents: u64,
    empty_texts: u64,
    digest: String,
    files: BTreeMap<String, u64>,
}

impl Header {
    pub(super) fn read(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let text = fs::read(&path).map_err(|error| unreadable(dir, &path, error))?;
        let broken = |error: serde_json::Error| {
            StoreError::damaged(dir, &path, error.to_string(), "the header of a store")
        };
        let kind: Kind = serde_json::from_slice(&text).map_err(broken)?;
        if (kind.format.as_str(), kind.version) != (FORMAT, VERSION) {
            let found = format!("`{}`, version {}", kind.format, kind.version);
            let expected = format!("`{FORMAT}`, version {VERSION}");
            return Err(StoreError::damaged(dir, &path, found, expected));
        }
        let json: Json = serde_json::from_slice(&text).map_err(broken)?;
        let digest = Digest::from_hex(&json.digest).ok_or_else(|| {
            StoreError::damaged(dir, &path, format!("digest `{}`", json.digest), "64 digits")
        })?;
        let Json { documents, empty_texts, files, .. } = json;
        Ok(Self { documents, empty_texts, digest, files })
    }

    /// The header as JSON.
    pub(super) fn to_json(&self) -> String {
        let json = Json {
            format: FORMAT.to_owned(),
            version: VERSION,
            documents: self.documents,
            empty_texts: self.empty_texts,
            digest: self.digest.hex(),
            files: self.files.clone(),
        };
        serde_json::to_string_pretty(&json).expect("strings and numbers are valid JSON") + "\n"
    }
}

fn unreadable(dir: &Path, path: &Path, error: io::Error) -> StoreError {
    if error.kind() != io::ErrorKind::NotFound {
        return StoreError::io(path, error);
    }
    let reason = if dir.exists() { format!("no `{FILE}` in it") } else { "no such folder".into() };
    StoreError::NotAStore { dir: dir.to_owned(), reason }
}
