//! Checksums of files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::manifest::RemoteFile;

/// The size and the checksums of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sums {
    /// The size in bytes.
    pub bytes: u64,
    /// The MD5 checksum, in hexadecimal, which older collections publish. It detects a broken download, not a forged
    /// one.
    pub md5: String,
    /// The SHA-256 checksum, in hexadecimal.
    pub sha256: String,
}

/// A file is not the one that its manifest describes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its {what} is {actual}, the manifest says {expected}")]
pub struct Mismatch {
    /// What differs: `size`, `md5` or `sha256`.
    pub what: &'static str,
    /// The value of the file.
    pub actual: String,
    /// The value in the manifest.
    pub expected: String,
}

impl Sums {
    /// Reads a file once and computes all of its sums.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut md5, mut sha256) = (md5::Md5::new(), sha2::Sha256::new());
        let mut buffer = vec![0; 1 << 18];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            md5.update(&buffer[..read]);
            sha256.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self { bytes, md5: hex(&md5.finalize()), sha256: hex(&sha256.finalize()) })
    }

    /// Whether this is the file of the manifest, as far as the manifest knows it.
    pub fn check(&self, file: &RemoteFile) -> Result<(), Mismatch> {
        let size = file.bytes.map(|bytes| bytes.to_string());
        compare("size", &self.bytes.to_string(), size.as_deref())?;
        compare("sha256", &self.sha256, file.sha256.as_deref())?;
        compare("md5", &self.md5, file.md5.as_deref())
    }
}

fn compare(what: &'static str, actual: &str, expected: Option<&str>) -> Result<(), Mismatch> {
    match expected {
        Some(expected) if expected != actual => {
            Err(Mismatch { what, actual: actual.into(), expected: expected.into() })
        }
        _ => Ok(()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_of_abc_are_those_of_the_standards() {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&path, "abc").unwrap();
        let sums = Sums::of(path.path()).unwrap();
        assert_eq!(sums.md5, "900150983cd24fb0d6963f7d28e17f72"); // RFC 1321, appendix A.5
        assert!(sums.sha256.starts_with("ba7816bf8f01cfea")); // FIPS 180-2, appendix B.1
        assert_eq!(sums.bytes, 3);
    }
}
