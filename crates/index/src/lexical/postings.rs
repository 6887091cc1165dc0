//! Postings as tantivy lays them down, read block by block and only where needed.
//!
//! A list of `df` documents is `⌊df / 128⌋` full blocks and a rest. tantivy's own cursor walks the skip entries one
//! after another and unpacks frequencies with every block; ours finds a block by binary search, and unpacks
//! frequencies only for a block that has a document of interest.
//!
//! ```text
//! df ≥ 128:  vint(8 · blocks) · skip entries · packed blocks · rest          df < 128:  rest
//! skip entry = last document (u32) · bits of gaps | 64 · bits of tf · norm · tf      (8 bytes)
//! block      = 128 gaps - 1, packed · 128 (tf - 1), packed                           (BitPacker4x)
//! rest       = vint gaps · vint tf                    (seven bits a byte, the last with its high bit set)
//! ```

use bitpacking::{BitPacker, BitPacker4x};

use super::segment::BLOCK;

const SKIP_ENTRY: usize = 8;
/// The bit by which tantivy marks that gaps are stored minus one.
const LESS_ONE: u8 = 64;

/// The postings of one term.
#[derive(Clone, Copy)]
pub(crate) struct PostingList<'i> {
    /// The number of documents that have the term.
    pub(crate) doc_freq: u32,
    skips: &'i [u8],
    packed: &'i [u8],
    /// The position at which each full block begins in `packed`, in units of 16 bytes.
    offsets: &'i [u32],
}

/// One block, unpacked. Frequencies are unpacked when first asked for.
pub(crate) struct Block {
    docs: [u32; BLOCK],
    freqs: [u32; BLOCK],
    len: usize,
    packed_freqs: Option<PackedFreqs>,
}

#[derive(Clone, Copy)]
struct PackedFreqs {
    start: usize,
    bits: u8,
}

impl<'i> PostingList<'i> {
    pub(crate) fn new(doc_freq: u32, bytes: &'i [u8], offsets: &'i [u32]) -> Self {
        let blocks = doc_freq as usize / BLOCK;
        if blocks == 0 {
            return Self { doc_freq, skips: &[], packed: bytes, offsets };
        }
        let mut rest = bytes;
        let skip_len = read_vint(&mut rest) as usize;
        debug_assert_eq!(skip_len, blocks * SKIP_ENTRY, "tantivy's format is another");
        let (skips, packed) = rest.split_at(skip_len);
        Self { doc_freq, skips, packed, offsets }
    }

    /// The number of blocks, including the incomplete last one.
    pub(crate) fn blocks(&self) -> usize {
        (self.doc_freq as usize).div_ceil(BLOCK)
    }

    fn full_blocks(&self) -> usize {
        self.doc_freq as usize / BLOCK
    }

    fn skip(&self, block: usize) -> &'i [u8] {
        &self.skips[block * SKIP_ENTRY..][..SKIP_ENTRY]
    }

    /// The last document of a block; that of the rest is not known before it is read.
    pub(crate) fn last_doc(&self, block: usize) -> u32 {
        if block >= self.full_blocks() {
            return u32::MAX;
        }
        let entry = self.skip(block);
        u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]])
    }

    /// The document before the first of a block, 0 for the first block.
    pub(crate) fn base(&self, block: usize) -> u32 {
        block.checked_sub(1).map_or(0, |before| self.last_doc(before))
    }

    /// Unpacks the documents of a block.
    pub(crate) fn read(&self, block: usize, out: &mut Block) {
        if block < self.full_blocks() {
            self.read_full(block, out);
        } else {
            self.read_rest(out);
        }
    }

    fn read_full(&self, block: usize, out: &mut Block) {
        let entry = self.skip(block);
        let bits = entry[4] & !LESS_ONE;
        let start = self.offsets[block] as usize * 16;
        let base = (block > 0).then(|| self.base(block));
        let read = BitPacker4x::new().decompress_strictly_sorted(
            base,
            &self.packed[start..],
            &mut out.docs,
            bits,
        );
        out.len = BLOCK;
        out.packed_freqs = Some(PackedFreqs { start: start + read, bits: entry[5] });
    }

    fn read_rest(&self, out: &mut Block) {
        let blocks = self.full_blocks();
        let mut bytes = &self.packed[self.offsets[blocks] as usize * 16..];
        let mut doc = self.base(blocks);
        out.len = self.doc_freq as usize % BLOCK;
        for slot in &mut out.docs[..out.len] {
            doc += read_vint(&mut bytes);
            *slot = doc;
        }
        for slot in &mut out.freqs[..out.len] {
            *slot = read_vint(&mut bytes);
        }
        out.packed_freqs = None;
    }

    /// How often a document has the term; none where it does not.
    pub(crate) fn freq(&self, doc: u32) -> Option<u32> {
        let block = (0..self.blocks()).find(|&block| self.last_doc(block) >= doc)?;
        let mut out = Block::empty();
        self.read(block, &mut out);
        self.read_freqs(&mut out);
        let at = out.docs().binary_search(&doc).ok()?;
        Some(out.freqs()[at])
    }

    /// Unpacks the frequencies of the block that `out` holds.
    pub(crate) fn read_freqs(&self, out: &mut Block) {
        if let Some(PackedFreqs { start, bits }) = out.packed_freqs.take() {
            BitPacker4x::new().decompress(&self.packed[start..], &mut out.freqs, bits);
            out.freqs.iter_mut().for_each(|tf| *tf += 1);
        }
    }
}

impl Block {
    pub(crate) fn empty() -> Self {
        Self { docs: [0; BLOCK], freqs: [0; BLOCK], len: 0, packed_freqs: None }
    }

    /// The documents of the block, in order.
    pub(crate) fn docs(&self) -> &[u32] {
        &self.docs[..self.len]
    }

    /// The frequencies of the block, once they were read.
    pub(crate) fn freqs(&self) -> &[u32] {
        debug_assert!(self.packed_freqs.is_none(), "frequencies were not read");
        &self.freqs[..self.len]
    }
}

/// The positions at which the blocks of a list begin, in units of 16 bytes; the last block is the incomplete one.
pub(crate) fn offsets(doc_freq: u32, bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let list = PostingList::new(doc_freq, bytes, &[]);
    let sizes = (0..list.full_blocks()).map(move |block| {
        let entry = list.skip(block);
        u32::from(entry[4] & !LESS_ONE) + u32::from(entry[5]) // 128 numbers of n bits are n times 16 bytes
    });
    std::iter::once(0).chain(sizes.scan(0, |offset, size| {
        *offset += size;
        Some(*offset)
    }))
}

fn read_vint(bytes: &mut &[u8]) -> u32 {
    let mut number = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        number |= u32::from(byte & 127) << (7 * i as u32);
        if byte >= 128 {
            *bytes = &bytes[i + 1..];
            return number;
        }
    }
    panic!("tantivy's postings end inside a number")
}
