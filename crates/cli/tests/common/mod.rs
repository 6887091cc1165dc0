//! A `nir` of its own for each test: own cache, own working folder, no network.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "shared by several test programs"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub struct Nir {
    pub folder: TempDir,
}

impl Nir {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A path below the working folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file below the working folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// `nir` with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nir"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NIR_CACHE", self.path("cache"))
            .env("HF_HOME", self.path("hub"))
            .env_remove("COLUMNS")
            .env_remove("NIR_MODELS");
        command
    }

    /// Runs `nir` to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished(self.command(arguments).output().unwrap())
    }
}

pub struct Finished(pub Output);

impl Finished {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Asserts success; gives standard output.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert!(self.0.status.success(), "{}\n{}", self.stdout(), self.stderr());
        self.stdout()
    }

    /// Asserts failure with exactly one error; gives its message.
    #[track_caller]
    pub fn error(&self) -> String {
        let stderr = self.stderr();
        assert!(!self.0.status.success(), "it should have failed:\n{}", self.stdout());
        assert_eq!(stderr.matches("error:").count(), 1, "one error, not:\n{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        stderr
    }
}

/// All files below a folder, sorted, relative to it.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files_below(&path)
                    .into_iter()
                    .map(|below| Path::new(path.file_name().unwrap()).join(below)),
            );
        } else {
            found.push(PathBuf::from(path.file_name().unwrap()));
        }
    }
    found.sort();
    found
}
