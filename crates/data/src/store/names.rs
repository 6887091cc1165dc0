//! From a doc_id to its row: hashes in order, cut into buckets of about eight.
//!
//! Import cannot sort the hashes of a whole collection in memory, so it deals them out by their first ten bits to
//! 1,024 parts. Each part keeps one block in memory and writes it to a shared file when it is full; at the end the
//! parts are read back one by one, sorted, checked for a repeated name, and appended to `names.bin`.
//!
//! Memory: 16 KiB for each part while documents arrive (16 MiB in all), then 16 bytes for each document of the part
//! being sorted. That is 16 KB for a million documents, 2.2 MB for the 138 million of MS MARCO v2, and 67 MB for
//! the most that a `DocNo` can count.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use nir_core::DocNo;

use super::StoreError;
use super::file::{FileWriter, create};
use super::rows::{ROW, Row};

/// The bytes of one entry of `names.bin`: the last 32 bits of the hash, then the row.
pub(super) const ENTRY: usize = 8;
/// The bytes of one entry of `buckets.bin`: which entry of `names.bin` it begins with.
const BUCKET: usize = 4;
const PER_BUCKET: u64 = 8;

const PART_BITS: u32 = 10;
/// The bytes of one name on its way through the spill: hash and row.
const SPILLED: usize = 12;
/// A whole number of spilled names, a little under 16 KiB.
const BLOCK: usize = 1365 * SPILLED;

/// The hash of a name. It is part of the format: FNV-1a, and the last step of MurmurHash3 to spread it to the first
/// bits.
fn hash(doc_id: &str) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325; // FNV's offset basis
    for &byte in doc_id.as_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3); // FNV's prime
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The number of leading bits of a hash that number its bucket.
fn bucket_bits(documents: u64) -> u32 {
    (documents / PER_BUCKET).checked_ilog2().unwrap_or(0)
}

fn bucket(hash: u64, bits: u32) -> u64 {
    hash.checked_shr(64 - bits).unwrap_or(0)
}

/// How long `buckets.bin` is: one entry for each bucket and one for the end of the last.
pub(super) fn buckets_len(documents: u64) -> u64 {
    ((1 << bucket_bits(documents)) + 1) * BUCKET as u64
}

/// The mapped files `names.bin` and `buckets.bin`.
#[derive(Debug)]
pub(super) struct Names {
    entries: Mmap,
    buckets: Mmap,
}

impl Names {
    pub(super) fn new(entries: Mmap, buckets: Mmap) -> Self {
        Self { entries, buckets }
    }

    pub(super) fn entries_len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn buckets_len(&self) -> usize {
        self.buckets.len()
    }

    /// The rows whose names have the same hash: the one asked for if it is there, and almost never another.
    pub(super) fn rows(&self, doc_id: &str) -> impl Iterator<Item = DocNo> {
        let hash = hash(doc_id);
        let bits = bucket_bits((self.entries.len() / ENTRY) as u64);
        let at = bucket(hash, bits) as usize * BUCKET;
        let entries = word(&self.buckets[at..])..word(&self.buckets[at + BUCKET..]);
        entries
            .map(|entry| &self.entries[entry as usize * ENTRY..])
            .filter(move |entry| word(entry) == hash as u32)
            .map(|entry| DocNo(word(&entry[4..])))
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*bytes.first_chunk().expect("entries have whole words"))
}

/// The names of an import, distributed by their hashes.
pub(super) struct NameSpill {
    parts: Vec<Part>,
    path: PathBuf,
    file: File,
    blocks: u32,
}

/// The names whose hashes have the same leading bits.
#[derive(Default)]
struct Part {
    /// The block that is being filled.
    block: Vec<u8>,
    /// The full blocks, by their number in the file.
    spilled: Vec<u32>,
}

/// A name in its part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hashed {
    hash: u64,
    row: u32,
}

