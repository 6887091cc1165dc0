//! The official files, and the places in a manifest that name them.

use std::path::Path;

use nir_core::Hasher;
use serde::{Deserialize, Serialize};

use crate::manifest_error::ManifestError;

/// A file as its makers publish it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// The name of the file in the cache, without folders.
    pub name: String,
    /// The addresses of the file, the best first. Empty if a user must obtain it in person.
    pub urls: Vec<String>,
    /// The size in bytes, if it is known.
    pub bytes: Option<u64>,
    /// The MD5 checksum, if it is known.
    pub md5: Option<String>,
    /// The SHA-256 checksum, if it is known.
    pub sha256: Option<String>,
}

impl RemoteFile {
    /// Whether a user must obtain the file in person.
    pub fn is_manual(&self) -> bool {
        self.urls.is_empty()
    }
}

/// A file, or a member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartSource {
    /// The name of a `[[file]]`, or a path in the folder of the manifest where the dataset is embedded.
    pub file: String,
    /// The name of the member, if the file is an archive.
    pub member: Option<String>,
}

/// Adds what tells files apart; where they are does not.
pub(super) fn add_files<'f>(hasher: &mut Hasher, files: impl Iterator<Item = &'f RemoteFile>) {
    for file in files {
        for sum in [Some(&file.name), file.md5.as_ref(), file.sha256.as_ref()] {
            hasher.part(sum.map_or("", String::as_str));
        }
    }
}

pub(super) fn check_files(path: &str, files: &[RemoteFile]) -> Result<(), ManifestError> {
    for (i, file) in files.iter().enumerate() {
        let plain = Path::new(&file.name).components().count() == 1
            && !file.name.contains(['/', '\\'])
            && !file.name.starts_with('.');
        if !plain {
            return Err(ManifestError::FileName { path: path.into(), file: file.name.clone() });
        }
        if files[..i].iter().any(|other| other.name == file.name) {
            return Err(ManifestError::TwoFiles { path: path.into(), file: file.name.clone() });
        }
        check_sum(path, file, "md5", file.md5.as_deref(), 32)?;
        check_sum(path, file, "sha256", file.sha256.as_deref(), 64)?;
    }
    Ok(())
}

fn check_sum(
    path: &str,
    file: &RemoteFile,
    kind: &'static str,
    sum: Option<&str>,
    digits: usize,
) -> Result<(), ManifestError> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match sum {
        Some(sum) if sum.len() != digits || !sum.chars().all(hex) => Err(ManifestError::Checksum {
            path: path.into(),
            file: file.name.clone(),
            kind,
            digits,
            found: sum.into(),
        }),
        _ => Ok(()),
    }
}

pub(super) fn check_sources(
    path: &str,
    sources: &[PartSource],
    own: &[RemoteFile],
    shared: &[RemoteFile],
) -> Result<(), ManifestError> {
    if sources.is_empty() {
        return Err(ManifestError::rule(path, "`sources` names no file"));
    }
    let known = || own.iter().chain(shared).map(|file| file.name.as_str());
    match sources.iter().find(|source| !known().any(|name| name == source.file)) {
        None => Ok(()),
        Some(source) => Err(ManifestError::UnknownFile {
            path: path.into(),
            file: source.file.clone(),
            known: known().map(str::to_owned).collect(),
        }),
    }
}
