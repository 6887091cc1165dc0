//! Unpacking an archive that nobody vouches for.
//!
//! Datasets are read from their archives as streams and never unpacked; weights may come as folders. Whatever an
//! archive says, nothing is written outside of the target, no link is made, no more bytes than allowed are written,
//! and the target is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use nir_core::BoxError;

use crate::OpenError;
use crate::cache::{CacheError, Unfinished};

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// An entry would be written outside of the target folder.
    #[error(
        "{archive}: refused: `{entry}` leads out of the folder; this archive was made to do harm"
    )]
    LeadsOut {
        /// The path of the archive.
        archive: PathBuf,
        /// The name of the entry.
        entry: String,
    },
    /// An entry is a link, a device or something else that is no file.
    #[error("{archive}: refused: `{entry}` is neither a file nor a folder")]
    NoFile {
        /// The path of the archive.
        archive: PathBuf,
        /// The name of the entry.
        entry: String,
    },
    /// Two entries have the same name.
    #[error("{archive}: refused: `{entry}` comes twice")]
    Twice {
        /// The path of the archive.
        archive: PathBuf,
        /// The name of the entries.
        entry: String,
    },
    /// The archive unpacks to more than it may.
    #[error("{archive}: refused: it unpacks to more than {most} bytes")]
    TooLarge {
        /// The path of the archive.
        archive: PathBuf,
        /// The largest number of bytes that was allowed.
        most: u64,
    },
    /// The archive cannot be read.
    #[error("{archive}: {error}")]
    Archive {
        /// The path of the archive.
        archive: PathBuf,
        /// The error of the reader.
        error: BoxError,
    },
    /// The archive cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target folder cannot be written.
    #[error(transparent)]
    Target(#[from] CacheError),
}

/// Unpacks a zip or (compressed) tar archive into the new folder `target`, at most `most` bytes of it.
pub fn unpack(archive: &Path, target: &Path, most: u64) -> Result<(), UnpackError> {
    let unfinished = Unfinished::begin(target.to_owned())?;
    let mut out = Output { archive, folder: unfinished.path(), left: most, most };
    let unpacked = if is_zip(archive)? { out.zip() } else { out.tar() };
    unpacked?;
    Ok(unfinished.finish()?)
}

fn is_zip(archive: &Path) -> Result<bool, OpenError> {
    let mut magic = Vec::new();
    let read = File::open(archive).and_then(|file| file.take(2).read_to_end(&mut magic));
    read.map_err(|source| OpenError { path: archive.to_owned(), source })?;
    Ok(magic == b"PK")
}

struct Output<'a> {
    archive: &'a Path,
    folder: &'a Path,
    left: u64,
    most: u64,
}

impl Output<'_> {
    fn zip(&mut self) -> Result<(), UnpackError> {
        let file = File::open(self.archive).map_err(|error| self.failed(error))?;
        let mut zip =
            zip::ZipArchive::new(BufReader::new(file)).map_err(|error| self.failed(error))?;
        for index in 0..zip.len() {
            let entry = zip.by_index(index).map_err(|error| self.failed(error))?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let kind = entry.unix_mode().map_or(0, |mode| mode & 0o170_000);
            match kind {
                0o040_000 => self.make_folder(&name)?,
                _ if name.ends_with('/') => self.make_folder(&name)?,
                0 | 0o100_000 => self.make_file(&name, entry)?,
                _ => return Err(self.no_file(name)),
            }
        }
        Ok(())
    }

    fn tar(&mut self) -> Result<(), UnpackError> {
        let mut tar = tar::Archive::new(crate::open(self.archive)?);
        for entry in tar.entries().map_err(|error| self.failed(error))? {
            let entry = entry.map_err(|error| self.failed(error))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            match entry.header().entry_type() {
                tar::EntryType::Directory => self.make_folder(&name)?,
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    self.make_file(&name, entry)?;
                }
                tar::EntryType::XGlobalHeader => {}
                _ => return Err(self.no_file(name)),
            }
        }
        Ok(())
    }

    fn make_folder(&self, name: &str) -> Result<(), UnpackError> {
        fs::create_dir_all(self.place(name)?).map_err(|error| self.failed(error))
    }

    fn make_file(&mut self, name: &str, content: impl Read) -> Result<(), UnpackError> {
        let path = self.place(name)?;
        let parent = path.parent().unwrap_or(self.folder);
        fs::create_dir_all(parent).map_err(|error| self.failed(error))?;
        let mut file = File::create_new(&path).map_err(|error| self.twice(name, error))?;
        // The sizes in an archive are claims: what counts is what comes out.
        let written = io::copy(&mut content.take(self.left + 1), &mut file)
            .and_then(|written| file.flush().map(|()| written))
            .map_err(|error| self.failed(error))?;
        let archive = || self.archive.to_owned();
        self.left = self
            .left
            .checked_sub(written)
            .ok_or_else(|| UnpackError::TooLarge { archive: archive(), most: self.most })?;
        Ok(())
    }

    /// The path to which an entry is written; an error unless it is inside the folder on every system.
    fn place(&self, name: &str) -> Result<PathBuf, UnpackError> {
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        let safe = !name.is_empty()
            && !name.contains(['\\', ':', '\0'])
            && Path::new(name).components().all(inside);
        if safe {
            return Ok(self.folder.join(name));
        }
        Err(UnpackError::LeadsOut { archive: self.archive.to_owned(), entry: name.to_owned() })
    }

    fn no_file(&self, entry: String) -> UnpackError {
        UnpackError::NoFile { archive: self.archive.to_owned(), entry }
    }

    fn twice(&self, entry: &str, error: io::Error) -> UnpackError {
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                UnpackError::Twice { archive: self.archive.to_owned(), entry: entry.to_owned() }
            }
            _ => self.failed(error),
        }
    }

    fn failed(&self, error: impl Into<BoxError>) -> UnpackError {
        UnpackError::Archive { archive: self.archive.to_owned(), error: error.into() }
    }
}
