//! Opening a file that may be compressed: what it is, is told by its first bytes and not by its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::bounds::{Counted, Expansion, Unpacked, XZ_DICTIONARY_KIB};

/// A file could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct OpenError {
    /// The path of the file, as the user gave it.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

/// The ways in which files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// The first bytes of each kind of compressed file.
const MAGIC: [(&[u8], Packing); 4] = [
    (&[0x1f, 0x8b], Packing::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
    (b"BZh", Packing::Bzip2),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Packing::Xz),
];
/// The endings that a compressed file adds to its name.
pub(crate) const PACKED_ENDINGS: [&str; 4] = [".gz", ".zst", ".bz2", ".xz"];
pub(crate) const BUFFER: usize = 1 << 20;

/// Opens a file for reading, plain or compressed with gzip, zstd, bzip2 or xz; `-` is standard input.
///
/// What it unpacks to is limited to 256 MiB, or 100 times the size of the file where that is more.
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
    let start = raw.fill_buf()?;
    // `BZh` could begin a text; the block size after it and the mark of a block could not.
    let found = MAGIC.iter().find(|(magic, packing)| {
        start.starts_with(magic) && (*packing != Packing::Bzip2 || is_bzip2(start))
    });
    let Some((_, packing)) = found else { return Ok(Box::new(raw)) };
    let (raw, packed) = Counted::new(raw);
    let plain = Unpacked::new(decoder(raw, *packing)?, packed, Expansion::USUAL);
    Ok(Box::new(BufReader::with_capacity(BUFFER, plain)))
}

/// A digit, then the first block or, in a file of nothing, its end.
fn is_bzip2(start: &[u8]) -> bool {
    const BLOCK: &[u8] = &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
    const END: &[u8] = &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
    start.get(3).is_some_and(u8::is_ascii_digit)
        && start.get(4..).is_some_and(|rest| rest.starts_with(BLOCK) || rest.starts_with(END))
}

fn decoder(
    raw: Counted<impl BufRead + Send + 'static>,
    packing: Packing,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(raw)?),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(raw)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(raw, true, XZ_DICTIONARY_KIB)),
    })
}