impl NameSpill {
    pub(super) fn new(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("names.spill");
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| StoreError::io(&path, error))?;
        let parts = std::iter::repeat_with(Part::default).take(1 << PART_BITS).collect();
        Ok(Self { parts, path, file, blocks: 0 })
    }

    /// Adds the name of the next row.
    pub(super) fn add(&mut self, doc_id: &str, row: u32) -> io::Result<()> {
        let hash = hash(doc_id);
        let part = &mut self.parts[bucket(hash, PART_BITS) as usize];
        part.block.extend_from_slice(&hash.to_le_bytes());
        part.block.extend_from_slice(&row.to_le_bytes());
        if part.block.len() == BLOCK {
            self.file.write_all(&part.block)?;
            part.block.clear();
            part.spilled.push(self.blocks);
            self.blocks += 1;
        }
        Ok(())
    }

    /// Writes `names.bin` and `buckets.bin`, unless a name was given twice.
    pub(super) fn finish(
        mut self,
        dir: &Path,
        documents: u64,
    ) -> Result<[(&'static str, u64); 2], StoreError> {
        let mut writer = NamesWriter::new(dir, documents)?;
        let mut repeats = Repeats::new(dir)?;
        for part in std::mem::take(&mut self.parts) {
            let names = part.sorted(&mut self.file).map_err(|e| StoreError::io(&self.path, e))?;
            repeats.look_in(&names)?;
            writer.add(&names)?;
        }
        repeats.refuse()?;
        std::fs::remove_file(&self.path).map_err(|error| StoreError::io(&self.path, error))?;
        writer.finish()
    }
}

impl Part {
    /// All names of the part, sorted by hash and row.
    fn sorted(self, file: &mut File) -> io::Result<Vec<Hashed>> {
        let per_block = BLOCK / SPILLED;
        let mut names = Vec::with_capacity((self.spilled.len() + 1) * per_block);
        let mut block = vec![0; BLOCK];
        for number in self.spilled {
            file.seek(SeekFrom::Start(u64::from(number) * BLOCK as u64))?;
            file.read_exact(&mut block)?;
            names.extend(block.chunks_exact(SPILLED).map(Hashed::read));
        }
        names.extend(self.block.chunks_exact(SPILLED).map(Hashed::read));
        names.sort_unstable();
        Ok(names)
    }
}

impl Hashed {
    fn read(bytes: &[u8]) -> Self {
        let (hash, row) = bytes.split_first_chunk().expect("a spilled name has 12 bytes");
        Self { hash: u64::from_le_bytes(*hash), row: word(row) }
    }
}

/// `names.bin` and `buckets.bin` being written, in order of hash.
struct NamesWriter {
    entries: FileWriter,
    buckets: FileWriter,
    bits: u32,
    written: u32,
    begun: u64,
}

impl NamesWriter {
    fn new(dir: &Path, documents: u64) -> Result<Self, StoreError> {
        let (entries, buckets) = (create(dir, "names.bin")?, create(dir, "buckets.bin")?);
        Ok(Self { entries, buckets, bits: bucket_bits(documents), written: 0, begun: 0 })
    }

    fn add(&mut self, names: &[Hashed]) -> Result<(), StoreError> {
        for name in names {
            self.begin_buckets(bucket(name.hash, self.bits) + 1)?;
            self.entries.write(&(name.hash as u32).to_le_bytes())?;
            self.entries.write(&name.row.to_le_bytes())?;
            self.written += 1;
        }
        Ok(())
    }

