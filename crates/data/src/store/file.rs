//! The files of a store while they are written.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::StoreError;

const BUFFER: usize = 1 << 20;

/// A file that is being written.
pub(super) struct FileWriter {
    name: &'static str,
    path: PathBuf,
    file: BufWriter<File>,
    /// The number of bytes that were written.
    pub(super) written: u64,
}

/// Creates a file that does not exist yet.
pub(super) fn create(dir: &Path, name: &'static str) -> Result<FileWriter, StoreError> {
    let path = dir.join(name);
    let file = File::create_new(&path).map_err(|error| StoreError::io(&path, error))?;
    Ok(FileWriter { name, path, file: BufWriter::with_capacity(BUFFER, file), written: 0 })
}

impl FileWriter {
    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.written += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| StoreError::io(&self.path, error))
    }

    /// Flushes it to disk, makes it read-only and returns its name and length.
    pub(super) fn finish(self) -> Result<(&'static str, u64), StoreError> {
        let io = |error| StoreError::io(&self.path, error);
        let file = self.file.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)?;
        let mut permissions = file.metadata().map_err(io)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&self.path, permissions).map_err(io)?;
        Ok((self.name, self.written))
    }
}
