//! Lists of names: how a sample says which documents and queries it holds. One a line, sorted by bytes, perhaps compressed.

use std::collections::HashSet;
use std::io::{self, Cursor};

use crate::folder::Folder;
use crate::lines::BYTE_ORDER_MARK;
use crate::manifest_error::ManifestError;
use crate::names::check_id;
use crate::open::decompressed;

/// Reads a list of ids beside a manifest.
pub(crate) fn read(folder: &Folder, file: &str) -> Result<Vec<String>, ManifestError> {
    let bytes = folder.read(file)?;
    let text = plain(bytes)
        .map_err(|source| ManifestError::Read { path: folder.path_of(file), source })?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let ids: Vec<String> = text.lines().map(str::to_owned).collect();
    let good = |id: &String| check_id("name", id).is_ok();
    if ids.iter().all(good) && ids.is_sorted_by(|a, b| a < b) {
        return Ok(ids);
    }
    Err(ManifestError::rule(
        &folder.path_of(file),
        "must hold one name a line, sorted by bytes, each once",
    ))
}

/// Reads a list of ids beside a manifest, as a set.
pub(crate) fn read_set(folder: &Folder, file: &str) -> Result<HashSet<String>, ManifestError> {
    Ok(read(folder, file)?.into_iter().collect())
}

fn plain(bytes: Vec<u8>) -> io::Result<String> {
    io::read_to_string(decompressed(Cursor::new(bytes))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mini_lists_hold_what_their_manifests_count() {
        let folder = Folder::Embedded;
        let count = |file: &str| read(&folder, file).unwrap().len();
        assert_eq!(count("corpora/msmarco-passage-mini.docs.txt.gz"), 48_029);
        assert_eq!(count("msmarco-passage-mini-dev.queries.txt.gz"), 2_287);
        assert_eq!(count("msmarco-passage-mini-dl19.queries.txt.gz"), 43);
        assert_eq!(count("msmarco-passage-mini-train.queries.txt.gz"), 11_992);
    }

    #[test]
    fn an_unsorted_list_is_refused() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("ids.txt"), "b\na\n").unwrap();
        let error = read(&Folder::Disk(folder.path().into()), "ids.txt").unwrap_err();
        assert!(error.to_string().ends_with("sorted by bytes, each once"));
    }
}
