//! A model in a quarter of the bytes: every matrix in bytes with a scale for each row, as `nir-nn` reads them.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use candle_core::{D, DType, Device, Tensor};
use nir_data::copy_whole;
use nir_nn::tensors::{SCALE, ZERO};
use serde::{Deserialize, Serialize};

use crate::recipe::Task;
use crate::{Error, Folders, Result, tensor_file};

/// The name of the file that the recipe writes, in the recipe's folder.
const FILE: &str = "model.safetensors";

/// A recipe that makes a smaller copy of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The task: always `pack`.
    pub task: Task,
    /// One sentence that says what the recipe makes.
    pub summary: String,
    /// The folder of the model, as a path below the folder of models.
    pub model: PathBuf,
}

impl Recipe {
    /// Writes the model and copies the files beside it; returns the path of its weights. Fails if a file cannot be read
    /// or written.
    pub fn make(&self, folders: &Folders<'_>) -> Result<PathBuf> {
        let from = folders.models.join(&self.model);
        let mut packed = HashMap::new();
        for (name, tensor) in tensor_file::read(&from.join(FILE), &Device::Cpu)? {
            if tensor.rank() == 2 {
                let (bytes, scales) = pack(&tensor)?;
                packed.insert(format!("{name}{SCALE}"), scales);
                packed.insert(name, bytes);
            } else {
                packed.insert(name, tensor);
            }
        }
        let output = folders.output;
        fs::create_dir_all(output).map_err(|source| Error::io(output, source))?;
        for name in ["config.json", "tokenizer.json", "README.md"] {
            copy_whole(&from.join(name), &output.join(name))?;
        }
        tensor_file::write(&output.join(FILE), &packed)?;
        Ok(output.join(FILE))
    }
}

/// The matrix as bytes, `[rows, columns]`, and scales, `[rows]`: the largest weight of each row becomes 127 steps from
/// zero.
fn pack(weights: &Tensor) -> Result<(Tensor, Tensor)> {
    let largest = weights.abs()?.max(D::Minus1)?.maximum(f32::MIN_POSITIVE)?; // [rows]
    let scales = (largest / 127.0)?;
    let steps = weights.broadcast_div(&scales.unsqueeze(1)?)?.round()?;
    Ok(((steps + f64::from(ZERO))?.to_dtype(DType::U8)?, scales))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_within_half_a_step_of_the_weights() {
        let weights: Vec<f32> = (0..40).map(|i| ((i * 37 % 40) as f32 - 20.0) / 7.0).collect();
        let weights = Tensor::from_vec(weights, (4, 10), &Device::Cpu).unwrap();
        let (bytes, scales) = pack(&weights).unwrap();
        let read = (bytes.to_dtype(DType::F32).unwrap() - f64::from(ZERO)).unwrap();
        let read = read.broadcast_mul(&scales.unsqueeze(1).unwrap()).unwrap();
        let apart = (read - &weights).unwrap().abs().unwrap().max(1).unwrap();
        let ratios = (apart / scales).unwrap().to_vec1::<f32>().unwrap();
        assert!(ratios.iter().all(|&ratio| ratio <= 0.5001), "{ratios:?}");
    }
}
