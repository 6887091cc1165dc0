//! Where imported data came from: kept beside it, and shown with every result made on it.

use std::path::Path;

use nir_core::Digest;
use serde::{Deserialize, Serialize};

use crate::Notes;
use crate::cache::{CacheError, read_json, write_json};
use crate::checksum::Sums;

const FILE: &str = "origin.json";

/// Where a corpus or a dataset in the cache came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The kind of source.
    pub source: OriginSource,
    /// The digest of what the manifest said about the content when it was imported.
    pub recipe: String,
    /// The version of the program that imported it.
    pub nir: String,
    /// The notes that were made when the files were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A kind of source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum OriginSource {
    /// Texts that come with the program.
    Embedded,
    /// The official files.
    Official {
        /// Each with its sums, whether the manifest knows them or not.
        files: Vec<OriginFile>,
    },
    /// A folder of plain files, verified by counts and names only.
    Plain {
        /// The files with their sums.
        files: Vec<OriginFile>,
        /// How the contents differ from the official files.
        note: String,
    },
    /// A part of another corpus or dataset.
    Sample {
        /// The name of that corpus or dataset.
        of: String,
        /// Where that came from.
        parent: Box<OriginSource>,
        /// How the part was chosen, in words.
        rule: String,
    },
    /// Files of the user, without a manifest.
    Own {
        /// The files with their sums.
        files: Vec<OriginFile>,
    },
}

/// A file that was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginFile {
    /// The name of the file.
    pub name: String,
    /// Its size and checksums.
    pub sums: Sums,
}

impl Origin {
    pub(crate) fn new(source: OriginSource, recipe: Digest) -> Self {
        let (recipe, nir) = (recipe.hex(), env!("CARGO_PKG_VERSION").into());
        Self { source, recipe, nir, notes: Vec::new() }
    }

    /// Adds the notes on the files.
    pub(crate) fn noting(mut self, notes: &Notes) -> Self {
        self.notes.extend(notes.sentences());
        self
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), CacheError> {
        write_json(&folder.join(FILE), self)
    }

    pub(crate) fn read(folder: &Path) -> Option<Self> {
        read_json(&folder.join(FILE))
    }
}

impl OriginSource {
    /// The kind of source in one word, for a table.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Official { .. } => "official files",
            Self::Plain { .. } => "plain folder",
            Self::Sample { parent, .. } => parent.kind(),
            Self::Own { .. } => "own files",
        }
    }
}
