//! Input that can be read once, put where it can be read again.
//!
//! A user's documents are hashed, their format is told from their first bytes, and then they are read. Standard input
//! and other pipes give their bytes once. So these are copied to the folder of temporary files first, as they are.

use std::fs::{self, File};
use std::io::{self, BufRead as _, ErrorKind, Read};
use std::path::Path;

use crate::descriptor::Descriptor;
use crate::unfinished::Guard;
use crate::{OpenError, Source};

/// A source that can be read as often as one likes; a copy is removed when this is dropped.
pub(crate) struct Spooled {
    source: Source,
    _folder: Option<Guard>,
}

impl Spooled {
    /// The source itself if it is a file or a folder, or is not there at all; else a copy of what comes out of it.
    pub(crate) fn new(source: &Source) -> Result<Self, OpenError> {
        if !is_read_once(&source.path) {
            return Ok(Self { source: source.clone(), _folder: None });
        }
        Self::copy(source).map_err(|error| OpenError { path: source.path.clone(), source: error })
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    fn copy(source: &Source) -> io::Result<Self> {
        let folder = Guard::new(tempfile::Builder::new().prefix("nir-").tempdir()?.keep());
        // What looks like no other format is a table.
        let copy = folder.path().join("copy.tsv");
        let mut file = File::create_new(&copy)?;
        io::copy(&mut reader(&source.path)?, &mut file)?;
        refuse_archive(&copy)?;
        let source = Source::file(copy).shown_as(source.to_string());
        Ok(Self { source, _folder: Some(folder) })
    }
}

fn is_read_once(path: &Path) -> bool {
    let is_stream = || fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir());
    path.as_os_str() == "-" || Descriptor::of(path).is_some() || is_stream()
}

fn reader(path: &Path) -> io::Result<Box<dyn Read>> {
    Ok(if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path)?) })
}

/// An archive needs the name of a member, and the copy of a pipe has no name to put it behind.
fn refuse_archive(path: &Path) -> io::Result<()> {
    let mut file = crate::open(path).map_err(|error| error.source)?;
    let start = file.fill_buf()?;
    if start.starts_with(b"PK\x03\x04") || start.get(257..262) == Some(b"ustar") {
        let why = "an archive cannot be read from a pipe: save it, and name the member as archive.zip!member";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_where_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = Source::file(file.path());
        assert_eq!(Spooled::new(&source).unwrap().source(), &source);
        let nothing = Source::file("not there");
        assert_eq!(Spooled::new(&nothing).unwrap().source(), &nothing);
    }
}
