//! Archives made to do harm are refused, with nothing left behind.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use nir_data::{UnpackError, unpack};
use tempfile::TempDir;

const MOST: u64 = 1 << 20;

struct Archive {
    folder: TempDir,
    path: PathBuf,
}

fn archive(name: &str, bytes: &[u8]) -> Archive {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    Archive { folder, path }
}

impl Archive {
    fn unpack(&self) -> Result<(), UnpackError> {
        unpack(&self.path, &self.folder.path().join("in/target"), MOST)
    }

    /// The error; nothing may be there but the archive and the lock of the target.
    fn refused(&self) -> UnpackError {
        let error = self.unpack().unwrap_err();
        let left = |folder: &str| fs::read_dir(self.folder.path().join(folder)).unwrap().count();
        assert_eq!((left("."), left("in")), (2, 1), "{error}");
        error
    }
}

/// A tar archive written field by field: the library refuses to write what is to be refused when read.
fn tar(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.extend([0; 1024]);
    out
}

fn zip(entries: &[(&str, bool, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, link, content) in entries {
        let options = zip::write::SimpleFileOptions::default();
        if *link {
            zip.add_symlink(*name, "/etc/passwd", options).unwrap();
        } else {
            zip.start_file(*name, options).unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn good_archives_are_unpacked() {
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    };
    let tar = tar(&[("./a/", b'5', b""), ("./a/b.txt", b'0', b"tea"), ("c.txt", b'0', b"water")]);
    let zip = zip(&[("a/b.txt", false, b"tea"), ("c.txt", false, b"water")]);
    for (name, bytes) in [("x.tar", tar.clone()), ("x.tar.gz", gzip(&tar)), ("x.zip", zip)] {
        let archive = archive(name, &bytes);
        archive.unpack().unwrap();
        let target = archive.folder.path().join("in/target");
        assert_eq!(fs::read_to_string(target.join("a/b.txt")).unwrap(), "tea");
        assert_eq!(fs::read_to_string(target.join("c.txt")).unwrap(), "water");
    }
}

#[test]
fn what_leads_out_of_the_folder_is_refused() {
    for name in ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "a\\..\\..\\out.txt", "C:out.txt"]
    {
        for archive in [
            archive("x.tar", &tar(&[("good.txt", b'0', b"tea"), (name, b'0', b"harm")])),
            archive("x.zip", &zip(&[("good.txt", false, b"tea"), (name, false, b"harm")])),
        ] {
            let error = archive.refused();
            assert!(matches!(error, UnpackError::LeadsOut { .. }), "{name}: {error}");
        }
    }
}

#[test]
fn links_and_devices_are_refused() {
    // Hard link, symbolic link, character device, block device, pipe.
    for kind in *b"12346" {
        let error = archive("x.tar", &tar(&[("link", kind, b"")])).refused();
        assert!(matches!(error, UnpackError::NoFile { .. }), "{error}");
    }
    let error = archive("x.zip", &zip(&[("link", true, b"")])).refused();
    assert!(matches!(error, UnpackError::NoFile { .. }), "{error}");
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_disk() {
    let zeros = vec![0; 2 * MOST as usize];
    let half = &zeros[..600_000];
    for archive in [
        archive("one.zip", &zip(&[("zeros", false, &zeros)])),
        archive("two.zip", &zip(&[("a", false, half), ("b", false, half)])),
        archive("two.tar", &tar(&[("a", b'0', half), ("b", b'0', half)])),
    ] {
        assert!(fs::metadata(&archive.path).is_ok());
        let error = archive.refused();
        assert!(matches!(error, UnpackError::TooLarge { most: MOST, .. }), "{error}");
    }
}

#[test]
fn an_entry_that_comes_twice_is_refused() {
    let error = archive("x.tar", &tar(&[("a", b'0', b"one"), ("./a", b'0', b"two")])).refused();
    assert!(matches!(error, UnpackError::Twice { .. }), "{error}");
}

#[test]
fn a_damaged_archive_leaves_nothing_behind() {
    let whole = zip(&[("a", false, &[7; 5_000]), ("b", false, &[8; 5_000])]);
    archive("x.zip", &whole[..whole.len() / 2]).refused();
    let whole = tar(&[("a", b'0', &[7; 5_000])]);
    archive("x.tar", &whole[..2_000]).refused();
}
