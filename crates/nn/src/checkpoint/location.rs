//! Where a checkpoint is, as a config writes it: `hf:org/name` at a revision, `file:path`, or `pocket:name`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The place of a checkpoint: a repository on the Hugging Face hub, a folder, or a model inside the program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    /// A repository on the hub, written `hf:org/name`.
    Hub {
        /// The name of the repository, `org/name`.
        repo: String,
    },
    /// A folder, written `file:path`.
    Folder(PathBuf),
    /// One of the small models that come with the program, written `pocket:name`. The program knows where it is.
    Pocket(String),
}

/// A location or revision that is not well-formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocation {
    /// The text starts with none of the known schemes.
    #[error(
        "`{0}` is no location of a checkpoint: expected `hf:org/name`, `file:path` or `pocket:name`"
    )]
    Scheme(String),
    /// The text after `hf:` is no name of a repository.
    #[error(
        "`hf:{0}` names no repository: expected `hf:org/name` of letters, digits, `-`, `_` and `.`"
    )]
    Repo(String),
    /// The text after `pocket:` is no name of a model.
    #[error("`pocket:{0}` names no model: expected `pocket:name` of letters, digits and `-`")]
    Pocket(String),
    /// There is no path after `file:`.
    #[error("`file:` names no folder: expected `file:path`")]
    Path,
    /// A location on the hub has no revision, so the files could change without notice.
    #[error(
        "`{0}` needs a revision: a full commit (40 hexadecimal digits), or a branch like `main`"
    )]
    NoRevision(Location),
    /// The revision is neither a full commit nor the name of a branch.
    #[error(
        "`{0}` is no revision: expected a full commit (40 hexadecimal digits), or a branch like `main`"
    )]
    Revision(String),
    /// A folder or a model of the program was given a revision, which they do not have.
    #[error("`{0}` has no revision, found `{1}`; leave the revision out")]
    FolderRevision(Location, String),
}

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        match text.split_once(':') {
            Some(("hf", repo)) if is_repo(repo) => Ok(Self::Hub { repo: repo.to_owned() }),
            Some(("hf", repo)) => Err(InvalidLocation::Repo(repo.to_owned())),
            Some(("file", "")) => Err(InvalidLocation::Path),
            Some(("file", path)) => Ok(Self::Folder(path.into())),
            Some(("pocket", name)) if is_model(name) => Ok(Self::Pocket(name.to_owned())),
            Some(("pocket", name)) => Err(InvalidLocation::Pocket(name.to_owned())),
            _ => Err(InvalidLocation::Scheme(text.to_owned())),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub { repo } => write!(f, "hf:{repo}"),
            Self::Folder(path) => write!(f, "file:{}", path.display()),
            Self::Pocket(name) => write!(f, "pocket:{name}"),
        }
    }
}

impl TryFrom<String> for Location {
    type Error = InvalidLocation;

    fn try_from(text: String) -> Result<Self, InvalidLocation> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

/// Whether the text can be the name of a model of the program, which is the name of a folder.
fn is_model(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Whether the text is a name by the hub's own rule, which also makes it safe as the name of a folder.
fn is_repo(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = |name: &str| {
        !name.is_empty()
            && name.chars().all(plain)
            && !name.starts_with(['-', '.'])
            && !name.ends_with(['-', '.'])
            // The cache writes `/` as `--`.
            && !name.contains("--")
            && !name.contains("..")
    };
    text.split_once('/').is_some_and(|(org, name)| is_name(org) && is_name(name))
}

/// A state of a repository on the hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Revision {
    /// A commit, 40 hexadecimal digits in lower case: the files never change.
    Commit(String),
    /// A branch or a tag: the files may change.
    Branch(String),
}

impl Revision {
    /// The text, as the hub and its cache write it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Commit(name) | Self::Branch(name) => name,
        }
    }
}

impl FromStr for Revision {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            40 if hexadecimal => Ok(Self::Commit(text.to_ascii_lowercase())),
            // An abbreviated commit means another one some day.
            7.. if hexadecimal => Err(InvalidLocation::Revision(text.to_owned())),
            _ if is_branch(text) => Ok(Self::Branch(text.to_owned())),
            _ => Err(InvalidLocation::Revision(text.to_owned())),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the text can be the name of a branch. Branches are files below `refs/` in the cache, so no part may lead out
/// of that folder.
fn is_branch(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.split('/').all(|part| {
        !part.is_empty() && part.chars().all(plain) && !part.starts_with('.') && part != ".."
    })
}

/// The checkpoint that a config asks for: a folder, a model of the program, or a repository at a revision.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Wanted {
    /// A repository on the hub.
    Hub {
        /// The name of the repository, `org/name`.
        repo: String,
        /// The state of the repository.
        revision: Revision,
    },
    /// A folder on this machine.
    Folder(PathBuf),
    /// A model that comes with the program.
    Pocket(String),
}

