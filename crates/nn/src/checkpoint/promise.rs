//! What the hub says of a file before it sends it, and whether a file is that.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use ureq::http::HeaderMap;

use super::error::{CheckpointError, io_at};

/// The hash and the length that the hub announces for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    /// The hash, which is also the name of the content in the cache: 64 digits are SHA-256, which large files have; 40
    /// are git's SHA-1, which all others have.
    pub(super) etag: String,
    /// The length in bytes.
    pub(super) size: u64,
}

impl Promise {
    /// Reads the headers of the answer to a `HEAD`. The `X-Linked` headers describe the file also where the answer is a
    /// redirect; the other headers describe it only where the answer is none.
    pub(super) fn read(headers: &HeaderMap, redirects: bool) -> Option<Self> {
        let own = |name: &str| header(headers, name).filter(|_| !redirects);
        let etag = header(headers, "x-linked-etag").or_else(|| own("etag"))?;
        let etag = etag.trim_start_matches("W/").trim_matches('"');
        let size = header(headers, "x-linked-size").or_else(|| own("content-length"))?;
        let size = size.parse().ok()?;
        is_hash(etag).then(|| Self { etag: etag.to_owned(), size })
    }

    /// The kind of hash: `sha256` or `git sha1`.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_sha256() { "sha256" } else { "git sha1" }
    }

    /// Computes the hash of the same kind over the file at `path`.
    pub(super) fn hash(&self, path: &Path) -> io::Result<String> {
        let file = File::open(path)?;
        if self.is_sha256() {
            return digest(Sha256::new(), file);
        }
        // Git hashes a file with its length before it.
        let start = format!("blob {}\0", file.metadata()?.len());
        digest(Sha1::new_with_prefix(start), file)
    }

    fn is_sha256(&self) -> bool {
        self.etag.len() == 64
    }
}

/// The SHA-256 of a file, in hexadecimal.
pub fn sha256(path: &Path) -> Result<String, CheckpointError> {
    File::open(path).and_then(|file| digest(Sha256::new(), file)).map_err(io_at(path))
}

/// Whether the text is a hash of one of the two kinds. It becomes the name of a file, so nothing else is accepted.
pub(super) fn is_hash(etag: &str) -> bool {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    matches!(etag.len(), 40 | 64) && etag.bytes().all(digit)
}

fn digest(mut hasher: impl Digest, mut file: File) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// The value of a header; `None` if it is absent or no text.
pub(super) fn header<'r>(headers: &'r HeaderMap, name: &str) -> Option<&'r str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hello | git hash-object --stdin`
    const HELLO: &str = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_redirect_speaks_of_the_file_only_in_linked_headers() {
        let linked = [("x-linked-etag", HELLO), ("x-linked-size", "5"), ("content-length", "99")];
        let expected = Some(Promise { etag: HELLO.to_owned(), size: 5 });
        assert_eq!(Promise::read(&headers(&linked), true), expected);
        assert_eq!(Promise::read(&headers(&linked), false), expected);
        let own =
            [("etag", "W/\"b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0\""), ("content-length", "5")];
        assert_eq!(Promise::read(&headers(&own), false), expected);
        assert_eq!(Promise::read(&headers(&own), true), None);
    }

    #[test]
    fn what_is_no_hash_is_no_promise() {
        for odd in ["../../x", "", "B6FC4C620B67D95F953A5C1C1230AAAB5DB5A1B0", &HELLO[1..]] {
            let mut headers = headers(&[("content-length", "5")]);
            headers.insert("etag", odd.parse().unwrap());
            assert_eq!(Promise::read(&headers, false), None, "{odd}");
        }
    }

    #[test]
    fn the_kind_of_hash_is_told_by_its_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let of = |etag: &str| Promise { etag: etag.to_owned(), size: 5 };
        assert_eq!(of(HELLO).hash(file.path()).unwrap(), HELLO);
        // printf hello | sha256sum
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(of(sha256).hash(file.path()).unwrap(), sha256);
    }
}
