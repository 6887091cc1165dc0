//! Files of our own beside tantivy's: a header, then plain little-endian numbers.
//!
//! ```text
//! bytes 0..16   kind and version, such as `nir-lengths 1`, padded with spaces
//!      16..24   length of the payload
//!      24..32   zero
//!      32..64   BLAKE3 digest of the payload
//!      64..     payload
//! ```
//!
//! All of it is verified when a file is opened, so that a file cut short by a full disk is an error and not a score.

use std::fs::File;
use std::io::Write;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use super::IndexError;

const HEADER: usize = 64;
const KIND: usize = 16;

/// A verified payload, mapped into memory.
pub(crate) struct Sidecar(Mmap);

/// Writes `payload` under a header that says what it is.
pub(crate) fn write(path: &Path, kind: &str, payload: &[u8]) -> Result<(), IndexError> {
    let mut file = File::create(path).map_err(IndexError::io(path))?;
    let written = file.write_all(&header(kind, payload)).and_then(|()| file.write_all(payload));
    written.and_then(|()| file.sync_all()).map_err(IndexError::io(path))
}

fn header(kind: &str, payload: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..KIND].copy_from_slice(format!("{kind:KIND$}").as_bytes());
    header[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    header[32..].copy_from_slice(blake3::hash(payload).as_bytes());
    header
}

impl Sidecar {
    /// Opens and verifies a file.
    #[expect(
        unsafe_code,
        reason = "a memory map is only as constant as its file; a finished index is never written"
    )]
    pub(crate) fn open(path: &Path, kind: &str) -> Result<Self, IndexError> {
        let file = File::open(path).map_err(IndexError::io(path))?;
        // SAFETY: files of an index are written once, before the file that marks it finished.
        let map = unsafe { Mmap::map(&file) }.map_err(IndexError::io(path))?;
        verify(&map, kind, path)?;
        Ok(Self(map))
    }
}

fn verify(map: &[u8], kind: &str, path: &Path) -> Result<(), IndexError> {
    let Some((found, payload)) = map.split_at_checked(HEADER) else {
        return Err(IndexError::damaged(
            path,
            format!("{} bytes are less than a header", map.len()),
        ));
    };
    let found_kind = String::from_utf8_lossy(&found[..KIND]).trim_end().to_owned();
    if found_kind != kind {
        let (path, expected) = (path.to_owned(), kind.to_owned());
        return Err(IndexError::Format { path, expected, found: found_kind });
    }
    if found[16..24] != (payload.len() as u64).to_le_bytes() {
        return Err(IndexError::damaged(
            path,
            format!("its length does not fit {} bytes", payload.len()),
        ));
    }
    if found[32..] != *blake3::hash(payload).as_bytes() {
        return Err(IndexError::damaged(path, "its checksum does not fit its content"));
    }
    Ok(())
}

impl Deref for Sidecar {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[HEADER..]
    }
}

/// The numbers of a payload.
pub(crate) fn numbers(payload: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    payload.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// The payload of numbers.
pub(crate) fn payload(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, "nir-test 1", &payload([1, 2, 3])).unwrap();
        (dir, path)
    }

    #[test]
    fn what_was_written_reads_back() {
        let (_dir, path) = written();
        let sidecar = Sidecar::open(&path, "nir-test 1").unwrap();
        assert_eq!(numbers(&sidecar).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn another_version_is_refused() {
        let (_dir, path) = written();
        let error = Sidecar::open(&path, "nir-test 2").err().unwrap().to_string();
        assert!(error.contains("expected `nir-test 2`, found `nir-test 1`"), "{error}");
    }

    #[test]
    fn a_changed_byte_or_a_lost_tail_is_found() {
        let (_dir, path) = written();
        let good = std::fs::read(&path).unwrap();
        let mut changed = good.clone();
        changed[HEADER] ^= 1;
        for bad in [&changed[..], &good[..good.len() - 1], &good[..9]] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(Sidecar::open(&path, "nir-test 1"), Err(IndexError::Damaged { .. })));
        }
    }
}
