//! Inversion in memory: from documents of terms to terms of documents, in one pass.
//! Heinz and Zobel, JASIST 54(8), 2003 (`heinz2003spimi`).
//!
//! Each term owns a growing list of bytes. A posting is written when the next document with the term arrives, so that
//! its frequency is known; the gap to the previous document is shifted by one bit, which says whether the frequency
//! is one, as most are.
//!
//! ```text
//! posting = vbyte(gap << 1 | [tf = 1]) · vbyte(tf) if tf > 1
//! ```

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// All postings of a collection, by term, while it is read.
#[derive(Default)]
pub(crate) struct Inverter {
    vocabulary: Vocabulary,
    lists: Vec<GrowingList>,
    lengths: Vec<u32>,
    length: u32,
}

/// The outcome of inverting a collection.
pub(crate) struct Inverted {
    /// The terms by their numbers.
    pub(crate) vocabulary: Vocabulary,
    /// The postings by the number of their term.
    pub(crate) lists: Vec<GrowingList>,
    /// The number of terms of each document.
    pub(crate) lengths: Vec<u32>,
}

impl Inverter {
    /// Adds one term to the current document.
    pub(crate) fn term(&mut self, term: &str) {
        let number = self.vocabulary.number(term.as_bytes());
        if number == self.lists.len() {
            self.lists.push(GrowingList::default());
        }
        self.length += 1;
        self.lists[number].count(self.lengths.len() as u32);
    }

    /// Ends the current document and begins the next.
    pub(crate) fn end_document(&mut self) {
        self.lengths.push(std::mem::take(&mut self.length));
    }

    pub(crate) fn finish(mut self) -> Inverted {
        for list in &mut self.lists {
            list.write_open_posting();
        }
        Inverted { vocabulary: self.vocabulary, lists: self.lists, lengths: self.lengths }
    }
}

/// Terms by number, and numbers by term.
#[derive(Default)]
pub(crate) struct Vocabulary {
    numbers: HashTable<Numbered>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// The hash is kept: it settles most comparisons, and growing the table reads no term again.
struct Numbered {
    hash: u32,
    number: u32,
}

impl Vocabulary {
    /// The number of a term, the next free one if it is new.
    fn number(&mut self, term: &[u8]) -> usize {
        let hash = hash(term);
        let (bytes, ends) = (&self.bytes, &self.ends);
        let same = |known: &Numbered| {
            known.hash == hash as u32 && slice(bytes, ends, known.number as usize) == term
        };
        if let Some(known) = self.numbers.find(hash, same) {
            return known.number as usize;
        }
        self.add(term, hash)
    }

    #[cold]
    fn add(&mut self, term: &[u8], hash: u64) -> usize {
        let number = self.ends.len();
        self.bytes.extend_from_slice(term);
        self.ends.push(self.bytes.len());
        let entry = Numbered { hash: hash as u32, number: number as u32 };
        self.numbers.insert_unique(hash, entry, |known| spread(known.hash));
        number
    }

    pub(crate) fn term(&self, number: usize) -> &[u8] {
        slice(&self.bytes, &self.ends, number)
    }

    /// The numbers of all terms, in byte order of the terms.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..self.ends.len() as u32).collect();
        numbers.sort_unstable_by_key(|&number| self.term(number as usize));
        numbers
    }
}

fn slice<'v>(bytes: &'v [u8], ends: &[usize], number: usize) -> &'v [u8] {
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[number]]
}

fn hash(term: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(term);
    spread(hasher.finish() as u32)
}

/// hashbrown looks at both ends of 64 bits; 32 are kept.
fn spread(hash: u32) -> u64 {
    u64::from(hash) | u64::from(hash.wrapping_mul(0x9e37_79b1)) << 32 // Knuth's multiplicative hash
}

/// The postings of one term, in the order of documents.
#[derive(Default)]
pub(crate) struct GrowingList {
    bytes: Vec<u8>,
    written_doc: u32,
    open_doc: u32,
    open_tf: u32,
    doc_freq: u32,
}

impl GrowingList {
    fn count(&mut self, doc: u32) {
        if self.open_doc != doc || self.open_tf == 0 {
            self.write_open_posting();
            self.open_doc = doc;
            self.doc_freq += 1;
        }
        self.open_tf += 1;
    }

    fn write_open_posting(&mut self) {
        let tf = std::mem::take(&mut self.open_tf);
        if tf == 0 {
            return;
        }
        let gap = self.open_doc - self.written_doc;
        self.written_doc = self.open_doc;
        write_vbyte(&mut self.bytes, gap << 1 | u32::from(tf == 1));
        if tf > 1 {
            write_vbyte(&mut self.bytes, tf);
        }
    }

    pub(crate) fn doc_freq(&self) -> u32 {
        self.doc_freq
    }

    /// The pairs `(document, tf)` in the order of documents.
    pub(crate) fn postings(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut rest = &self.bytes[..];
        let mut doc = 0;
        std::iter::from_fn(move || {
            let code = read_vbyte(&mut rest)?;
            doc += code >> 1;
            let tf = if code & 1 == 1 { 1 } else { read_vbyte(&mut rest)? };
            Some((doc, tf))
        })
    }
}

fn write_vbyte(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 128 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_vbyte(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 127) << shift;
        if byte < 128 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postings_come_back_in_order() {
        let mut inverter = Inverter::default();
        for text in ["a b a", "", "b b b b", "a"] {
            text.split_whitespace().for_each(|term| inverter.term(term));
            inverter.end_document();
        }
        let inverted = inverter.finish();
        assert_eq!(inverted.lengths, [3, 0, 4, 1]);
        assert_eq!(inverted.vocabulary.sorted(), [0, 1]);
        assert_eq!(inverted.lists[0].postings().collect::<Vec<_>>(), [(0, 2), (3, 1)]);
        assert_eq!(inverted.lists[1].postings().collect::<Vec<_>>(), [(0, 1), (2, 4)]);
    }

    #[test]
    fn vbytes_read_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u32::MAX];
        let mut bytes = Vec::new();
        for number in numbers {
            write_vbyte(&mut bytes, number);
        }
        let mut rest = &bytes[..];
        let read: Vec<u32> = std::iter::from_fn(|| read_vbyte(&mut rest)).collect();
        assert_eq!(read, numbers);
    }
}
