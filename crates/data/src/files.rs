//! The files of an import: found on disk or downloaded, each with its sums for the record.

use std::path::{Path, PathBuf};

use nir_core::Progress;

use crate::checksum::Sums;
use crate::download::{Patience, download};
use crate::import_error::ImportError;
use crate::manifest::{PartSource, RemoteFile};
use crate::origin::OriginFile;
use crate::{OpenError, Source};

/// The places from which official files may be taken.
pub(crate) struct Places<'a> {
    /// A folder of the user.
    pub(crate) from: Option<&'a Path>,
    /// The folder of downloads in the cache.
    pub(crate) downloads: PathBuf,
    /// Whether nothing may be downloaded.
    pub(crate) offline: bool,
    pub(crate) patience: &'a Patience,
    pub(crate) progress: &'a dyn Progress,
}

/// The files that one import has used so far.
pub(crate) struct Files<'a> {
    places: Places<'a>,
    used: Vec<OriginFile>,
    paths: Vec<(String, PathBuf)>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(places: Places<'a>) -> Self {
        Self { places, used: Vec::new(), paths: Vec::new() }
    }

    /// The sources of a part, after all of their files were brought into place.
    pub(crate) fn sources<'f>(
        &mut self,
        sources: &[PartSource],
        file: impl Fn(&str) -> Option<&'f RemoteFile>,
    ) -> Result<Vec<Source>, ImportError> {
        let mut found = Vec::new();
        for source in sources {
            let remote = file(&source.file).expect("a manifest lists the files it reads");
            let path = self.get(remote)?;
            found.push(match &source.member {
                Some(member) => Source::member(path, member),
                None => Source::file(path),
            });
        }
        Ok(found)
    }

    /// The size of all of these files in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.used.iter().map(|file| file.sums.bytes).sum()
    }

    /// The files that were used, with their sums.
    pub(crate) fn used(self) -> Vec<OriginFile> {
        self.used
    }

    fn get(&mut self, file: &RemoteFile) -> Result<PathBuf, ImportError> {
        if let Some((_, path)) = self.paths.iter().find(|(name, _)| *name == file.name) {
            return Ok(path.clone());
        }
        let (path, sums) = self.places.find(file)?;
        self.used.push(OriginFile { name: file.name.clone(), sums });
        self.paths.push((file.name.clone(), path.clone()));
        Ok(path)
    }
}

impl Places<'_> {
    fn find(&self, file: &RemoteFile) -> Result<(PathBuf, Sums), ImportError> {
        if let Some(path) = self.from.and_then(|from| official_in(from, file)) {
            let sums = sums(&path)?;
            return match sums.check(file) {
                Ok(()) => Ok((path, sums)),
                Err(mismatch) => {
                    Err(ImportError::NotOfficial { path, file: file.name.clone(), mismatch })
                }
            };
        }
        if self.offline {
            return self.downloaded(file);
        }
        Ok(download(file, &self.downloads, self.patience, self.progress)?)
    }

    fn downloaded(&self, file: &RemoteFile) -> Result<(PathBuf, Sums), ImportError> {
        let path = self.downloads.join(&file.name);
        match Sums::of(&path) {
            Ok(sums) if sums.check(file).is_ok() => Ok((path, sums)),
            _ => Err(ImportError::Offline { file: file.name.clone(), urls: file.urls.clone() }),
        }
    }
}

/// An official file in a folder: under its name here, or under the name it has at its address.
pub(crate) fn official_in(folder: &Path, file: &RemoteFile) -> Option<PathBuf> {
    let at_address = file.urls.iter().filter_map(|url| url.rsplit('/').next());
    let mut names = std::iter::once(file.name.as_str()).chain(at_address);
    names.find_map(|name| Some(folder.join(name)).filter(|path| path.is_file()))
}

/// The sums of a file on disk.
pub(crate) fn sums(path: &Path) -> Result<Sums, ImportError> {
    Sums::of(path)
        .map_err(|source| ImportError::Read(OpenError { path: path.to_owned(), source }.into()))
}
