//! Members of zip and tar archives as streams.
//!
//! The readers of both libraries borrow their archive. Here the place of a member is looked up with them, and its
//! bytes are then read from the file directly, with length and checksum verified.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::bounds::{Counted, Expansion, Unpacked};
use crate::malformed::readable;
use crate::open::{BUFFER, decompressed};
use crate::{OpenError, ReadError, Source};

type Reader = Box<dyn BufRead + Send>;

const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";
/// The position and the bytes by which a tar header is recognised.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// Opens one member; what it is compressed with is told by its own first bytes.
pub(crate) fn open_member(archive: &Path, member: &str) -> Result<Reader, ReadError> {
    let reader =
        if is_zip(archive)? { zip_member(archive, member)? } else { tar_member(archive, member)? };
    decompressed(reader).map_err(|error| failed(archive, error))
}

/// Refuses an archive where a file is needed, so that no header is taken for a line.
pub(crate) fn refuse(path: &Path, mut reader: Reader) -> Result<Reader, ReadError> {
    let broken = |error| ReadError::Io { from: Source::file(path), line: 1, error };
    let start = reader.fill_buf().map_err(broken)?;
    let member = if start.starts_with(ZIP) {
        zip_archive(path)?.name_for_index(0).and_then(Result::ok).map(|name| name.to_string())
    } else if start.get(TAR.0..).is_some_and(|rest| rest.starts_with(TAR.1)) {
        let end = start.iter().position(|&byte| byte == 0).unwrap_or(0);
        Some(String::from_utf8_lossy(&start[..end]).into_owned())
    } else {
        return Ok(reader);
    };
    let member = readable(member.unwrap_or_default());
    Err(ReadError::NeedsMember { archive: path.to_owned(), member })
}

fn is_zip(path: &Path) -> Result<bool, ReadError> {
    let mut magic = Vec::new();
    file(path)?.take(4).read_to_end(&mut magic).map_err(|error| failed(path, error))?;
    Ok(magic == ZIP || magic == EMPTY_ZIP)
}

fn zip_archive(path: &Path) -> Result<ZipArchive<BufReader<File>>, ReadError> {
    ZipArchive::new(BufReader::new(file(path)?)).map_err(|error| failed(path, error))
}

fn zip_member(path: &Path, member: &str) -> Result<Reader, ReadError> {
    let mut archive = zip_archive(path)?;
    let Some(index) = archive.index_for_name(member) else {
        let members = archive.file_names().flatten().map(String::from).collect();
        return Err(no_member(path, member, members));
    };
    let entry = archive.by_index_raw(index).map_err(|error| failed(path, error))?;
    let method = entry.compression();
    let (packed, size, crc) = (entry.compressed_size(), entry.size(), entry.crc32());
    let start = entry.data_start().ok_or_else(|| failed(path, "a member has no place"))?;
    drop(entry);
    let mut file = archive.into_inner();
    file.seek(SeekFrom::Start(start)).map_err(|error| failed(path, error))?;
    let (raw, taken) = Counted::new(BufReader::with_capacity(BUFFER, file.take(packed)));
    let plain = unpacked(raw, method)
        .ok_or_else(|| failed(path, format!("`{member}` is packed with {method}")))?;
    let plain = Unpacked::new(plain, taken, Expansion::USUAL);
    Ok(Box::new(BufReader::with_capacity(BUFFER, Whole::new(plain, size, Some(crc)))))
}

/// The content of a zip member; `None` for a method that no test collection uses.
fn unpacked(
    raw: impl BufRead + Send + 'static,
    method: CompressionMethod,
) -> Option<Box<dyn Read + Send>> {
    match method {
        CompressionMethod::Stored => Some(Box::new(raw)),
        CompressionMethod::Deflated => Some(Box::new(DeflateDecoder::new(raw))),
        _ => None,
    }
}

fn tar_member(path: &Path, member: &str) -> Result<Reader, ReadError> {
    if is_plain_tar(path)? { sought_member(path, member) } else { packed_member(path, member) }
}

fn is_plain_tar(path: &Path) -> Result<bool, ReadError> {
    let mut start = Vec::new();
    let most = (TAR.0 + TAR.1.len()) as u64;
    file(path)?.take(most).read_to_end(&mut start).map_err(|error| failed(path, error))?;
    Ok(start.get(TAR.0..).is_some_and(|rest| rest == TAR.1))
}

/// A member of an archive that is not compressed: headers are read and contents skipped, so that a large archive of many
/// members is not read through for each of them.
fn sought_member(path: &Path, member: &str) -> Result<Reader, ReadError> {
    let mut archive = tar::Archive::new(file(path)?);
    let mut members = Vec::new();
    let mut found = None;
    for entry in archive.entries_with_seek().map_err(|error| failed(path, error))? {
        let entry = entry.map_err(|error| failed(path, error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if is_named(&name, member) {
            found = Some((entry.raw_file_position(), entry.size()));
            break;
        }
        members.push(name);
    }
    let (start, size) = found.ok_or_else(|| no_member(path, member, members))?;
    let mut file = archive.into_inner();
    file.seek(SeekFrom::Start(start)).map_err(|error| failed(path, error))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, Whole::new(file, size, None))))
}

fn is_named(name: &str, member: &str) -> bool {
    name.trim_start_matches("./") == member.trim_start_matches("./")
}

fn packed_member(path: &Path, member: &str) -> Result<Reader, ReadError> {
    let mut archive = tar::Archive::new(crate::open(path)?);
    let mut members = Vec::new();
    let mut size = None;
    for entry in archive.entries().map_err(|error| failed(path, error))? {
        let entry = entry.map_err(|error| failed(path, error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if is_named(&name, member) {
            size = Some(entry.size());
            break;
        }
        members.push(name);
    }
    let size = size.ok_or_else(|| no_member(path, member, members))?;
    // The iterator reads headers only when asked for the next one: the stream now stands at the member's first byte.
    Ok(Box::new(BufReader::with_capacity(BUFFER, Whole::new(archive.into_inner(), size, None))))
}

/// A stream that must have `left` more bytes and, where one is known, the right checksum.
struct Whole<R> {
    inner: R,
    left: u64,
    crc: Option<(u32, Crc)>,
}

impl<R> Whole<R> {
    fn new(inner: R, left: u64, crc: Option<u32>) -> Self {
        Self { inner, left, crc: crc.map(|expected| (expected, Crc::new())) }
    }

    fn check_end(&self) -> io::Result<()> {
        match &self.crc {
            Some((expected, crc)) if crc.sum() != *expected => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the member's checksum is wrong"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.check_end().map(|()| 0);
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            let message = format!("the member ends {} bytes early", self.left);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        if let Some((_, crc)) = &mut self.crc {
            crc.update(&buffer[..read]);
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn file(path: &Path) -> Result<File, ReadError> {
    File::open(path).map_err(|source| OpenError { path: path.to_owned(), source }.into())
}

fn failed(path: &Path, error: impl Into<nir_core::BoxError>) -> ReadError {
    ReadError::Archive { archive: path.to_owned(), error: error.into() }
}

fn no_member(path: &Path, member: &str, members: Vec<String>) -> ReadError {
    ReadError::NoMember { archive: path.to_owned(), member: member.to_owned(), members }
}
