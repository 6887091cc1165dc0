//! Opening a file that may be compressed: what it is, is told by its first bytes and not by its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A file that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct OpenError {
    /// The file as the user named it.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
pub(crate) const BUFFER: usize = 1 << 20;

/// Opens a plain, gzip or zstd file for reading; `-` is standard input.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, OpenError> {
    open_raw(path).map_err(|source| OpenError { path: path.to_owned(), source })
}

fn open_raw(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    if path.as_os_str() == "-" {
        return decompressed(BufReader::with_capacity(BUFFER, io::stdin()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        let expected = "this is a folder: expected the name of a file";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, expected));
    }
    decompressed(BufReader::with_capacity(BUFFER, file))
}

/// The content of `raw`, decompressed where its first bytes say that it is compressed.
pub(crate) fn decompressed(
    mut raw: impl BufRead + Send + 'static,
) -> io::Result<Box<dyn BufRead + Send>> {
    let magic = raw.fill_buf()?;
    if magic.starts_with(GZIP) {
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER,
            flate2::bufread::MultiGzDecoder::new(raw),
        )));
    }
    if magic.starts_with(ZSTD) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(raw)?)));
    }
    Ok(Box::new(raw))
}
