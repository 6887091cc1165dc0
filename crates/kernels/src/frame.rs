//! The one format of large files: written once from front to end, then mapped into memory in no time.
//!
//! ```text
//! bytes 0..16   kind and version, such as `nir-matrix 1`, padded with spaces
//!      16..24   length of the payload
//!      24..64   five numbers whose meaning is the kind's, little-endian as all numbers here
//!      64..96   BLAKE3 digest of the payload
//!      96..128  BLAKE3 digest of the bytes above
//!     128..     payload
//! ```
//!
//! Opening verifies the header and the length, which takes microseconds at any size; [`Frame::verify`] reads it all.
//! A file is written as `name.partial` and renamed when it is complete, and its header is written last: one that was
//! cut short is never opened. A program that writes other bytes under a kind gives the kind another version, so that a file
//! of an older program is refused and not misread.
//!
//! Where a file has several parts that are read for themselves, its payload is [sections](crate::Sections).

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

const HEADER: usize = 128;
const KIND: usize = 16;
/// The position of the five numbers in the header.
const FIELDS: std::ops::Range<usize> = 24..64;
const SIGNED: usize = 96;

/// Five numbers, whose meaning a file's kind decides.
pub type Fields = [u64; 5];

/// A file cannot be written or opened.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is of another kind or of another version.
    #[error("{path}: expected `{expected}`, found `{found}`")]
    Format {
        /// The file.
        path: PathBuf,
        /// The kind and version that this program reads.
        expected: String,
        /// The kind and version of the file.
        found: String,
    },
    /// The file is damaged.
    #[error("{path}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part of the file is wrong.
        what: String,
    },
}

impl FrameError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// A file whose header is sound, mapped into memory. It dereferences to its payload.
///
/// ```
/// use nir_kernels::{Frame, FrameWriter};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("numbers");
/// let mut writer = FrameWriter::create(&path, "my-numbers 1")?;
/// writer.write(&[1, 2, 3])?;
/// writer.finish([3, 0, 0, 0, 0])?;
///
/// let file = Frame::open(&path, "my-numbers 1")?;
/// assert_eq!((&file[..], file.fields()[0]), (&[1, 2, 3][..], 3));
/// assert!(Frame::open(&path, "my-numbers 2").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Frame {
    path: PathBuf,
    map: Mmap,
}

