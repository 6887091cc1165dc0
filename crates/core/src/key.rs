//! The names of what is kept in the cache: made of everything that decided it, and of nothing else.

use std::fmt;

use crate::{Digest, Hasher};

/// A piece of code that decides bytes: an algorithm, a search structure, an encoder, a file format.
///
/// Its number is raised by the change that makes it give something else for the same input. Then nothing that was made
/// before is found under a new [`Key`]. A changed comment, a faster loop with the same result or a new version of an
/// unrelated library leaves the number, and everything stays within reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The name of the piece of code: `bm25`, `index::hnsw`, `nn::bert`.
    pub of: &'static str,
    /// The number of the version, from 1.
    pub number: u32,
}

impl Version {
    /// Version `number` of this piece of code.
    pub const fn new(of: &'static str, number: u32) -> Self {
        Self { of, number }
    }
}

/// Writes the name and the number with a space between them: `index::hnsw 1`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.of, self.number)
    }
}

/// Names an artifact of the cache by what decides its content: the versions of the code that makes it, its parameters
/// and the digests of its inputs. The same name means the same bytes on every machine and in every process.
///
/// ```
/// use nir_core::{Digest, Key, Version};
///
/// const LEXICAL: Version = Version::new("index::lexical", 1);
/// let documents = Digest::of("the documents");
/// let key = Key::of(&[LEXICAL]).param("lucene-english@1").input(documents);
/// assert_eq!(key.digest(), Key::of(&[LEXICAL]).param("lucene-english@1").input(documents).digest());
///
/// let next = Version::new("index::lexical", 2);
/// assert_ne!(key.digest(), Key::of(&[next]).param("lucene-english@1").input(documents).digest());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    versions: Vec<Version>,
    parts: Vec<Digest>,
}

impl Key {
    /// Begins the key of an artifact that is made by these pieces of code.
    pub fn of(versions: &[Version]) -> Self {
        Self::default().made_with(versions)
    }

    /// Adds pieces of code that also decide the content of the artifact. The order in which they are added does not matter.
    #[must_use]
    pub fn made_with(mut self, versions: &[Version]) -> Self {
        self.versions.extend_from_slice(versions);
        self.versions.sort_unstable();
        self.versions.dedup();
        self
    }

    /// Adds the value of a parameter. Equal values must always be spelt the same way. The order of parameters and inputs
    /// matters.
    #[must_use]
    pub fn param(self, value: impl AsRef<[u8]>) -> Self {
        self.input(Digest::of(value))
    }

    /// Adds the digest of an input: a file, a collection or another artifact that is read to make this one.
    #[must_use]
    pub fn input(mut self, digest: Digest) -> Self {
        self.parts.push(digest);
        self
    }

    /// Adds an input that has a key of its own. All that decides the input then decides this artifact too.
    #[must_use]
    pub fn made_from(self, earlier: &Self) -> Self {
        let digest = earlier.digest();
        self.made_with(&earlier.versions).input(digest)
    }

    /// The versions of all pieces of code that decide the artifact, in order of their names, each once.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The digest of the whole key: the name under which the cache keeps the artifact.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("key");
        for version in &self.versions {
            hasher.part(version.to_string());
        }
        hasher.part("of");
        for part in &self.parts {
            hasher.part(part.hex());
        }
        hasher.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERT: Version = Version::new("nn::bert", 1);
    const FLAT: Version = Version::new("index::flat", 3);

    #[test]
    fn every_part_decides_the_name() {
        let key = || Key::of(&[BERT]).param("mean").input(Digest::of("weights"));
        let others = [
            key().made_with(&[FLAT]),
            key().param(""),
            Key::of(&[BERT]).input(Digest::of("weights")).param("mean"),
            Key::of(&[Version { number: 2, ..BERT }]).param("mean").input(Digest::of("weights")),
            Key::of(&[BERT]).made_from(&key()),
        ];
        assert!(others.iter().all(|other| other.digest() != key().digest()));
    }

    #[test]
    fn code_is_named_in_any_order_and_once() {
        let key = Key::of(&[BERT, FLAT]);
        assert_eq!(key, Key::of(&[FLAT, BERT, FLAT]));
        assert_eq!(key.versions(), [FLAT, BERT]);
    }

    #[test]
    fn what_is_made_of_something_is_made_with_its_code() {
        let vectors = Key::of(&[BERT]).param("mean");
        assert_eq!(Key::of(&[FLAT]).made_from(&vectors).versions(), [FLAT, BERT]);
    }
}
