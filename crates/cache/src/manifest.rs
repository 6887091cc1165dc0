//! What a finished folder holds: the last file written into it, and the first one read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The file name of the manifest in its folder.
pub const MANIFEST: &str = "manifest.json";
/// The version of the manifest's format. It is raised with every change of the format.
const VERSION: u32 = 1;
/// Files up to this length are read in one piece, larger ones are mapped and read on all threads.
pub(crate) const SMALL: u64 = 1 << 20;

/// The length and the digest of a file of a finished folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The BLAKE3 digest of its content, 64 hexadecimal digits.
    pub blake3: String,
}

/// The description of a finished folder: what it is, and the length and digest of every file in it.
///
/// In its file the manifest stands below a line with the BLAKE3 digest of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    /// The kind of the folder, such as `runs`.
    pub kind: String,
    /// The key of the folder: usually a digest of everything that decides its content.
    pub key: String,
    /// A description in words of what the folder was made from.
    pub recipe: String,
    /// The length and digest of every file, by its path relative to the folder, with `/` between the parts.
    pub files: BTreeMap<String, FileRecord>,
}

impl Manifest {
    /// Describes all files of a folder, and has the disk keep them.
    pub(crate) fn of(folder: &Path, kind: &str, key: &str, recipe: &str) -> io::Result<Self> {
        let paths = files_below(folder)?;
        let record = |path: &PathBuf| {
            sync_file(path)?;
            Ok((name_in(folder, path), FileRecord::of(path)?))
        };
        let files = paths.par_iter().map(record).collect::<io::Result<_>>()?;
        let (kind, key, recipe) = (kind.to_owned(), key.to_owned(), recipe.to_owned());
        Ok(Self { version: VERSION, kind, key, recipe, files })
    }

    /// Writes it into its folder, as the last file; all of it is on disk then.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(MANIFEST);
        let json = serde_json::to_string_pretty(self).expect("strings and numbers are valid JSON");
        let mut file = File::create_new(&path)?;
        write!(file, "{}\n{json}\n", blake3::hash(format!("{json}\n").as_bytes()).to_hex())?;
        file.sync_all()?;
        share(folder, &file, self)?;
        folders_below(folder)?.iter().try_for_each(|folder| sync_folder(folder))
    }

    /// Reads back what [`Manifest::write`] wrote; the error says what is wrong with it.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(folder.join(MANIFEST))
            .map_err(|error| format!("`{MANIFEST}` cannot be read ({error})"))?;
        let (digest, json) = text.split_once('\n').unwrap_or_default();
        if blake3::hash(json.as_bytes()).to_hex().as_str() != digest {
            return Err(format!("`{MANIFEST}` is not as it was written"));
        }
        let manifest: Self = serde_json::from_str(json)
            .map_err(|error| format!("`{MANIFEST}` is of another version ({error})"))?;
        match manifest.version {
            VERSION => Ok(manifest),
            other => Err(format!("`{MANIFEST}` is of version {other}, not {VERSION}")),
        }
    }

    /// The length of all files together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

impl FileRecord {
    fn of(path: &Path) -> io::Result<Self> {
        let bytes = fs::metadata(path)?.len();
        Ok(Self { bytes, blake3: digest(path, bytes)? })
    }

    /// Describes how the file's length differs from the recorded one; `None` if it does not.
    pub(crate) fn wrong_length(&self, found: u64) -> Option<String> {
        (found != self.bytes).then(|| format!("{found} bytes, and {} were written", self.bytes))
    }

    /// Describes how the file's content differs from the recorded one; `None` if it does not.
    pub(crate) fn wrong_content(&self, path: &Path) -> io::Result<Option<String>> {
        let found = digest(path, self.bytes)?;
        let short = |digest: &str| digest[..16.min(digest.len())].to_owned();
        Ok((found != self.blake3).then(|| {
            format!("BLAKE3 {}…, and {}… was written", short(&found), short(&self.blake3))
        }))
    }
}

fn digest(path: &Path, bytes: u64) -> io::Result<String> {
    let hash = match bytes <= SMALL {
        true => blake3::hash(&fs::read(path)?),
        false => blake3::Hasher::new().update_mmap_rayon(path)?.finalize(),
    };
    Ok(hash.to_hex().to_string())
}

/// All files below a folder, at any depth.
pub(crate) fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(below(folder)?.into_iter().filter(|path| !path.is_dir()).collect())
}

/// The folder itself and all folders below it, the deepest first.
fn folders_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> =
        below(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    folders.reverse();
    folders.push(folder.to_owned());
    Ok(folders)
}

/// All files and folders below a folder, each folder before what it holds.
fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let inner = if path.is_dir() { below(&path)? } else { Vec::new() };
        found.push(path);
        found.extend(inner);
    }
    Ok(found)
}

fn name_in(folder: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(folder).expect("it was found below the folder").components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the names in a folder durable, where the system can.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Lets everyone read the files whom the user's umask lets read new files: some libraries write theirs for the
/// owner alone, which locks out the second user of a shared cache.
#[cfg(unix)]
fn share(folder: &Path, new: &File, manifest: &Manifest) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let allowed = new.metadata()?.permissions().mode() & 0o444;
    for name in manifest.files.keys() {
        let path = folder.join(name);
        let mut permissions = fs::metadata(&path)?.permissions();
        if permissions.mode() & allowed != allowed {
            permissions.set_mode(permissions.mode() | allowed);
            fs::set_permissions(&path, permissions)?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn share(_: &Path, _: &File, _: &Manifest) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("a"), "alpha").unwrap();
        fs::write(folder.path().join("below/b"), "").unwrap();
        folder
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let folder = folder();
        let manifest = Manifest::of(folder.path(), "indexes", "abc", "bm25 k1 = 0.9").unwrap();
        assert_eq!(manifest.files.keys().collect::<Vec<_>>(), ["a", "below/b"]);
        assert_eq!(manifest.bytes(), 5);
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);
    }

    #[test]
    fn every_changed_byte_of_a_manifest_is_seen() {
        let folder = folder();
        let path = folder.path().join(MANIFEST);
        Manifest::of(folder.path(), "k", "k", "").unwrap().write(folder.path()).unwrap();
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(Manifest::read(folder.path()).is_err(), "byte {at}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn files_of_a_careful_library_are_shared_as_the_umask_says() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder();
        let (private, public) = (folder.path().join("a"), folder.path().join("below/b"));
        fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
        Manifest::of(folder.path(), "k", "k", "").unwrap().write(folder.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o444;
        assert_eq!(mode(&private), mode(&public));
    }
}
