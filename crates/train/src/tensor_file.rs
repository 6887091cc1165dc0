//! Files of tensors that recipes write and read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;

use candle_core::{Device, Tensor};
use nir_data::unfinished::Guard;

use crate::{Error, Result};

/// Reads the tensors of a file that a recipe wrote.
pub(crate) fn read(path: &Path, device: &Device) -> Result<HashMap<String, Tensor>> {
    candle_core::safetensors::load(path, device).map_err(|error| {
        let error = error.to_string();
        let first = error.lines().next().unwrap_or_default();
        let path = path.display();
        Error::Unfit(format!("{path}: no complete safetensors file ({first}); make it anew"))
    })
}

/// Writes tensors under a temporary name, waits until they are on disk, and renames the file. The temporary file is
/// removed if that fails.
pub(crate) fn write(path: &Path, tensors: &HashMap<String, Tensor>) -> Result<()> {
    let temporary = Guard::new(path.with_extension("safetensors.tmp"));
    candle_core::safetensors::save(tensors, temporary.path())?;
    File::open(temporary.path())
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(temporary.path(), path))
        .map_err(|source| Error::io(path, source))?;
    temporary.keep();
    Ok(())
}
