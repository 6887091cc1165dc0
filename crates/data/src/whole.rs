//! Files that the user or the program names as output, written whole or not at all.
//!
//! | what lies at the path | what happens |
//! |---|---|
//! | nothing | the file is made, and the folders above it |
//! | a file | it is replaced whole, and keeps its mode and its owner |
//! | a link | the link stays, and what it leads to is treated as this table says |
//! | a device, a FIFO, an open descriptor (`/dev/stdout`, `/dev/fd/3`, `>(…)`) | it is written to |
//! | a folder | an error |
//!
//! `-` is standard output. A name that ends in `.gz` or `.zst` gets the content in that compression.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::descriptor::{Descriptor, followed, is_standard_output, parent};
use crate::open::BUFFER;
use crate::unfinished::Guard;

/// The writer that receives the content of an output.
pub type Output<'a> = BufWriter<&'a mut dyn Write>;

/// Writes `content` to `path`, as the table of this module says. A reader of a file sees the old one or the new one,
/// never half, also after a power cut.
pub fn write_whole(
    path: &Path,
    content: impl FnOnce(&mut Output<'_>) -> io::Result<()>,
) -> Result<(), OpenError> {
    let compressed = |to: &mut dyn Write| compress(path, to, content);
    Target::of(path)
        .and_then(|target| target.write(compressed))
        .map_err(|source| OpenError { path: path.to_owned(), source })
}

/// Copies a file; the copy is complete or does not exist, as with [`write_whole`].
pub fn copy_whole(from: &Path, to: &Path) -> Result<(), OpenError> {
    let bytes = fs::read(from).map_err(|source| OpenError { path: from.to_owned(), source })?;
    write_whole(to, |file| file.write_all(&bytes))
}

/// Refuses what [`write_whole`] cannot write to, before the work is done whose outcome is to be written.
pub fn check_output(path: &Path) -> Result<(), OpenError> {
    Target::of(path).map(drop).map_err(|source| OpenError { path: path.to_owned(), source })
}

/// What a path leads to.
enum Target {
    StandardOutput,
    /// Written to where it is: a device, a FIFO, or an open descriptor.
    Stream(PathBuf),
    /// A file, which is replaced as a whole.
    File {
        path: PathBuf,
        before: Option<Metadata>,
    },
}

impl Target {
    fn of(named: &Path) -> io::Result<Self> {
        if is_standard_output(named) {
            return Ok(Self::StandardOutput);
        }
        let path = followed(named)?;
        if Descriptor::named(&path).is_some() {
            return Ok(Self::Stream(path));
        }
        match fs::metadata(&path) {
            Ok(data) if data.is_dir() => Err(is_folder()),
            Ok(data) if data.is_file() => Self::existing(path, data),
            Ok(_) => Ok(Self::Stream(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::new(path),
            Err(error) => Err(error),
        }
    }

    /// A file that may not be written to is not replaced either, though the folder would allow it.
    fn existing(path: PathBuf, before: Metadata) -> io::Result<Self> {
        File::options().append(true).open(&path)?;
        Ok(Self::File { path, before: Some(before) })
    }

    fn new(path: PathBuf) -> io::Result<Self> {
        let names_folder = path.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
        match path.file_name() {
            Some(_) if !names_folder => Ok(Self::File { path, before: None }),
            _ => Err(is_folder()),
        }
    }

    fn write(self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::StandardOutput => {
                let mut out = io::stdout().lock();
                content(&mut out)?;
                out.flush()
            }
            // Appending: what a shell has opened for several programs is not written over.
            Self::Stream(path) => content(&mut File::options().append(true).open(path)?),
            Self::File { path, before } => {
                let made = Folders::make(parent(&path))?;
                replace(&path, before.as_ref(), content)?;
                made.keep();
                Ok(())
            }
        }
    }
}

fn is_folder() -> io::Error {
    io::Error::new(ErrorKind::IsADirectory, "this is a folder: expected the name of a file")
}

/// Writes a neighbour under a name that nobody has, and gives it the name of `path` when all of it is on the disk.
fn replace(
    path: &Path,
    before: Option<&Metadata>,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let folder = parent(path);
    let (guard, mut file) = neighbour(folder)?;
    content(&mut file)?;
    before.map_or(Ok(()), |before| resemble(&file, before))?;
    file.sync_all()?;
    fs::rename(guard.path(), path)?;
    guard.keep();
    sync_folder(folder)
}

/// A new file, hidden, with the mode that the umask gives.
fn neighbour(folder: &Path) -> io::Result<(Guard, File)> {
    let mut names = tempfile::Builder::new();
    let names = names.prefix(".nir-").suffix(".tmp").disable_cleanup(true);
    let new =
        names.make_in(folder, |path| Guard::making(path, |path| File::create_new(path))).map_err(
            |error| io::Error::new(error.kind(), format!("no file can be made there: {error}")),
        );
    new.map(|new| new.into_parts().0)
}

/// Writes `content` as the name of the file promises it. The bytes depend on nothing else: no time is written.
fn compress(
    path: &Path,
    to: &mut dyn Write,
    content: impl FnOnce(&mut Output<'_>) -> io::Result<()>,
) -> io::Result<()> {
    match path.extension().and_then(|end| end.to_str()) {
        Some("gz") => {
            let mut to = flate2::write::GzEncoder::new(to, flate2::Compression::default());
            buffered(&mut to, content)?;
            to.finish().map(drop)
        }
        Some("zst") => {
            let mut to = zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            buffered(&mut to, content)?;
            to.finish().map(drop)
        }
        _ => buffered(to, content),
    }
}

fn buffered(
    to: &mut dyn Write,
    content: impl FnOnce(&mut Output<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = BufWriter::with_capacity(BUFFER, to);
    content(&mut buffer)?;
    buffer.flush()
}

/// Gives a file the mode of the one that it replaces, and its owner if the system allows that.
fn resemble(file: &File, before: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            // Only an administrator may give a file away; anyone else's is a new file in a folder that they may write to.
            let _ = fchown(file, Some(before.uid()), Some(before.gid()));
        }
    }
    file.set_permissions(before.permissions())
}

/// Makes the entries of a folder durable on disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Other systems do not open folders as files.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Folders that were missing, the deepest first; removed unless they are kept.
struct Folders(Vec<PathBuf>);

impl Folders {
    fn make(folder: &Path) -> io::Result<Self> {
        let missing = folder.ancestors().take_while(|folder| !folder.exists());
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(folder)?;
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // One that another process has put something into stays.
        self.0.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), OpenError> {
        write_whole(path, |to| to.write_all(text.as_bytes()))
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_breaks_off_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/run.trec");
        put(&path, "old").unwrap();
        let broken = write_whole(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(broken.unwrap_err().to_string().ends_with("run.trec: no more"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(path.parent().unwrap()), ["run.trec"]);
    }

    #[test]
    fn what_breaks_off_leaves_no_folder_either() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/newer/run.trec");
        assert!(write_whole(&path, |_| Err(io::Error::other("no more"))).is_err());
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn a_folder_is_refused_whether_it_is_there_or_only_named() {
        let root = tempfile::tempdir().unwrap();
        let expected = "this is a folder: expected the name of a file";
        for path in [root.path().to_owned(), root.path().join("new/"), root.path().join("..")] {
            assert!(check_output(&path).unwrap_err().to_string().ends_with(expected));
            assert!(put(&path, "").unwrap_err().to_string().ends_with(expected));
        }
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn an_ending_is_what_it_says() {
        let root = tempfile::tempdir().unwrap();
        for (name, magic) in [("run.gz", &[0x1f, 0x8b][..]), ("run.zst", &[0x28, 0xb5, 0x2f, 0xfd])]
        {
            let path = root.path().join(name);
            put(&path, "q1 Q0 d1 1 2 t\n").unwrap();
            assert!(fs::read(&path).unwrap().starts_with(magic));
            let mut text = String::new();
            crate::open(&path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "q1 Q0 d1 1 2 t\n");
            let first = fs::read(&path).unwrap();
            put(&path, "q1 Q0 d1 1 2 t\n").unwrap();
            assert_eq!(fs::read(&path).unwrap(), first);
        }
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        use std::process::Command;

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o7777
        }

        #[test]
        fn a_link_stays_and_its_target_is_replaced_whole() {
            let root = tempfile::tempdir().unwrap();
            let store = root.path().join("store");
            fs::create_dir(&store).unwrap();
            fs::write(store.join("real"), "old").unwrap();
            symlink("store/real", root.path().join("near")).unwrap();
            symlink("near", root.path().join("far")).unwrap();
            let (far, reader) = (root.path().join("far"), File::open(store.join("real")).unwrap());
            put(&far, "new").unwrap();
            assert!(far.is_symlink() && root.path().join("near").is_symlink());
            assert_eq!(fs::read_to_string(store.join("real")).unwrap(), "new");
            // Replaced and not written over: who reads the old one goes on reading it.
            assert_eq!(io::read_to_string(reader).unwrap(), "old");
            assert_eq!(names(&store), ["real"]);
        }

        #[test]
        fn a_link_to_nothing_yet_makes_what_it_names() {
            let root = tempfile::tempdir().unwrap();
            symlink("real", root.path().join("link")).unwrap();
            put(&root.path().join("link"), "new").unwrap();
            assert!(root.path().join("link").is_symlink());
            assert_eq!(fs::read_to_string(root.path().join("real")).unwrap(), "new");
        }

        #[test]
        fn links_in_a_circle_are_an_error() {
            let root = tempfile::tempdir().unwrap();
            symlink("b", root.path().join("a")).unwrap();
            symlink("a", root.path().join("b")).unwrap();
            assert!(put(&root.path().join("a"), "").is_err());
        }

        #[test]
        fn a_mode_is_kept_and_a_new_file_gets_that_of_the_umask() {
            let root = tempfile::tempdir().unwrap();
            let (old, plain) = (root.path().join("old"), root.path().join("plain"));
            File::create(&plain).unwrap();
            for wanted in [0o600, 0o640, 0o755] {
                fs::write(&old, "").unwrap();
                fs::set_permissions(&old, fs::Permissions::from_mode(wanted)).unwrap();
                put(&old, "new").unwrap();
                assert_eq!(mode(&old), wanted);
            }
            put(&root.path().join("new"), "").unwrap();
            assert_eq!(mode(&root.path().join("new")), mode(&plain));
        }

        #[test]
        fn a_fifo_is_written_to_and_stays_one() {
            let root = tempfile::tempdir().unwrap();
            let fifo = root.path().join("fifo.gz");
            assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
            let reader = std::thread::spawn({
                let fifo = fifo.clone();
                move || {
                    let mut text = String::new();
                    crate::open(&fifo).unwrap().read_to_string(&mut text).unwrap();
                    text
                }
            });
            put(&fifo, "a line\n").unwrap();
            assert_eq!(reader.join().unwrap(), "a line\n");
            assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
            assert_eq!(names(root.path()), ["fifo.gz"]);
        }

        #[test]
        fn a_device_is_written_to_and_stays_one() {
            // Never the machine's own: where this program may not make a device, there is none to test with.
            let root = tempfile::tempdir().unwrap();
            let null = root.path().join("null");
            let made = Command::new("mknod").arg(&null).args(["c", "1", "3"]).output();
            if !made.is_ok_and(|made| made.status.success()) || File::create(&null).is_err() {
                eprintln!("skipped: no device can be made here");
                return;
            }
            put(&null, "nothing").unwrap();
            assert!(fs::symlink_metadata(&null).unwrap().file_type().is_char_device());
            assert_eq!(names(root.path()), ["null"]);
        }

        #[test]
        #[cfg(target_os = "linux")]
        fn an_open_descriptor_is_written_to_and_its_file_is_not_replaced() {
            use std::os::fd::AsRawFd as _;
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("log");
            fs::write(&path, "before\n").unwrap();
            let open = File::options().append(true).open(&path).unwrap();
            let link = root.path().join("link");
            symlink(format!("/proc/self/fd/{}", open.as_raw_fd()), &link).unwrap();
            put(&link, "after\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "before\nafter\n");
            assert!(link.is_symlink());
        }
    }
}
