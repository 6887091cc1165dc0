//! How much of a file is believed: limits on lines, documents and what a packed file may hold.
//!
//! | what                                   | at most                                                            |
//! |----------------------------------------|--------------------------------------------------------------------|
//! | a line of judgements or of a run       | 16 MiB                                                             |
//! | a line or record of a collection       | 256 MiB                                                            |
//! | what a compressed file unpacks to      | 256 MiB, or 100 times its own size where that is more, never 1 TiB |
//! | the text of a parquet file             | the same, and 2 GiB for a page                                     |
//! | the dictionary of an xz file           | 256 MiB                                                            |
//!
//! Text packs 3 to 20 times smaller. Whoever has an honest file beyond a limit unpacks it and names the plain file.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest length of a line of judgements or of a run, in bytes.
pub(crate) const JUDGEMENT_LINE: usize = 16 << 20;
/// The largest length of a line or a record of a collection, in bytes.
pub(crate) const DOCUMENT: usize = 256 << 20;
/// The largest dictionary that an xz file may ask for, in KiB.
pub(crate) const XZ_DICTIONARY_KIB: u32 = 257 << 10; // with what the decoder itself needs

/// A limit that was exceeded; inside an [`io::Error`] where a reader stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    /// A line is longer than this many bytes.
    #[error("a line of more than {} MiB; is this a text file with line ends?", .0 >> 20)]
    Line(usize),
    /// A record of several lines is longer than this many bytes.
    #[error("a record of more than {} MiB; is its end missing?", .0 >> 20)]
    Record(usize),
    /// A packed file unpacks to more than it may.
    #[error(
        "it unpacks to more than {plain} bytes out of {packed}; if the file is what it should be, unpack it yourself \
         and name the plain file"
    )]
    Expansion {
        /// The number of bytes that were unpacked.
        plain: u64,
        /// The number of bytes of the packed file that were read for it.
        packed: u64,
    },
}

impl From<Exceeded> for io::Error {
    fn from(exceeded: Exceeded) -> Self {
        Self::new(io::ErrorKind::InvalidData, exceeded)
    }
}

/// Whether reading stopped at a limit and not at something broken.
pub(crate) fn is_exceeded(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Exceeded>)
}

/// The limit on how much a packed file may unpack to, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expansion {
    /// The size that is always accepted, however small the packed file is.
    pub(crate) always: u64,
    /// The number of bytes that are accepted for each byte of the packed file.
    pub(crate) ratio: u64,
    /// The size that is never exceeded.
    pub(crate) most: u64,
}

impl Expansion {
    pub(crate) const USUAL: Self = Self { always: 256 << 20, ratio: 100, most: 1 << 40 };

    /// Refuses `plain` bytes that were unpacked from `packed` bytes if they exceed the limit.
    pub(crate) fn check(&self, plain: u64, packed: u64) -> Result<(), Exceeded> {
        let allowed = packed.saturating_mul(self.ratio).clamp(self.always, self.most);
        if plain > allowed { Err(Exceeded::Expansion { plain, packed }) } else { Ok(()) }
    }
}

/// A packed stream that counts the bytes that are read from it.
pub(crate) struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub(crate) fn new(inner: R) -> (Self, Arc<AtomicU64>) {
        let taken = Arc::new(AtomicU64::new(0));
        (Self { inner, taken: Arc::clone(&taken) }, taken)
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.taken.fetch_add(amount as u64, Ordering::Relaxed);
        self.inner.consume(amount);
    }
}

/// The output of a decoder over a [`Counted`] stream, up to the limit.
pub(crate) struct Unpacked<R> {
    inner: R,
    packed: Arc<AtomicU64>,
    plain: u64,
    limit: Expansion,
}

impl<R> Unpacked<R> {
    pub(crate) fn new(inner: R, packed: Arc<AtomicU64>, limit: Expansion) -> Self {
        Self { inner, packed, plain: 0, limit }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.plain += read as u64;
        self.limit.check(self.plain, self.packed.load(Ordering::Relaxed))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Expansion = Expansion { always: 1000, ratio: 10, most: 20_000 };

    #[test]
    fn a_file_may_hold_the_floor_then_the_ratio_and_never_more_than_the_most() {
        assert_eq!(SMALL.check(1000, 1), Ok(()));
        assert_eq!(SMALL.check(1001, 1), Err(Exceeded::Expansion { plain: 1001, packed: 1 }));
        assert_eq!(SMALL.check(5000, 500), Ok(()));
        assert!(SMALL.check(5001, 500).is_err());
        assert_eq!(SMALL.check(20_000, 1 << 40), Ok(()));
        assert!(SMALL.check(20_001, 1 << 40).is_err());
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_an_honest_file_does_not() {
        let unpack = |text: &[u8]| {
            let packed = zstd::encode_all(text, 3).unwrap();
            let (counted, taken) = Counted::new(io::BufReader::new(io::Cursor::new(packed)));
            let decoder = zstd::Decoder::with_buffer(counted).unwrap();
            let mut plain = Vec::new();
            Unpacked::new(decoder, taken, SMALL).read_to_end(&mut plain).map(|_| plain)
        };
        let honest: Vec<u8> = (0..5000_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        assert_eq!(unpack(&honest).unwrap(), honest);
        let error = unpack(&vec![b'a'; 100_000]).unwrap_err();
        assert!(is_exceeded(&error) && error.to_string().contains("unpack it yourself"), "{error}");
    }
}
