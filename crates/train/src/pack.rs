//! A model in a quarter of the bytes: every matrix in bytes with a scale for each row, as `nir-nn` reads them.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device, Tensor};
use nir_data::{copy_whole, write_whole};
use nir_nn::tensors::{SCALE, ZERO};
use serde::{Deserialize, Serialize};

use crate::recipe::Task;
use crate::{Error, Folders, Result, tensor_file};

/// The name of the file that the recipe writes, in the recipe's folder.
const FILE: &str = "model.safetensors";
/// The name of the model card.
const CARD: &str = "README.md";

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
    /// Folders of models that were trained on top of it with its own weights kept (`learn` names their heads alone): their
    /// heads are packed beside its own, so that one network serves several methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<PathBuf>,
}

impl Recipe {
    /// Writes the model and copies the files beside it; returns the path of its weights. Fails if a file cannot be read
    /// or written, or if a model of `heads` has other weights than the model.
    pub fn make(&self, folders: &Folders<'_>) -> Result<PathBuf> {
        let from = folders.models.join(&self.model);
        let mut packed = HashMap::new();
        for (name, tensor) in self.joined(folders)? {
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
        for name in ["config.json", "tokenizer.json"] {
            copy_whole(&from.join(name), &output.join(name))?;
        }
        let cards = self.cards(folders)?;
        write_whole(&output.join(CARD), |file| file.write_all(cards.as_bytes()))?;
        tensor_file::write(&output.join(FILE), &packed)?;
        Ok(output.join(FILE))
    }

    /// The tensors of the model and of the heads.
    fn joined(&self, folders: &Folders<'_>) -> Result<HashMap<String, Tensor>> {
        let read =
            |model: &Path| tensor_file::read(&folders.models.join(model).join(FILE), &Device::Cpu);
        let mut all = read(&self.model)?;
        for head in &self.heads {
            for (name, tensor) in read(head)? {
                match all.get(&name) {
                    Some(known) if !is_equal(known, &tensor)? => {
                        return Err(Error::Unfit(format!(
                            "{}: `{name}` is not that of {}: only a head that was trained with the weights below it kept \
                             can be packed beside another",
                            head.display(),
                            self.model.display()
                        )));
                    }
                    Some(_) => {}
                    None => drop(all.insert(name, tensor)),
                }
            }
        }
        Ok(all)
    }

    /// The cards of all models, one below the other.
    fn cards(&self, folders: &Folders<'_>) -> Result<String> {
        let card = |model: &PathBuf| {
            let path = folders.models.join(model).join(CARD);
            fs::read_to_string(&path).map_err(|source| Error::io(&path, source))
        };
        let models = [&self.model].into_iter().chain(&self.heads);
        Ok(models.map(card).collect::<Result<Vec<_>>>()?.join("\n"))
    }
}

fn is_equal(a: &Tensor, b: &Tensor) -> Result<bool> {
    Ok(a.dims() == b.dims() && a.ne(b)?.sum_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()? == 0.0)
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

    /// A folder of models with one model of these tensors.
    fn write(models: &Path, name: &str, tensors: &[(&str, f32)]) {
        let folder = models.join(name);
        fs::create_dir_all(&folder).unwrap();
        for file in ["config.json", "tokenizer.json", CARD] {
            fs::write(folder.join(file), format!("{file} of {name}\n")).unwrap();
        }
        let tensor = |&(name, value): &(&str, f32)| {
            (name.to_owned(), Tensor::full(value, (2, 3), &Device::Cpu).unwrap())
        };
        tensor_file::write(&folder.join(FILE), &tensors.iter().map(tensor).collect()).unwrap();
    }

    #[test]
    fn heads_on_the_same_weights_are_packed_together() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path();
        write(models, "dense", &[("trunk", 1.0), ("projection", 2.0)]);
        write(models, "late", &[("trunk", 1.0), ("linear", 3.0)]);
        write(models, "other", &[("trunk", 1.5), ("linear", 3.0)]);
        let output = models.join("packed");
        let folders =
            Folders { data: models, models, output: &output, progress: &nir_core::Silent };
        let recipe = |head: &str| Recipe {
            task: Task::Pack,
            summary: String::new(),
            model: "dense".into(),
            heads: vec![head.into()],
        };
        let packed = recipe("late").make(&folders).unwrap();
        let mut names: Vec<String> =
            tensor_file::read(&packed, &Device::Cpu).unwrap().into_keys().collect();
        names.retain(|name| !name.ends_with(SCALE));
        names.sort();
        assert_eq!(names, ["linear", "projection", "trunk"]);
        let card = fs::read_to_string(output.join(CARD)).unwrap();
        assert_eq!(card, "README.md of dense\n\nREADME.md of late\n");
        let error = recipe("other").make(&folders).unwrap_err().to_string();
        assert!(error.starts_with("other: `trunk` is not that of dense"), "{error}");
    }

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
