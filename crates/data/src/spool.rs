//! Input that can be read once, put where it can be read again.
//!
//! A user's documents are hashed, their format is told from the name, and then they are read. Standard input and other
//! pipes give their bytes once and have no name that tells anything. So their bytes are copied to the folder of
//! temporary files first, as they are, and the first of them tell the format.

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
        let copy = folder.path().join("copy");
        let mut file = File::create_new(&copy)?;
        io::copy(&mut reader(&source.path)?, &mut file)?;
        let named = folder.path().join(format!("copy.{}", ending(&copy)?));
        fs::rename(copy, &named)?;
        let source = Source::file(named).shown_as(source.to_string());
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

/// The ending of a name that tells the format which the content has.
fn ending(path: &Path) -> io::Result<&'static str> {
    let mut file = crate::open(path).map_err(|error| error.source)?;
    let start = file.fill_buf()?;
    if start.starts_with(b"PK\x03\x04") || start.get(257..262) == Some(b"ustar") {
        let why = "an archive cannot be read from a pipe: save it, and name the member as archive.zip!member";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(match start.trim_ascii_start() {
        [b'P', b'A', b'R', b'1', ..] => "parquet",
        [b'{', ..] => "jsonl",
        [b'<', ..] => "trec",
        // Documents of the SMART system are named `*.all`, its queries `*.qry`: this is read as either.
        [b'.', b'I', b' ', ..] => "all.qry",
        _ => "tsv",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DocumentFormat, QueryFormat};

    #[test]
    fn the_first_bytes_tell_the_format() {
        let root = tempfile::tempdir().unwrap();
        let formats = [
            ("d1\tgreen tea\n", DocumentFormat::Tsv, QueryFormat::Tsv),
            ("{\"_id\": \"d1\"}\n", DocumentFormat::BeirJsonl, QueryFormat::BeirJsonl),
            ("\n<DOC>\n", DocumentFormat::TrecSgml, QueryFormat::TrecTopics),
            (".I 1\n.W\ntea\n", DocumentFormat::Smart, QueryFormat::Smart),
            ("PAR1", DocumentFormat::Parquet, QueryFormat::Parquet),
        ];
        for (content, documents, queries) in formats {
            let path = root.path().join("content");
            fs::write(&path, content).unwrap();
            let source = Source::file(format!("copy.{}", ending(&path).unwrap()));
            assert_eq!(DocumentFormat::guess(&source).unwrap(), documents);
            assert_eq!(QueryFormat::guess(&source).unwrap(), queries);
        }
    }

    #[test]
    fn a_file_stays_where_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = Source::file(file.path());
        assert_eq!(Spooled::new(&source).unwrap().source(), &source);
        let nothing = Source::file("not there");
        assert_eq!(Spooled::new(&nothing).unwrap().source(), &nothing);
    }
}
