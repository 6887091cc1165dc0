//! A file of sections: written once from front to back, then mapped into memory.
//!
//! ```text
//! bytes 0..16   kind and version, such as `nir-impacts 1`, padded with spaces; zero until the file is complete
//!      16..24   length of the file
//!      24..32   where the table of sections begins
//!      32..64   BLAKE3 digest of the table
//!      64..     sections, each from a multiple of 64 on
//!      table    for each section: where it begins, its length, the BLAKE3 digest of its bytes
//! ```
//!
//! Numbers are little-endian. Opening verifies header, table, length and the sections that say where things are; it
//! takes no time that grows with the postings. [`File::verify`] reads everything.

use std::fs;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytemuck::{AnyBitPattern, NoUninit, Pod, Zeroable};
use memmap2::Mmap;

use crate::IndexError;

#[cfg(target_endian = "big")]
compile_error!("files of impacts are read in place, and their numbers are little-endian");

const HEADER: usize = 64;
const KIND: usize = 16;
const ALIGN: u64 = 64;
const DIGEST: usize = 32;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Section {
    start: u64,
    bytes: u64,
    digest: [u8; DIGEST],
}

/// A file under way.
pub(super) struct Writer {
    path: PathBuf,
    kind: &'static str,
    file: BufWriter<fs::File>,
    at: u64,
    sections: Vec<Section>,
    /// Of the section under way.
    start: u64,
    digest: blake3::Hasher,
}

impl Writer {
    /// Replaces whatever is there. Until [`Writer::finish`], the file is refused by [`File::open`].
    pub(super) fn create(path: &Path, kind: &'static str) -> Result<Self, IndexError> {
        let file = fs::File::create(path).map_err(IndexError::io(path))?;
        let mut writer = Self {
            path: path.to_owned(),
            kind,
            file: BufWriter::with_capacity(1 << 20, file),
            at: 0,
            sections: Vec::new(),
            start: HEADER as u64,
            digest: blake3::Hasher::new(),
        };
        writer.put(&[0; HEADER])?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.at += bytes.len() as u64;
        self.file.write_all(bytes).map_err(IndexError::io(&self.path))
    }

    /// Appends numbers to the section under way.
    pub(super) fn write<T: NoUninit>(&mut self, numbers: &[T]) -> Result<(), IndexError> {
        let bytes: &[u8] = bytemuck::cast_slice(numbers);
        self.digest.update(bytes);
        self.put(bytes)
    }

    /// Fills up to the next multiple of 64 bytes; returns how far that is from the section's start.
    pub(super) fn align(&mut self) -> Result<u64, IndexError> {
        let padding = self.at.next_multiple_of(ALIGN) - self.at;
        self.write(&vec![0_u8; padding as usize])?;
        Ok(self.at - self.start)
    }

    /// Ends the section under way; the next begins.
    pub(super) fn end_section(&mut self) -> Result<(), IndexError> {
        let (start, bytes) = (self.start, self.at - self.start);
        let digest = *std::mem::take(&mut self.digest).finalize().as_bytes();
        self.sections.push(Section { start, bytes, digest });
        self.start = self.at.next_multiple_of(ALIGN);
        self.put(&vec![0_u8; (self.start - self.at) as usize])
    }

    /// A section of its own.
    pub(super) fn section<T: NoUninit>(&mut self, numbers: &[T]) -> Result<(), IndexError> {
        self.write(numbers)?;
        self.end_section()
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is written so far.
    #[expect(unsafe_code, reason = "as in `File::open`")]
    pub(super) fn read_back(&mut self) -> Result<Mmap, IndexError> {
        self.file.flush().map_err(IndexError::io(&self.path))?;
        let file = fs::File::open(&self.path).map_err(IndexError::io(&self.path))?;
        // SAFETY: what is written is not written again, save for the header, which no one reads from this map.
        unsafe { Mmap::map(&file) }.map_err(IndexError::io(&self.path))
    }

    /// The first section in what [`Writer::read_back`] gave.
    pub(super) fn first_section<'m>(&self, map: &'m Mmap) -> &'m [u8] {
        let Section { start, bytes, .. } = self.sections[0];
        &map[start as usize..][..bytes as usize]
    }

    /// Writes table and header: from here on the file can be opened.
    pub(super) fn finish(mut self) -> Result<(), IndexError> {
        let (kind, table_start) = (self.kind, self.at);
        let table: Vec<u8> = bytemuck::cast_slice(&self.sections).to_vec();
        self.put(&table)?;
        let mut header = [0; HEADER];
        header[..KIND].copy_from_slice(format!("{kind:KIND$}").as_bytes());
        header[16..24].copy_from_slice(&self.at.to_le_bytes());
        header[24..32].copy_from_slice(&table_start.to_le_bytes());
        header[32..].copy_from_slice(blake3::hash(&table).as_bytes());
        let file = &mut self.file;
        let written = file.flush().and_then(|()| file.seek(SeekFrom::Start(0)));
        let written = written.and_then(|_| file.write_all(&header)).and_then(|()| file.flush());
        written.and_then(|()| file.get_ref().sync_all()).map_err(IndexError::io(&self.path))
    }
}

/// A file that was finished, mapped into memory.
pub(super) struct File {
    path: PathBuf,
    map: Mmap,
    sections: Vec<Section>,
}

