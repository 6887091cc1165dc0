//! Where input comes from: a file, or a member of an archive, compressed or not.

use std::convert::Infallible;
use std::fmt;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::open::PACKED_ENDINGS;
use crate::{ReadError, archive, open};

/// A file, or one member of an archive, written `archive.zip!folder/corpus.jsonl`.
///
/// Compression is told by content: a file or member may be plain, gzip, zstd, bzip2 or xz, an archive zip or
/// (compressed) tar.
/// Nothing is unpacked to disk: a source is read as a stream.
///
/// ```
/// # use nir_data::Source;
/// let source: Source = "beir/scifact.zip!scifact/corpus.jsonl".parse().unwrap();
/// assert_eq!(source.path.to_str(), Some("beir/scifact.zip"));
/// assert_eq!(source.member.as_deref(), Some("scifact/corpus.jsonl"));
/// assert_eq!(source.to_string(), "beir/scifact.zip!scifact/corpus.jsonl");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The path of the file or archive; `-` is standard input.
    pub path: PathBuf,
    /// The name of a member of the archive.
    pub member: Option<String>,
    /// The name that the user knows it by, if that is not the path.
    shown: Option<String>,
}

/// After one of these, `!` begins a member; anywhere else it belongs to the name.
const ARCHIVES: [&str; 10] = [
    ".zip!",
    ".tar!",
    ".tar.gz!",
    ".tgz!",
    ".tar.zst!",
    ".tzst!",
    ".tar.bz2!",
    ".tbz2!",
    ".tar.xz!",
    ".txz!",
];

impl Source {
    /// A file that is no archive.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), member: None, shown: None }
    }

    /// A member of an archive.
    pub fn member(archive: impl Into<PathBuf>, member: impl Into<String>) -> Self {
        Self { path: archive.into(), member: Some(member.into()), shown: None }
    }

    /// The same source, under the name that the user knows it by.
    pub(crate) fn shown_as(self, name: String) -> Self {
        Self { shown: Some(name), ..self }
    }

    /// Opens the source and decompresses it. Fails if it cannot be opened or the archive lacks the member.
    pub fn open(&self) -> Result<Box<dyn BufRead + Send>, ReadError> {
        match &self.member {
            Some(member) => archive::open_member(&self.path, member),
            None => archive::refuse(&self.path, open(&self.path)?),
        }
    }

    /// The name that tells the format: of the member if there is one, without folders and compression, in lower case.
    pub(crate) fn plain_name(&self) -> String {
        let path = self.member.as_ref().map_or(self.path.as_path(), Path::new);
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        PACKED_ENDINGS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name).to_owned()
    }
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let split = ARCHIVES.iter().filter_map(|end| Some(text.find(end)? + end.len())).min();
        Ok(match split {
            Some(at) => Self::member(&text[..at - 1], &text[at..]),
            None => Self::file(text),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.shown {
            return f.write_str(name);
        }
        write!(f, "{}", self.path.display())?;
        self.member.iter().try_for_each(|member| write!(f, "!{member}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclamation_mark_in_a_plain_name_is_part_of_it() {
        let source: Source = "yahoo!.tsv.gz".parse().unwrap();
        assert_eq!(source, Source::file("yahoo!.tsv.gz"));
        assert_eq!(source.plain_name(), "yahoo!.tsv");
    }

    #[test]
    fn every_kind_of_archive_is_split_from_its_member() {
        for end in ARCHIVES {
            let source: Source = format!("a{end}b/c!d.tsv").parse().unwrap();
            assert_eq!(source.member.as_deref(), Some("b/c!d.tsv"));
            assert_eq!(source.to_string(), format!("a{end}b/c!d.tsv"));
        }
    }
}
