//! The payload of a [`Frame`] as sections, each verified for itself.
//!
//! ```text
//! numbers of the header: where the table begins in the payload, the BLAKE3 digest of the table
//! payload                sections, each from a multiple of 64 on
//!                        table: for each section where it begins, its length, the BLAKE3 digest of its bytes
//! ```
//!
//! Opening verifies header, length and table. A section is verified by [`Sections::check`], so that those which say where
//! things are can be, in a time that does not grow with the rest; [`Sections::verify`] reads everything.

use std::path::Path;

use bytemuck::{AnyBitPattern, NoUninit, Pod, Zeroable};
use memmap2::Mmap;

use crate::frame::{Frame, FrameError, FrameWriter};

#[cfg(target_endian = "big")]
compile_error!("sections are read in place, and their numbers are little-endian");

const ALIGN: u64 = 64;

#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Section {
    start: u64,
    bytes: u64,
    digest: [u8; 32],
}

/// Writes [`Sections`], one after the other.
pub struct SectionsWriter {
    file: FrameWriter,
    sections: Vec<Section>,
    /// The position at which the current section begins.
    start: u64,
    digest: blake3::Hasher,
}

impl SectionsWriter {
    /// Begins `path.partial`; an older one is overwritten.
    pub fn create(path: &Path, kind: &'static str) -> Result<Self, FrameError> {
        let file = FrameWriter::create(path, kind)?;
        Ok(Self { file, sections: Vec::new(), start: 0, digest: blake3::Hasher::new() })
    }

    /// Appends numbers to the section under way.
    pub fn write<T: NoUninit>(&mut self, numbers: &[T]) -> Result<(), FrameError> {
        let bytes: &[u8] = bytemuck::cast_slice(numbers);
        self.digest.update(bytes);
        self.file.write(bytes)
    }

    /// Fills up to the next multiple of 64 bytes; returns how far that is from the section's start.
    pub fn align(&mut self) -> Result<u64, FrameError> {
        let length = self.file.length();
        self.write(&[0_u8; ALIGN as usize][..(length.next_multiple_of(ALIGN) - length) as usize])?;
        Ok(self.file.length() - self.start)
    }

    /// Ends the section under way; the next begins.
    pub fn end_section(&mut self) -> Result<(), FrameError> {
        let (start, bytes) = (self.start, self.file.length() - self.start);
        let digest = *std::mem::take(&mut self.digest).finalize().as_bytes();
        self.sections.push(Section { start, bytes, digest });
        self.file.align()?;
        self.start = self.file.length();
        Ok(())
    }

    /// Writes a whole section.
    pub fn section<T: NoUninit>(&mut self, numbers: &[T]) -> Result<(), FrameError> {
        self.write(numbers)?;
        self.end_section()
    }

    /// The path that the file will have.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Maps the sections that are written so far.
    pub fn read_back(&mut self) -> Result<Mmap, FrameError> {
        self.file.read_back()
    }

    /// The first section in what [`SectionsWriter::read_back`] gave.
    pub fn first_section<'m>(&self, map: &'m Mmap) -> &'m [u8] {
        let Section { start, bytes, .. } = self.sections[0];
        &map[start as usize..][..bytes as usize]
    }

    /// Writes table and header and gives the file its name.
    pub fn finish(mut self) -> Result<(), FrameError> {
        let table: &[u8] = bytemuck::cast_slice(&self.sections);
        let start = self.file.length();
        self.file.write(table)?;
        let [a, b, c, d]: [u64; 4] = bytemuck::cast(*blake3::hash(table).as_bytes());
        self.file.finish([start, a, b, c, d]).map(drop)
    }
}

/// A file of sections, mapped into memory.
#[derive(Debug)]
pub struct Sections {
    file: Frame,
    table: Vec<Section>,
}

