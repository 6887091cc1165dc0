//! Names of what is open already: `/dev/stdin`, `/dev/fd/63`, `/proc/self/fd/1`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An open file of a process, as a path below `/proc` or `/dev/fd` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// An open file of this process, by its number.
    Own(u32),
    /// An open file of another process.
    Foreign,
}

impl Descriptor {
    pub(crate) const STANDARD_INPUT: Self = Self::Own(0);
    pub(crate) const STANDARD_OUTPUT: Self = Self::Own(1);

    /// The descriptor that a path leads to; `None` for files, devices, and what is not there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Self::named(&followed(path).ok()?)
    }

    /// The descriptor whose name `path` is: it lies in `/proc/<process>/fd`, or in `/dev/fd` on other systems.
    pub(crate) fn named(path: &Path) -> Option<Self> {
        let folder = fs::canonicalize(parent(path)).ok()?;
        let own = format!("/proc/{}/fd", std::process::id());
        let own = folder == Path::new("/dev/fd") || folder == Path::new(&own);
        if own {
            return path.file_name()?.to_str()?.parse().ok().map(Self::Own);
        }
        (folder.starts_with("/proc") && folder.ends_with("fd")).then_some(Self::Foreign)
    }
}

/// Whether `path` is standard input, by the name `-` or by a name of its descriptor.
pub fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-" || Descriptor::of(path) == Some(Descriptor::STANDARD_INPUT)
}

/// Whether `path` is standard output, by the name `-` or by a name of its descriptor.
pub fn is_standard_output(path: &Path) -> bool {
    path.as_os_str() == "-" || Descriptor::of(path) == Some(Descriptor::STANDARD_OUTPUT)
}

/// The number of symbolic links that are followed, as Linux does.
const MOST_LINKS: usize = 40;

/// The path that the last name of `path` leads to, link by link. It stops at a descriptor, whose link names what is
/// open and is no path to it.
pub(crate) fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let is_link = fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink());
        if !is_link || Descriptor::named(&path).is_some() {
            return Ok(path);
        }
        path = parent(&path).join(fs::read_link(&path)?);
    }
    Err(io::Error::other("too many links, or links in a circle"))
}

/// The folder that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_and_output_have_several_names() {
        for name in ["-", "/dev/stdin", "/dev/fd/0"] {
            assert!(is_standard_input(Path::new(name)), "{name}");
        }
        for name in ["-", "/dev/stdout", "/dev/fd/1"] {
            assert!(is_standard_output(Path::new(name)), "{name}");
        }
        for name in ["1", "fd/1", "/dev/stderr", "/dev/null"] {
            assert!(!is_standard_output(Path::new(name)), "{name}");
            assert!(!is_standard_input(Path::new(name)), "{name}");
        }
    }
}