    /// All buckets up to `end` that have not begun begin here.
    fn begin_buckets(&mut self, end: u64) -> Result<(), StoreError> {
        while self.begun < end {
            self.buckets.write(&self.written.to_le_bytes())?;
            self.begun += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<[(&'static str, u64); 2], StoreError> {
        self.begin_buckets((1 << self.bits) + 1)?;
        Ok([self.entries.finish()?, self.buckets.finish()?])
    }
}

/// Looks for names that were given twice; among several, the one whose second document comes first counts.
struct Repeats {
    names: NameReader,
    found: Option<(String, u32, u32)>,
}

impl Repeats {
    fn new(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { names: NameReader::new(dir)?, found: None })
    }

    /// Compares the names that have equal hashes; fails if two are the same.
    fn look_in(&mut self, names: &[Hashed]) -> Result<(), StoreError> {
        for same in names.chunk_by(|a, b| a.hash == b.hash).filter(|same| same.len() > 1) {
            let mut seen = Vec::with_capacity(2);
            for &Hashed { row, .. } in same {
                let doc_id = self.names.read(row)?;
                match seen.iter().find(|(name, _)| *name == doc_id) {
                    Some(&(_, first)) => {
                        self.keep(doc_id, first, row);
                        break; // the rows of equal hashes rise: no earlier pair follows
                    }
                    None => seen.push((doc_id, row)),
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, doc_id: String, first: u32, second: u32) {
        if self.found.as_ref().is_none_or(|&(_, _, before)| second < before) {
            self.found = Some((doc_id, first, second));
        }
    }

    fn refuse(self) -> Result<(), StoreError> {
        match self.found {
            None => Ok(()),
            Some((doc_id, first, second)) => Err(StoreError::DuplicateDocId {
                doc_id,
                first: u64::from(first) + 1,
                second: u64::from(second) + 1,
            }),
        }
    }
}

/// Reads single names back while the store is not yet one.
struct NameReader {
    rows: File,
    doc_ids: File,
    path: PathBuf,
}

impl NameReader {
    fn new(dir: &Path) -> Result<Self, StoreError> {
        let open = |name| {
            let path = dir.join(name);
            File::open(&path).map_err(|error| StoreError::io(&path, error))
        };
        let (rows, doc_ids) = (open("rows.bin")?, open("doc_ids.bin")?);
        Ok(Self { rows, doc_ids, path: dir.join("doc_ids.bin") })
    }

    fn read(&mut self, row: u32) -> Result<String, StoreError> {
        self.read_raw(row).map_err(|error| StoreError::io(&self.path, error))
    }

    fn read_raw(&mut self, row: u32) -> io::Result<String> {
        let start = match row.checked_sub(1) {
            Some(before) => self.row(before)?.doc_id_end,
            None => 0,
        };
        let mut name = String::new();
        let length = self.row(row)?.doc_id_end - start;
        self.doc_ids.seek(SeekFrom::Start(start))?;
        (&self.doc_ids).take(length).read_to_string(&mut name)?;
        Ok(name)
    }

    fn row(&mut self, row: u32) -> io::Result<Row> {
        let mut bytes = [0; ROW];
        self.rows.seek(SeekFrom::Start(u64::from(row) * ROW as u64))?;
        self.rows.read_exact(&mut bytes)?;
        Ok(Row::read(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{Corpus, Silent};

    use super::*;
    use crate::{DocumentRef, Store};

    /// More names of one part than a block holds.
    fn names_of_one_part() -> Vec<String> {
        let names = (0..).map(|n: u32| n.to_string());
        names
            .filter(|name| bucket(hash(name), PART_BITS) == 5)
            .take(BLOCK / SPILLED + 100)
            .collect()
    }

    fn import(names: &[String]) -> Result<Store, StoreError> {
        let folder = tempfile::tempdir().unwrap();
        Store::import(&folder.path().join("store"), 0, &Silent, |import| {
            for doc_id in names {
                import.add(DocumentRef { doc_id, title: "", text: "" })?;
            }
            Ok(())
        })
    }

    #[test]
    fn names_that_went_through_the_file_are_found() {
        let names = names_of_one_part();
        let store = import(&names).unwrap();
        for (row, name) in names.iter().enumerate() {
            assert_eq!(store.doc_no(name), Some(DocNo(row as u32)));
        }
    }

    #[test]
    fn a_repeat_is_seen_across_blocks() {
        let mut names = names_of_one_part();
        let last = names.len() - 1;
        names[last] = names[0].clone();
        let error = import(&names).unwrap_err();
        let StoreError::DuplicateDocId { first, second, .. } = error else { panic!("{error}") };
        assert_eq!((first, second), (1, last as u64 + 1));
    }

    #[test]
    fn the_hash_is_part_of_the_format() {
        // FNV-1a of nothing is its offset basis, of `a` 0xaf63dc4c8601ec8c (the authors' table); then the mixing.
        let mixed = |fnv: u64| {
            let hash = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
            let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
            hash ^ (hash >> 33)
        };
        assert_eq!(hash(""), mixed(0xcbf2_9ce4_8422_2325));
        assert_eq!(hash("a"), mixed(0xaf63_dc4c_8601_ec8c));
    }
}