impl Sections {
    /// Opens a file of this kind and version, with so many sections.
    pub fn open(path: &Path, kind: &str, sections: usize) -> Result<Self, FrameError> {
        let file = Frame::open(path, kind)?;
        let table = table(&file)?;
        if table.len() != sections {
            let what = format!("it has {} sections, and should have {sections}", table.len());
            return Err(file.damaged(what));
        }
        Ok(Self { file, table })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The size of the file.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// The bytes of a section.
    pub fn section(&self, number: usize) -> &[u8] {
        let Section { start, bytes, .. } = self.table[number];
        &self.file[start as usize..][..bytes as usize]
    }

    /// The numbers of a section, which [`Sections::check`] found to be whole ones.
    pub fn numbers<T: AnyBitPattern>(&self, number: usize) -> &[T] {
        bytemuck::cast_slice(self.section(number))
    }

    /// Compares a section with its digest and with the size of its numbers.
    pub fn check<T: AnyBitPattern>(&self, number: usize) -> Result<&[T], FrameError> {
        let bytes = self.section(number);
        if blake3::hash(bytes).as_bytes() != &self.table[number].digest {
            let what = format!("the checksum of section {number} does not fit its content");
            return Err(self.damaged(what));
        }
        bytemuck::try_cast_slice(bytes)
            .map_err(|error| self.damaged(format!("section {number}: {error}")))
    }

    /// Compares every section with its digest.
    pub fn verify(&self) -> Result<(), FrameError> {
        (0..self.table.len()).try_for_each(|number| self.check::<u8>(number).map(drop))
    }

    /// The error that the sections of this file do not fit each other.
    pub fn damaged(&self, what: impl Into<String>) -> FrameError {
        self.file.damaged(what)
    }
}

/// The table of sections, if it fits the header and every section lies in the payload.
fn table(file: &Frame) -> Result<Vec<Section>, FrameError> {
    let [start, digest @ ..] = file.fields();
    let table = file.get(start as usize..).unwrap_or_default();
    let expected: [u8; 32] = bytemuck::cast(digest);
    if *blake3::hash(table).as_bytes() != expected || table.len() % size_of::<Section>() != 0 {
        return Err(file.damaged("the checksum of its table of sections does not fit"));
    }
    let table = table.chunks_exact(size_of::<Section>()).map(bytemuck::pod_read_unaligned);
    let sections: Vec<Section> = table.collect();
    let lies_within = |section: &Section| {
        section.start.checked_add(section.bytes).is_some_and(|end| end <= start)
    };
    match sections.iter().all(lies_within) {
        true => Ok(sections),
        false => Err(file.damaged("a section lies outside the file")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn written() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut writer = SectionsWriter::create(&path, "nir-test 1").unwrap();
        writer.section(&[1_u16, 2, 3]).unwrap();
        writer.section(&[4.0_f32]).unwrap();
        writer.finish().unwrap();
        (dir, path)
    }

    #[test]
    fn what_was_written_reads_back() {
        let (_dir, path) = written();
        let file = Sections::open(&path, "nir-test 1", 2).unwrap();
        assert_eq!(file.check::<u16>(0).unwrap(), [1, 2, 3]);
        assert_eq!(file.numbers::<f32>(1), [4.0]);
        file.verify().unwrap();
    }

    #[test]
    fn an_unfinished_or_foreign_file_is_refused() {
        let (dir, path) = written();
        let error = Sections::open(&path, "nir-test 2", 2).err().unwrap().to_string();
        assert!(error.contains("expected `nir-test 2`, found `nir-test 1`"), "{error}");
        let error = Sections::open(&path, "nir-test 1", 3).err().unwrap().to_string();
        assert!(error.contains("it has 2 sections, and should have 3"), "{error}");
        let unfinished = dir.path().join("unfinished");
        drop(SectionsWriter::create(&unfinished, "nir-test 1").unwrap());
        let error = Sections::open(&unfinished, "nir-test 1", 2).err().unwrap();
        assert!(matches!(error, FrameError::Io { .. }), "{error}");
    }

    #[test]
    fn a_lost_tail_is_found_at_once_and_a_changed_byte_by_its_section() {
        let (_dir, path) = written();
        let good = std::fs::read(&path).unwrap();
        for bad in [&good[..good.len() - 1], &good[..9], &good[..128]] {
            std::fs::write(&path, bad).unwrap();
            let error = Sections::open(&path, "nir-test 1", 2).err().unwrap();
            assert!(matches!(error, FrameError::Damaged { .. }), "{error}");
        }
        let mut changed = good;
        changed[128] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let file = Sections::open(&path, "nir-test 1", 2).unwrap();
        assert!(file.check::<u16>(0).is_err() && file.check::<f32>(1).is_ok());
        assert!(file.verify().is_err());
    }
}
