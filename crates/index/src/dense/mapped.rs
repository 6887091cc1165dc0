//! Large files of our own: written once from front to end, then mapped into memory in no time.
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
//! Opening verifies the header and the length, which takes microseconds at any size; [`Mapped::verify`] reads it all.
//! A file is written as `name.partial` and renamed when it is complete, and its header is written last: one that was
//! cut short is never opened.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use nir_core::Digest;

use crate::IndexError;

pub(crate) const HEADER: usize = 128;
const KIND: usize = 16;
/// Where the numbers of the kind stand.
const FIELDS: std::ops::Range<usize> = 24..64;
const SIGNED: usize = 96;

/// What a file's kind says about it.
pub(crate) type Fields = [u64; 5];

/// A file whose header is sound, mapped into memory; it stands for its payload.
#[derive(Debug)]
pub(crate) struct Mapped {
    path: PathBuf,
    map: Mmap,
}

impl Mapped {
    /// Opens a file of this kind.
    #[expect(unsafe_code, reason = "a memory map is only as constant as its file")]
    pub(crate) fn open(path: &Path, kind: &str) -> Result<Self, IndexError> {
        let file = File::open(path).map_err(IndexError::io(path))?;
        // SAFETY: a file gets its name when it is complete, and is never written again.
        let map = unsafe { Mmap::map(&file) }.map_err(IndexError::io(path))?;
        check_header(&map, kind, path)?;
        Ok(Self { path: path.to_owned(), map })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fields(&self) -> Fields {
        let (numbers, _) = self.map[FIELDS].as_chunks::<8>();
        std::array::from_fn(|field| u64::from_le_bytes(numbers[field]))
    }

    /// The digest of the payload, as the header has it.
    pub(crate) fn digest(&self) -> Digest {
        let bytes: [u8; 32] = self.map[64..SIGNED].try_into().expect("32 bytes are 32 bytes");
        let hex = blake3::Hash::from_bytes(bytes).to_hex();
        Digest::from_hex(&hex).expect("64 digits are a digest")
    }

    /// Reads all of the payload and compares it with its digest.
    pub(crate) fn verify(&self) -> Result<(), IndexError> {
        if *blake3::hash(self).as_bytes() == self.map[64..SIGNED] {
            return Ok(());
        }
        Err(self.damaged("its checksum does not fit its content"))
    }

    pub(crate) fn damaged(&self, what: impl Into<String>) -> IndexError {
        IndexError::damaged(&self.path, what)
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[HEADER..]
    }
}

fn check_header(map: &[u8], kind: &str, path: &Path) -> Result<(), IndexError> {
    let Some((header, payload)) = map.split_at_checked(HEADER) else {
        let what = format!("{} bytes are less than a header", map.len());
        return Err(IndexError::damaged(path, what));
    };
    let found = String::from_utf8_lossy(&header[..KIND]).trim_end().to_owned();
    if found != kind {
        let (path, expected) = (path.to_owned(), kind.to_owned());
        return Err(IndexError::Format { path, expected, found });
    }
    if header[SIGNED..] != *blake3::hash(&header[..SIGNED]).as_bytes() {
        return Err(IndexError::damaged(path, "the checksum of its header does not fit"));
    }
    if header[16..24] != (payload.len() as u64).to_le_bytes() {
        let what = format!("its length does not fit {} bytes", payload.len());
        return Err(IndexError::damaged(path, what));
    }
    Ok(())
}

/// A file on its way.
pub(crate) struct MappedWriter {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    kind: &'static str,
    length: u64,
}

impl MappedWriter {
    /// Begins `path.partial`; an older one is overwritten.
    pub(crate) fn create(path: &Path, kind: &'static str) -> Result<Self, IndexError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(IndexError::io(&partial))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&[0; HEADER]).map_err(IndexError::io(&partial))?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            file,
            hasher: blake3::Hasher::new(),
            kind,
            length: 0,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds to the payload.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(IndexError::io(&self.partial))
    }

    /// Adds zeros up to the next 64 bytes, so that what follows is aligned in memory.
    pub(crate) fn align(&mut self) -> Result<(), IndexError> {
        let over = self.length.next_multiple_of(64) - self.length;
        self.write(&[0; 64][..over as usize])
    }

    /// Writes the header, gives the file its name and opens it.
    pub(crate) fn finish(mut self, fields: Fields) -> Result<Mapped, IndexError> {
        let header = self.header(fields);
        let written = (|| {
            self.file.rewind()?;
            self.file.write_all(&header)?;
            self.file.flush()?;
            self.file.get_ref().sync_all()?;
            std::fs::rename(&self.partial, &self.path)
        })();
        written.map_err(IndexError::io(&self.partial))?;
        Mapped::open(&self.path, self.kind)
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
        let mut writer = MappedWriter::create(&path, "nir-test 1").unwrap();
        writer.write(b"seven b").unwrap();
        writer.align().unwrap();
        writer.finish([1, 2, 3, 4, u64::MAX]).unwrap();
        (dir, path)
    }

    fn error(path: &Path) -> String {
        Mapped::open(path, "nir-test 1").unwrap_err().to_string()
    }

    #[test]
    fn what_was_written_reads_back() {
        let (_dir, path) = written();
        let mapped = Mapped::open(&path, "nir-test 1").unwrap();
        assert_eq!(mapped.len(), 64);
        assert_eq!(&mapped[..8], b"seven b\0");
        assert_eq!(mapped.fields(), [1, 2, 3, 4, u64::MAX]);
        assert_eq!(mapped.digest(), Digest::of(&mapped[..]));
        mapped.verify().unwrap();
    }

    #[test]
    fn any_changed_byte_is_found() {
        let (_dir, path) = written();
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 4;
            std::fs::write(&path, changed).unwrap();
            let opened = Mapped::open(&path, "nir-test 1");
            assert_eq!(opened.is_ok(), at >= HEADER, "byte {at}");
            assert!(opened.and_then(|mapped| mapped.verify()).is_err(), "byte {at}");
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
        let error = Mapped::open(&path, "nir-test 2").unwrap_err().to_string();
        assert!(error.contains("expected `nir-test 2`, found `nir-test 1`"), "{error}");
    }

    #[test]
    fn a_file_that_was_never_finished_has_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut writer = MappedWriter::create(&path, "nir-test 1").unwrap();
        writer.write(&vec![1; 4 << 20]).unwrap();
        drop(writer);
        assert!(!path.exists());
        std::fs::rename(dir.path().join("file.partial"), &path).unwrap();
        assert!(error(&path).contains("expected `nir-test 1`"));
    }
}