impl Frame {
    /// Opens a file of this kind.
    #[expect(unsafe_code, reason = "a memory map is only as constant as its file")]
    pub fn open(path: &Path, kind: &str) -> Result<Self, FrameError> {
        let file = File::open(path).map_err(FrameError::io(path))?;
        // SAFETY: a file gets its name when it is complete, and is never written again.
        let map = unsafe { Mmap::map(&file) }.map_err(FrameError::io(path))?;
        check_header(&map, kind, path)?;
        Ok(Self { path: path.to_owned(), map })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the file, header included.
    pub fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The numbers that were given to [`FrameWriter::finish`].
    pub fn fields(&self) -> Fields {
        let (numbers, _) = self.map[FIELDS].as_chunks::<8>();
        std::array::from_fn(|field| u64::from_le_bytes(numbers[field]))
    }

    /// The BLAKE3 digest of the payload, as the header has it.
    pub fn digest(&self) -> [u8; 32] {
        self.map[64..SIGNED].try_into().expect("32 bytes are 32 bytes")
    }

    /// Reads all of the payload and compares it with its digest.
    pub fn verify(&self) -> Result<(), FrameError> {
        if *blake3::hash(self).as_bytes() == self.map[64..SIGNED] {
            return Ok(());
        }
        Err(self.damaged("its checksum does not fit its content"))
    }

    /// The error that the payload of this file is not what its kind promises.
    pub fn damaged(&self, what: impl Into<String>) -> FrameError {
        FrameError::damaged(&self.path, what)
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[HEADER..]
    }
}

fn check_header(map: &[u8], kind: &str, path: &Path) -> Result<(), FrameError> {
    let Some((header, payload)) = map.split_at_checked(HEADER) else {
        let what = format!("{} bytes are less than a header", map.len());
        return Err(FrameError::damaged(path, what));
    };
    let found = String::from_utf8_lossy(&header[..KIND]);
    let found = found.trim_end_matches([' ', '\0']).to_owned();
    if found != kind {
        let (path, expected) = (path.to_owned(), kind.to_owned());
        return Err(FrameError::Format { path, expected, found });
    }
    if header[SIGNED..] != *blake3::hash(&header[..SIGNED]).as_bytes() {
        return Err(FrameError::damaged(path, "the checksum of its header does not fit"));
    }
    let length = u64::from_le_bytes(*header[16..].first_chunk().expect("eight bytes"));
    if length != payload.len() as u64 {
        let what =
            format!("it has {} bytes behind its header, and should have {length}", payload.len());
        return Err(FrameError::damaged(path, what));
    }
    Ok(())
}

/// Writes a [`Frame`].
pub struct FrameWriter {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    kind: &'static str,
    length: u64,
}

impl FrameWriter {
    /// Begins `path.partial`; an older one is overwritten.
    pub fn create(path: &Path, kind: &'static str) -> Result<Self, FrameError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(FrameError::io(&partial))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&[0; HEADER]).map_err(FrameError::io(&partial))?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            file,
            hasher: blake3::Hasher::new(),
            kind,
            length: 0,
        })
    }

    /// The path that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes the payload has so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds to the payload.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(FrameError::io(&self.partial))
    }

    /// Adds zeros up to the next 64 bytes, so that what follows is aligned in memory.
    pub fn align(&mut self) -> Result<(), FrameError> {
        let over = self.length.next_multiple_of(64) - self.length;
        self.write(&[0; 64][..over as usize])
    }

    /// Maps what is written of the payload so far, behind the header.
    #[expect(unsafe_code, reason = "as in `Frame::open`")]
    pub(crate) fn read_back(&mut self) -> Result<Mmap, FrameError> {
        self.file.flush().map_err(FrameError::io(&self.partial))?;
        let file = File::open(&self.partial).map_err(FrameError::io(&self.partial))?;
        // SAFETY: what is written is not written again, and the header is not in the map.
        let map = unsafe { memmap2::MmapOptions::new().offset(HEADER as u64).map(&file) };
        map.map_err(FrameError::io(&self.partial))
    }

    /// Writes the header, gives the file its name and opens it.
    pub fn finish(mut self, fields: Fields) -> Result<Frame, FrameError> {
        let header = self.header(fields);
        let written = (|| {
            self.file.rewind()?;
            self.file.write_all(&header)?;
            self.file.flush()?;
            self.file.get_ref().sync_all()?;
            std::fs::rename(&self.partial, &self.path)
        })();
        written.map_err(FrameError::io(&self.partial))?;
        Frame::open(&self.path, self.kind)
    }

    fn header(&self, fields: Fields) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..KIND].copy_from_slice(format!("{:KIND$}", self.kind).as_bytes());
        header[16..24].copy_from_slice(&self.length.to_le_bytes());
        header[FIELDS].copy_from_slice(fields.map(u64::to_le_bytes).as_flattened());
        header[64..SIGNED].copy_from_slice(self.hasher.finalize().as_bytes());
        let digest = blake3::hash(&header[..SIGNED]);
        header[SIGNED..].copy_from_slice(digest.as_bytes());
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut writer = FrameWriter::create(&path, "nir-test 1").unwrap();
        writer.write(b"seven b").unwrap();
        writer.align().unwrap();
        writer.finish([1, 2, 3, 4, u64::MAX]).unwrap();
        (dir, path)
    }

    fn error(path: &Path) -> String {
        Frame::open(path, "nir-test 1").unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_reads_back() {
        let (_dir, path) = written();
        let frame = Frame::open(&path, "nir-test 1").unwrap();
        assert_eq!(frame.len(), 64);
        assert_eq!(&frame[..8], b"seven b\0");
        assert_eq!(frame.fields(), [1, 2, 3, 4, u64::MAX]);
        assert_eq!(frame.digest(), *blake3::hash(&frame).as_bytes());
        frame.verify().unwrap();
    }

    #[test]
    fn any_changed_byte_is_found() {
        let (_dir, path) = written();
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 4;
            std::fs::write(&path, changed).unwrap();
            let opened = Frame::open(&path, "nir-test 1");
            assert_eq!(opened.is_ok(), at >= HEADER, "byte {at}");
            assert!(opened.and_then(|frame| frame.verify()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_lost_tail_is_found() {
        let (_dir, path) = written();
        let good = std::fs::read(&path).unwrap();
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            let error = error(&path);
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let (_dir, path) = written();
        let error = Frame::open(&path, "nir-test 2").unwrap_err().to_string();
        assert!(error.contains("expected `nir-test 2`, found `nir-test 1`"), "{error}");
    }

    #[test]
    fn a_file_that_was_never_finished_has_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut writer = FrameWriter::create(&path, "nir-test 1").unwrap();
        writer.write(&vec![1; 4 << 20]).unwrap();
        drop(writer);
        assert!(!path.exists());
        std::fs::rename(dir.path().join("file.partial"), &path).unwrap();
        assert!(error(&path).contains("expected `nir-test 1`"));
    }
}