impl File {
    /// Opens a file of this kind and version, with so many sections.
    #[expect(
        unsafe_code,
        reason = "a memory map is only as constant as its file; a finished index is never written"
    )]
    pub(super) fn open(path: &Path, kind: &str, sections: usize) -> Result<Self, IndexError> {
        let file = fs::File::open(path).map_err(IndexError::io(path))?;
        // SAFETY: the file is complete once its header is written, and is not written after that.
        let map = unsafe { Mmap::map(&file) }.map_err(IndexError::io(path))?;
        let table = table(&map, kind, path)?;
        if table.len() != sections {
            let what = format!("it has {} sections, expected {sections}", table.len());
            return Err(IndexError::damaged(path, what));
        }
        Ok(Self { path: path.to_owned(), map, sections: table })
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The bytes of a section.
    pub(super) fn section(&self, number: usize) -> &[u8] {
        let Section { start, bytes, .. } = self.sections[number];
        &self.map[start as usize..][..bytes as usize]
    }

    /// The numbers of a section, which [`File::check`] found to be whole ones.
    pub(super) fn numbers<T: AnyBitPattern>(&self, number: usize) -> &[T] {
        bytemuck::cast_slice(self.section(number))
    }

    /// Compares a section with its digest and with the size of its numbers.
    pub(super) fn check<T: AnyBitPattern>(&self, number: usize) -> Result<&[T], IndexError> {
        let bytes = self.section(number);
        if blake3::hash(bytes).as_bytes() != &self.sections[number].digest {
            let what = format!("the checksum of section {number} does not fit its content");
            return Err(IndexError::damaged(&self.path, what));
        }
        bytemuck::try_cast_slice(bytes)
            .map_err(|error| IndexError::damaged(&self.path, format!("section {number}: {error}")))
    }

    /// Compares every section with its digest.
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        (0..self.sections.len()).try_for_each(|number| self.check::<u8>(number).map(drop))
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> IndexError {
        IndexError::damaged(&self.path, what)
    }
}

/// The table of sections, where header, length and table fit each other.
fn table(map: &[u8], kind: &str, path: &Path) -> Result<Vec<Section>, IndexError> {
    let damaged = |what: String| IndexError::damaged(path, what);
    let Some((header, _)) = map.split_at_checked(HEADER) else {
        return Err(damaged(format!("{} bytes are less than a header", map.len())));
    };
    let found = String::from_utf8_lossy(&header[..KIND]);
    let found = found.trim_end_matches([' ', '\0']).to_owned();
    if found != kind {
        let (path, expected) = (path.to_owned(), kind.to_owned());
        return Err(IndexError::Format { path, expected, found });
    }
    let [bytes, start]: [u64; 2] = bytemuck::pod_read_unaligned(&header[16..32]);
    if bytes != map.len() as u64 {
        return Err(damaged(format!("it has {} bytes, and should have {bytes}", map.len())));
    }
    let table = map.get(start as usize..).unwrap_or_default();
    if header[32..] != *blake3::hash(table).as_bytes() || table.len() % size_of::<Section>() != 0 {
        return Err(damaged("the checksum of its table of sections does not fit".to_owned()));
    }
    Ok(table.chunks_exact(size_of::<Section>()).map(bytemuck::pod_read_unaligned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut writer = Writer::create(&path, "nir-test 1").unwrap();
        writer.section(&[1_u16, 2, 3]).unwrap();
        writer.section(&[4.0_f32]).unwrap();
        writer.finish().unwrap();
        (dir, path)
    }

    #[test]
    fn what_was_written_reads_back() {
        let (_dir, path) = written();
        let file = File::open(&path, "nir-test 1", 2).unwrap();
        assert_eq!(file.check::<u16>(0).unwrap(), [1, 2, 3]);
        assert_eq!(file.numbers::<f32>(1), [4.0]);
        file.verify().unwrap();
    }

    #[test]
    fn an_unfinished_or_foreign_file_is_refused() {
        let (dir, path) = written();
        let error = File::open(&path, "nir-test 2", 2).err().unwrap().to_string();
        assert!(error.contains("expected `nir-test 2`, found `nir-test 1`"), "{error}");
        let unfinished = dir.path().join("unfinished");
        drop(Writer::create(&unfinished, "nir-test 1").unwrap());
        let error = File::open(&unfinished, "nir-test 1", 2).err().unwrap().to_string();
        assert!(error.contains("unfinished: expected `nir-test 1`, found ``"), "{error}");
    }

    #[test]
    fn a_lost_tail_is_found_at_once_and_a_changed_byte_by_its_section() {
        let (_dir, path) = written();
        let good = fs::read(&path).unwrap();
        for bad in [&good[..good.len() - 1], &good[..9], &good[..HEADER]] {
            fs::write(&path, bad).unwrap();
            let error = File::open(&path, "nir-test 1", 2).err().unwrap();
            assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
        }
        let mut changed = good;
        changed[HEADER] ^= 1;
        fs::write(&path, &changed).unwrap();
        let file = File::open(&path, "nir-test 1", 2).unwrap();
        assert!(file.check::<u16>(0).is_err() && file.check::<f32>(1).is_ok());
        assert!(file.verify().is_err());
    }
}
