//! Names for content: two things with the same digest are the same bytes.

use std::fmt;

/// A BLAKE3 digest of some content: a config, a collection, an index, a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The BLAKE3 digest of the bytes of `content`.
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        Self(*blake3::hash(content.as_ref()).as_bytes())
    }

    /// The digest as 64 hexadecimal digits in lower case.
    pub fn hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// The first 16 of the 64 hexadecimal digits. They are used where a person reads a digest and in the names of folders.
    pub fn short(&self) -> String {
        self.hex()[..16].to_owned()
    }

    /// Its first 8 bytes as a number: the seed of draws that depend on the content alone.
    pub fn number(&self) -> u64 {
        let [first, ..] = self.0.as_chunks::<8>().0 else { unreachable!("a digest has 32 bytes") };
        u64::from_be_bytes(*first)
    }

    /// Reads the 64 hexadecimal digits that [`Digest::hex`] gives; `None` where `hex` is anything else.
    pub fn from_hex(hex: &str) -> Option<Self> {
        blake3::Hash::from_hex(hex).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// Builds a [`Digest`] from several parts, each with its length, so that `ab + c` and `a + bc` differ.
#[derive(Default)]
pub struct Hasher {
    hasher: blake3::Hasher,
    /// Parts not yet hashed: BLAKE3 is several times faster over many kilobytes than over one line.
    pending: Vec<u8>,
}

const PENDING: usize = 64 << 10;

impl Hasher {
    /// Starts a digest whose first part is `kind`, so that the same parts under another `kind` give another digest.
    pub fn new(kind: &str) -> Self {
        let mut hasher = Self::default();
        hasher.part(kind);
        hasher
    }

    /// Adds the length and the bytes of one part; the order of the parts matters.
    pub fn part(&mut self, part: impl AsRef<[u8]>) -> &mut Self {
        let part = part.as_ref();
        self.add(&(part.len() as u64).to_le_bytes());
        self.add(part);
        self
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.pending.len() + bytes.len() > PENDING {
            self.hasher.update(&self.pending);
            self.pending.clear();
        }
        if bytes.len() > PENDING {
            self.hasher.update(bytes);
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }

    /// The digest of all parts that were added until now.
    pub fn digest(&self) -> Digest {
        Digest(*self.hasher.clone().update(&self.pending).finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_the_short_form() {
        let digest = Digest::of("tea");
        assert_eq!(format!("{:016x}", digest.number()), digest.short());
    }

    #[test]
    fn parts_do_not_run_together() {
        let of = |parts: &[&str]| {
            let mut hasher = Hasher::new("test");
            for part in parts {
                hasher.part(part);
            }
            hasher.digest()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }

    #[test]
    fn parts_of_any_length_hash_as_if_written_one_after_the_other() {
        let (long, short) = (vec![b'l'; PENDING + 1], vec![b's'; PENDING / 2]);
        let parts = [&b"test"[..], &short, &long, &short, &short, b"", &short];
        let mut hasher = Hasher::default();
        let mut bytes = Vec::new();
        for part in parts {
            hasher.part(part);
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        assert_eq!(hasher.digest(), Digest::of(bytes));
    }

    #[test]
    fn hex_reads_back() {
        let digest = Digest::of("nir");
        assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        assert_eq!(Digest::from_hex("no"), None);
    }
}
