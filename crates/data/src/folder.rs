//! The folder `datasets/`: in the program, or on disk where a checkout is at hand.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::manifest_error::ManifestError;

static EMBEDDED: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../datasets");

/// The files of one of the folders of `datasets/` in the program, by name: `pocket/models/dense`.
pub fn embedded_files(folder: &str) -> Vec<(&'static str, &'static [u8])> {
    let files = EMBEDDED.get_dir(folder).into_iter().flat_map(Dir::files);
    let named = |file: &'static include_dir::File<'_>| {
        Some((file.path().file_name()?.to_str()?, file.contents()))
    };
    files.filter_map(named).collect()
}

/// The folder from which manifests and the files beside them are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Folder {
    /// The copy inside the program.
    Embedded,
    /// A folder of the user.
    Disk(PathBuf),
}

impl Folder {
    /// The bytes of a file in the folder.
    pub(crate) fn read(&self, file: &str) -> Result<Vec<u8>, ManifestError> {
        self.read_raw(file)
            .map_err(|source| ManifestError::Read { path: self.path_of(file), source })
    }

    fn read_raw(&self, file: &str) -> io::Result<Vec<u8>> {
        if Path::new(file).components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "leads out of the folder"));
        }
        match self {
            Self::Embedded => match EMBEDDED.get_file(file) {
                Some(found) => Ok(found.contents().to_vec()),
                None => Err(ErrorKind::NotFound.into()),
            },
            Self::Disk(folder) => std::fs::read(folder.join(file)),
        }
    }

    /// The path of a file, as messages name it.
    pub(crate) fn path_of(&self, file: &str) -> String {
        match self {
            Self::Embedded => format!("datasets/{file}"),
            Self::Disk(folder) => folder.join(file).display().to_string(),
        }
    }

    /// The names of the manifests in `sub` (empty for the folder itself), sorted.
    pub(crate) fn manifests(&self, sub: &str) -> Result<Vec<String>, ManifestError> {
        let mut names = match self {
            Self::Embedded => embedded_names(sub),
            Self::Disk(folder) => disk_names(folder, sub)
                .map_err(|source| ManifestError::Read { path: self.path_of(sub), source })?,
        };
        names.retain(|name| Path::new(name).extension().is_some_and(|ext| ext == "toml"));
        names.sort();
        Ok(names)
    }
}

fn embedded_names(sub: &str) -> Vec<String> {
    let dir = if sub.is_empty() { Some(&EMBEDDED) } else { EMBEDDED.get_dir(sub) };
    let files = dir.into_iter().flat_map(Dir::files);
    files.filter_map(|file| file.path().to_str()).map(str::to_owned).collect()
}

fn disk_names(folder: &Path, sub: &str) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder.join(sub)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let path = Path::new(sub).join(name);
        names.extend(path.to_str().map(str::to_owned));
    }
    Ok(names)
}