impl Wanted {
    /// Joins a location and a revision, which a config states separately. The hub needs a revision; the others have
    /// none.
    ///
    /// ```
    /// use nir_nn::checkpoint::Wanted;
    ///
    /// let wanted = Wanted::new("hf:org/name".parse()?, Some("main"))?;
    /// assert!(!wanted.is_pinned());
    /// # Ok::<(), nir_nn::checkpoint::InvalidLocation>(())
    /// ```
    pub fn new(location: Location, revision: Option<&str>) -> Result<Self, InvalidLocation> {
        match (location, revision) {
            (Location::Hub { repo }, Some(text)) => Ok(Self::Hub { repo, revision: text.parse()? }),
            (location @ Location::Hub { .. }, None) => Err(InvalidLocation::NoRevision(location)),
            (Location::Folder(path), None) => Ok(Self::Folder(path)),
            (Location::Pocket(name), None) => Ok(Self::Pocket(name)),
            (location, Some(text)) => {
                Err(InvalidLocation::FolderRevision(location, text.to_owned()))
            }
        }
    }

    /// The location without the revision.
    pub fn location(&self) -> Location {
        match self {
            Self::Hub { repo, .. } => Location::Hub { repo: repo.clone() },
            Self::Folder(path) => Location::Folder(path.clone()),
            Self::Pocket(name) => Location::Pocket(name.clone()),
        }
    }

    /// The revision; `None` unless the checkpoint is on the hub.
    pub fn revision(&self) -> Option<&Revision> {
        match self {
            Self::Hub { revision, .. } => Some(revision),
            Self::Folder(_) | Self::Pocket(_) => None,
        }
    }

    /// Whether the files can never change, because a commit is named.
    pub fn is_pinned(&self) -> bool {
        matches!(self.revision(), Some(Revision::Commit(_)))
    }
}

/// The location with its revision, such as `hf:org/name@main`, for messages.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.location())?;
        self.revision().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

/// The two keys that a config writes.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    location: Location,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

impl TryFrom<Written> for Wanted {
    type Error = InvalidLocation;

    fn try_from(written: Written) -> Result<Self, InvalidLocation> {
        Self::new(written.location, written.revision.as_deref())
    }
}

impl From<Wanted> for Written {
    fn from(wanted: Wanted) -> Self {
        let revision = wanted.revision().map(ToString::to_string);
        Self { location: wanted.location(), revision }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_location_reads_back_as_written() {
        for text in [
            "hf:sentence-transformers/all-MiniLM-L6-v2",
            "file:/models/e5",
            "file:a:b",
            "pocket:dense",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_malformed_location_says_what_was_expected() {
        let cases = [
            (
                "",
                "`` is no location of a checkpoint: expected `hf:org/name`, `file:path` or `pocket:name`",
            ),
            ("pocket:../x", "`pocket:../x` names no model: expected `pocket:name`"),
            ("org/name", "`org/name` is no location"),
            ("https://huggingface.co/a/b", "is no location"),
            ("hf:bert", "`hf:bert` names no repository: expected `hf:org/name`"),
            ("hf:a/b/c", "`hf:a/b/c` names no repository"),
            ("hf:../b", "names no repository"),
            ("hf:a/b--c", "names no repository"),
            ("hf:a/b@main", "names no repository"),
            ("file:", "`file:` names no folder"),
        ];
        for (text, expected) in cases {
            let message = text.parse::<Location>().unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn the_hub_needs_a_revision_and_a_folder_has_none() {
        let hub: Location = "hf:a/b".parse().unwrap();
        let folder: Location = "file:x".parse().unwrap();
        let message = |wanted: Result<Wanted, InvalidLocation>| wanted.unwrap_err().to_string();
        assert!(message(Wanted::new(hub.clone(), None)).starts_with("`hf:a/b` needs a revision"));
        assert!(message(Wanted::new(folder, Some("main"))).contains("has no revision"));
        for bad in ["", "0123abc", "../../x", "a b", "/main", "main/", ".git", &COMMIT[1..]] {
            let message = message(Wanted::new(hub.clone(), Some(bad)));
            assert!(message.contains("is no revision"), "{bad}: {message}");
        }
    }

    #[test]
    fn only_a_full_commit_pins() {
        let hub = || "hf:a/b".parse().unwrap();
        assert!(Wanted::new(hub(), Some(COMMIT)).unwrap().is_pinned());
        assert!(!Wanted::new(hub(), Some("refs/pr/1")).unwrap().is_pinned());
        assert!(!Wanted::Folder("x".into()).is_pinned());
        let upper = Wanted::new(hub(), Some(&COMMIT.to_uppercase())).unwrap();
        assert_eq!(upper.revision().unwrap().as_str(), COMMIT);
    }

    #[test]
    fn a_config_reads_and_writes_it() {
        let json = format!(r#"{{"location":"hf:a/b","revision":"{COMMIT}"}}"#);
        let wanted: Wanted = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&wanted).unwrap(), json);
        let error = serde_json::from_str::<Wanted>(r#"{"location":"hf:a/b"}"#).unwrap_err();
        assert!(error.to_string().contains("needs a revision"));
    }
}
