//! A training that can go on: one file with weights, moments, the best weights so far and the number of the step.
//!
//! Random numbers are a function of seed and step ([`crate::order`]), so the step is all of their state.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use nir_core::{Digest, Hasher};

use crate::optimiser::AdamW;
use crate::parameters::Parameters;
use crate::{Error, Result, tensor_file};

/// The name of the tensor with the digest of all other tensors.
const CONTENT: &str = "content";
/// The name of the file in the folder of the model.
pub const FILE: &str = "training.safetensors";

/// The weights for which validation gave the best value.
#[derive(Debug, Clone)]
pub struct Best {
    /// The value of the measure.
    pub value: f64,
    /// The number of steps after which it was reached.
    pub step: usize,
    /// The weights by name.
    pub weights: BTreeMap<String, Tensor>,
}

/// The state of a training, without the weights and the optimiser's state.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The number of steps that were taken.
    pub step: usize,
    /// The best weights; `None` before the first validation.
    pub best: Option<Best>,
}

impl State {
    /// Writes weights, optimiser and state into one file. A process that is killed at any moment leaves this file or
    /// the one before it.
    pub fn save(
        &self,
        folder: &Path,
        digest: &Digest,
        parameters: &Parameters,
        optimiser: &AdamW,
    ) -> Result<()> {
        let mut all: HashMap<String, Tensor> = HashMap::new();
        let learning = parameters.learning();
        all.extend(
            learning.map(|(name, var)| (format!("weights/{name}"), var.as_detached_tensor())),
        );
        all.extend(
            optimiser.moments.iter().map(|(name, x)| (format!("moments/{name}"), x.clone())),
        );
        all.insert("step".to_owned(), Tensor::new(self.step as u32, &Device::Cpu)?);
        all.insert("recipe".to_owned(), Tensor::new(digest.hex().into_bytes(), &Device::Cpu)?);
        if let Some(best) = &self.best {
            all.insert("best.value".to_owned(), Tensor::new(best.value, &Device::Cpu)?);
            all.insert("best.step".to_owned(), Tensor::new(best.step as u32, &Device::Cpu)?);
            all.extend(best.weights.iter().map(|(name, x)| (format!("best/{name}"), x.clone())));
        }
        let content = content(&all)?.hex().into_bytes();
        all.insert(CONTENT.to_owned(), Tensor::new(content, &Device::Cpu)?);
        tensor_file::write(&folder.join(FILE), &all)
    }

    /// Reads the file and restores weights and optimiser; `None` if there is no file. Fails if the file is damaged, or
    /// belongs to another recipe or other texts than `digest` says.
    pub fn load(
        folder: &Path,
        digest: &Digest,
        parameters: &Parameters,
        optimiser: &AdamW,
        device: &Device,
    ) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let saved = Saved { path: &path, all: tensor_file::read(&path, device)? };
        let text = |name: &str, digest: &Digest| {
            let digits = digest.hex().into_bytes();
            let saved = saved.of(name, &[digits.len()], DType::U8)?.to_vec1::<u8>()?;
            Ok::<bool, Error>(saved == digits)
        };
        if !text(CONTENT, &content(&saved.all)?)? {
            return saved.damaged("is damaged: it does not hold what was saved");
        }
        if !text("recipe", digest)? {
            return Err(Error::Unfit(format!(
                "{}: was begun by another recipe or on other data; remove it to begin anew",
                path.display()
            )));
        }
        for (name, var) in parameters.learning() {
            let moments = &optimiser.moments[name];
            var.set(saved.like(&format!("weights/{name}"), var)?)?;
            moments.slice_set(saved.like(&format!("moments/{name}"), moments)?, 0, 0)?;
        }
        Ok(Some(Self { step: saved.number("step")?, best: saved.best(parameters)? }))
    }
}

struct Saved<'a> {
    path: &'a Path,
    all: HashMap<String, Tensor>,
}

impl Saved<'_> {
    /// The tensor of this name; an error if it has another shape or type.
    fn of(&self, name: &str, dims: &[usize], dtype: DType) -> Result<&Tensor> {
        match self.all.get(name) {
            Some(tensor) if tensor.dims() == dims && tensor.dtype() == dtype => Ok(tensor),
            Some(tensor) => self.damaged(&format!(
                "`{name}` is {:?} of {:?}, expected {dims:?} of {dtype:?}",
                tensor.dims(),
                tensor.dtype()
            )),
            None => self.damaged(&format!("it has no `{name}`")),
        }
    }

    fn like(&self, name: &str, tensor: &Tensor) -> Result<&Tensor> {
        self.of(name, tensor.dims(), tensor.dtype())
    }

    fn number(&self, name: &str) -> Result<usize> {
        Ok(self.of(name, &[], DType::U32)?.to_scalar::<u32>()? as usize)
    }

    fn best(&self, parameters: &Parameters) -> Result<Option<Best>> {
        if !self.all.contains_key("best.value") {
            return Ok(None);
        }
        let weight = |(name, var): (&String, &Var)| {
            Ok((name.clone(), self.like(&format!("best/{name}"), var)?.clone()))
        };
        Ok(Some(Best {
            value: self.of("best.value", &[], DType::F64)?.to_scalar::<f64>()?,
            step: self.number("best.step")?,
            weights: parameters.vars.iter().map(weight).collect::<Result<_>>()?,
        }))
    }

    fn damaged<T>(&self, problem: &str) -> Result<T> {
        let path = self.path.display();
        Err(Error::Unfit(format!("{path}: {problem}; remove it to begin anew")))
    }
}

/// The digest of all tensors with their names, which does not depend on their order in the file.
fn content(all: &HashMap<String, Tensor>) -> Result<Digest> {
    let sorted: BTreeMap<&String, &Tensor> =
        all.iter().filter(|(name, _)| *name != CONTENT).collect();
    let mut hasher = Hasher::new("training");
    for (name, tensor) in sorted {
        hasher.part(name).part(bytes(&tensor.flatten_all()?)?);
    }
    Ok(hasher.digest())
}

fn bytes(flat: &Tensor) -> candle_core::Result<Vec<u8>> {
    Ok(match flat.dtype() {
        DType::U8 => flat.to_vec1::<u8>()?,
        DType::U32 => flat.to_vec1::<u32>()?.into_iter().flat_map(u32::to_le_bytes).collect(),
        DType::F64 => flat.to_vec1::<f64>()?.into_iter().flat_map(f64::to_le_bytes).collect(),
        _ => flat.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect(),
    })
}
