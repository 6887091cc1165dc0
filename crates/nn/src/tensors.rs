//! The tensors of a checkpoint, every one of them accounted for.
//!
//! A matrix may be in bytes, to be a quarter as large: `name` of type u8, `[rows, columns]`, and `name` with `_scale`
//! behind it, `[rows]`, such that a weight is `(byte - 128) · scale` of its row. Weights are the same in every run, so this
//! is a form of storage and no precision: it is undone when they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use candle_core::pickle::PthTensors;
use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Tensor};

use crate::checkpoint::Weights;
use crate::pickled::{self, Archive};
use crate::{Backend, Error, Result};

/// The suffix of the name of a tensor with the scales of a matrix that is stored in bytes.
pub const SCALE: &str = "_scale";

/// The byte that stands for the weight 0.
pub const ZERO: u8 = 128;

/// Names of tensors that are not weights: rows of the numbers 0, 1, 2, …, which old versions of a library saved.
const BUFFERS: [&str; 2] = ["position_ids", "token_type_ids"];

/// The tensors of one checkpoint, which the code that builds a model takes one by one.
///
/// It is an error if a tensor is asked for and missing, because a layer would keep random weights; and if a tensor is
/// there and nobody asks for it, because a layer was forgotten.
pub struct Tensors {
    files: Vec<File>,
    /// For each name: the file, the name in that file, and the shape.
    shapes: BTreeMap<String, Place>,
    taken: BTreeSet<String>,
    missing: Vec<String>,
    backend: Backend,
    /// The type that tensors are converted to: the precision of the run for the trunk, f32 for heads.
    dtype: DType,
    /// Ends of the names of matrices that are stored the other way round.
    turned: &'static [&'static str],
    checkpoint: String,
}

struct Place {
    file: usize,
    name: String,
    shape: Vec<usize>,
}

enum File {
    Safetensors(MmapedSafetensors),
    PyTorch(PthTensors),
    Pickled(Archive),
    Memory(BTreeMap<String, Tensor>),
}

impl Tensors {
    /// Opens the files and calls `build`, which takes the tensors that it needs.
    ///
    /// # Errors
    ///
    /// If a tensor is missing, has another shape or is left over. Tensors whose names match a pattern of `ignore`
    /// (`pooler.*`) may be left over.
    pub fn load<M>(
        weights: &Weights,
        name: &str,
        backend: &Backend,
        ignore: &[String],
        build: impl FnOnce(&mut Self) -> Result<M>,
    ) -> Result<M> {
        let mut tensors = Self::open(weights, name, backend)?;
        let built = build(&mut tensors)?;
        tensors.check(ignore)?;
        Ok(built)
    }

    /// Calls `build` on tensors in memory. They are weights in training, so what is built stays connected with their
    /// gradients.
    pub fn held<M>(
        held: BTreeMap<String, Tensor>,
        name: &str,
        backend: &Backend,
        build: impl FnOnce(&mut Self) -> Result<M>,
    ) -> Result<M> {
        let mut tensors = Self::new(vec![File::Memory(held)], name, backend);
        let built = build(&mut tensors)?;
        tensors.check(&[])?;
        Ok(built)
    }

    fn open(weights: &Weights, name: &str, backend: &Backend) -> Result<Self> {
        Ok(Self::new(open(weights)?, name, backend))
    }

    fn new(files: Vec<File>, name: &str, backend: &Backend) -> Self {
        let mut shapes = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            shapes.extend(places(number, file));
        }
        let scales: Vec<String> = shapes.keys().map(|name| format!("{name}{SCALE}")).collect();
        for scale in scales {
            shapes.remove(&scale);
        }
        let (backend, checkpoint) = (backend.clone(), name.to_owned());
        let (taken, missing, dtype) = (BTreeSet::new(), Vec::new(), DType::F32);
        Self { files, shapes, taken, missing, backend, dtype, turned: &[], checkpoint }
    }

    /// Opens another file of the checkpoint, for heads that its authors saved separately. Its tensors are accounted for
    /// like all others. Fails if a name occurs twice.
    pub fn also(&mut self, path: &Path) -> Result<()> {
        let file = match path.extension().is_some_and(|extension| extension == "safetensors") {
            true => safetensors(path)?,
            false => pytorch(path)?,
        };
        for (name, place) in places(self.files.len(), &file) {
            if self.shapes.insert(name.clone(), place).is_some() {
                let path = path.display();
                return Err(self.problem(format!(
                    "`{name}` is in {path} and among the other weights: expected it once"
                )));
            }
        }
        self.files.push(file);
        Ok(())
    }

    /// The backend that the model will run on.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Runs `build` with tensors in the precision of the run; afterwards tensors are in f32 again.
    pub(crate) fn in_precision<T>(
        &mut self,
        build: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.dtype = self.backend.dtype();
        let built = build(self);
        self.dtype = DType::F32;
        built
    }

    /// From here on, matrices whose names end so are stored as `[in, out]`, and given as `[out, in]`.
    pub(crate) fn turn(&mut self, ends: &'static [&'static str]) {
        self.turned = ends;
    }

    /// Whether the checkpoint has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// Takes the tensor of this name, which must have this shape. If it is missing, a placeholder is returned, and
    /// loading fails at the end with the list of all missing tensors.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.take_as(name, shape, self.dtype)
    }

    /// Takes a tensor in another type than f32; row numbers stay integers.
    pub(crate) fn take_as(&mut self, name: &str, shape: &[usize], dtype: DType) -> Result<Tensor> {
        let Some(place) = self.shapes.get(name) else {
            self.missing.push(format!("{name} {shape:?}"));
            // One zero in every place: a damaged config.json may ask for more than there is memory.
            let zero = Tensor::zeros((), dtype, self.backend.device())?;
            return Ok(zero.broadcast_as(shape)?);
        };
        let is_turned = self.turned.iter().any(|end| name.ends_with(end));
        let mut stored = shape.to_vec();
        if is_turned {
            stored.reverse();
        }
        if place.shape != stored {
            let found = &place.shape;
            return Err(self.problem(format!("`{name}` has shape {found:?}, expected {stored:?}")));
        }
        let tensor = self.files[place.file].read(&place.name, self.backend.device())?;
        let tensor = if is_turned { tensor.t()?.contiguous()? } else { tensor };
        self.taken.insert(name.to_owned());
        self.finite(name, &tensor)?;
        Ok(tensor.to_dtype(dtype)?)
    }

    /// The shape of a tensor; `None` if the checkpoint does not have it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(|place| place.shape.as_slice())
    }

    /// Takes the first of `names` that the checkpoint has. Checkpoints store a tied tensor under several names.
    pub fn take_one_of(&mut self, names: &[String], shape: &[usize]) -> Result<Tensor> {
        let present = names.iter().find(|name| self.has(name)).unwrap_or(&names[0]).clone();
        self.taken.extend(names.iter().cloned());
        self.take(&present, shape)
    }

    /// Accounts for a tensor that some checkpoints have as a copy of another one. Fails if its numbers are others.
    pub(crate) fn is_copy(&mut self, name: &str, of: &Tensor) -> Result<()> {
        if !self.has(name) {
            return Ok(());
        }
        let copy = self.take_as(name, of.dims(), of.dtype())?;
        let distance = (copy.to_dtype(DType::F32)? - of.to_dtype(DType::F32)?)?.abs()?.sum_all()?;
        match distance.to_scalar::<f32>()? {
            0.0 => Ok(()),
            _ => Err(self.problem(format!(
                "`{name}` is not the table of word embeddings: expected a copy of it, or a `config.json` with `\"tie_word_embeddings\": false`"
            ))),
        }
    }

    /// Marks a tensor as accounted for because it cannot affect the result.
    pub(crate) fn pass_over(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    /// The text before `suffix` in the only name that ends with it. A trunk is saved by itself or inside a larger
    /// model. Fails if several names end so.
    pub fn prefix(&self, suffix: &str) -> Result<String> {
        let inside = |name: &str| {
            let prefix = name.strip_suffix(suffix)?;
            (prefix.is_empty() || prefix.ends_with('.')).then(|| prefix.to_owned())
        };
        let found: Vec<String> = self.shapes.keys().filter_map(|name| inside(name)).collect();
        match &found[..] {
            [prefix] => Ok(prefix.clone()),
            [] => Err(self.problem(format!(
                "has no tensor `{suffix}`: these are weights of another architecture than its config.json says, or of another head"
            ))),
            _ => Err(self.problem(format!(
                "has {} tensors `{suffix}` (below {}): expected one",
                found.len(),
                found.join(", ")
            ))),
        }
    }

    /// The full name of a layer of a head. Heads stand at the top, or below the name of the class that saved them.
    pub fn head(&self, name: &str) -> Result<String> {
        match self.has(&format!("{name}.weight")) {
            true => Ok(name.to_owned()),
            false => Ok(format!("{}{name}", self.prefix(&format!("{name}.weight"))?)),
        }
    }

    fn check(&self, ignore: &[String]) -> Result<()> {
        let buffer = |name: &str| BUFFERS.contains(&name.rsplit('.').next().unwrap_or(name));
        let unused: Vec<&String> = self
            .shapes
            .keys()
            .filter(|name| !self.taken.contains(*name) && !buffer(name))
            .filter(|name| !ignore.iter().any(|pattern| matches(pattern, name)))
            .collect();
        let names: Vec<String> = unused.iter().map(|name| format!("\"{name}\"")).collect();
        let lacks = format!("lacks the tensors {}", self.missing.join(", "));
        let unused = format!(
            "has tensors that this method does not use: if that is right, write `ignore = [{}]` beside its `weights`",
            names.join(", ")
        );
        match (self.missing.is_empty(), names.is_empty()) {
            (true, true) => Ok(()),
            (false, true) => Err(self.problem(lacks)),
            (true, false) => Err(self.problem(unused)),
            (false, false) => Err(self.problem(format!("{lacks}; and it {unused}"))),
        }
    }

    fn finite(&self, name: &str, tensor: &Tensor) -> Result<()> {
        if !tensor.dtype().is_float() {
            return Ok(());
        }
        // A sum over a tensor with a NaN or an infinity in it is not finite either.
        let sum = tensor.to_dtype(DType::F32)?.abs()?.sum_all()?.to_scalar::<f32>()?;
        match sum.is_finite() {
            true => Ok(()),
            false => {
                Err(self.problem(format!("`{name}` holds NaN or Inf: the weights are damaged")))
            }
        }
    }

    fn problem(&self, problem: String) -> Error {
        Error::Tensors { checkpoint: self.checkpoint.clone(), problem }
    }
}

/// The places of the tensors in `file`, which has the index `number`.
fn places(number: usize, file: &File) -> impl Iterator<Item = (String, Place)> {
    let place = move |(name, shape): (String, Vec<usize>)| {
        (modern(&name), Place { file: number, name, shape })
    };
    file.shapes().into_iter().map(place)
}

/// The names of all tensors in the files of weights, sorted.
pub fn names(weights: &Weights) -> Result<BTreeSet<String>> {
    let files = open(weights)?;
    Ok(files.iter().flat_map(File::shapes).map(|(name, _)| modern(&name)).collect())
}

fn open(weights: &Weights) -> Result<Vec<File>> {
    match weights {
        Weights::Safetensors(paths) => paths.iter().map(|path| safetensors(path)).collect(),
        Weights::PyTorch(paths) => paths.iter().map(|path| pytorch(path)).collect(),
    }
}

fn safetensors(path: &Path) -> Result<File> {
    // SAFETY: a checkpoint is not changed while it is read; the hub's cache never changes a file.
    let file = unsafe { MmapedSafetensors::new(path) };
    file.map(File::Safetensors).map_err(|error| damaged(path, "safetensors", &error))
}

/// Opens a file in one of PyTorch's two formats, which are told apart by their first bytes. Both are read as data:
/// nothing is executed.
fn pytorch(path: &Path) -> Result<File> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map(|file| file.take(512).read_to_end(&mut start));
    file.flatten().map_err(|source| Error::Io { path: path.to_owned(), source })?;
    if pickled::is_legacy(&start) {
        return Archive::open(path).map(File::Pickled);
    }
    if !start.starts_with(ZIP) {
        let problem = match start.get(257..262) == Some(b"ustar") {
            true => "a tar archive, as PyTorch saved weights before 0.1.10",
            false => {
                "no PyTorch file: neither the zip archive of 1.6 and later nor the pickles of before"
            }
        };
        let convert = "convert it where PyTorch is: `torch.save(torch.load(FILE, map_location=\"cpu\"), NEW)`";
        return Err(Error::file(path, format!("{problem}; {convert}")));
    }
    let file = PthTensors::new(path, None);
    file.map(File::PyTorch).map_err(|error| damaged(path, "PyTorch", &error))
}

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";

fn damaged(path: &Path, kind: &str, error: &candle_core::Error) -> Error {
    let first = error.to_string().lines().next().unwrap_or_default().to_owned();
    let problem = format!("no complete {kind} file ({first}); remove it and fetch it again");
    Error::file(PathBuf::from(path), problem)
}

impl File {
    fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Safetensors(file) => file
                .tensors()
                .into_iter()
                .map(|(name, view)| (name, view.shape().to_vec()))
                .collect(),
            Self::PyTorch(file) => file
                .tensor_infos()
                .iter()
                .map(|(name, info)| (name.clone(), info.layout.dims().to_vec()))
                .collect(),
            Self::Pickled(file) => {
                file.shapes().map(|(name, shape)| (name.clone(), shape.clone())).collect()
            }
            Self::Memory(tensors) => {
                tensors.iter().map(|(name, x)| (name.clone(), x.dims().to_vec())).collect()
            }
        }
    }

    fn read(&self, name: &str, device: &Device) -> Result<Tensor> {
        match self {
            Self::Safetensors(file) => {
                let tensor = file.load(name, device)?;
                match file.load(&format!("{name}{SCALE}"), device) {
                    Ok(scales) if tensor.dtype() == DType::U8 => from_bytes(&tensor, &scales),
                    _ => Ok(tensor),
                }
            }
            Self::PyTorch(file) => {
                let tensor = file.get(name)?.expect("the name is one of its own");
                Ok(tensor.to_device(device)?)
            }
            Self::Pickled(file) => file.read(name, device),
            Self::Memory(tensors) => Ok(tensors[name].clone()),
        }
    }
}

/// The weights of a matrix that is stored in bytes, with the scales of its rows.
fn from_bytes(bytes: &Tensor, scales: &Tensor) -> Result<Tensor> {
    let weights = (bytes.to_dtype(DType::F32)? - f64::from(ZERO))?;
    Ok(weights.broadcast_mul(&scales.unsqueeze(1)?)?)
}

/// The modern name of a tensor: the first checkpoints of BERT called a layer norm's weight and bias `gamma` and `beta`.
fn modern(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((layer, "gamma")) => format!("{layer}.weight"),
        Some((layer, "beta")) => format!("{layer}.bias"),
        _ => name.to_owned(),
    }
}

/// Whether a name matches a pattern, in which `*` stands for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A checkpoint of zeros but for what `values` says.
    fn saved(folder: &Path, tensors: &[(&str, &[usize], f32)]) -> Weights {
        let tensor =
            |shape: &[usize], value: f32| Tensor::full(value, shape, &Device::Cpu).unwrap();
        let map: HashMap<String, Tensor> = tensors
            .iter()
            .map(|&(name, shape, value)| (name.to_owned(), tensor(shape, value)))
            .collect();
        let path = folder.join("model.safetensors");
        candle_core::safetensors::save(&map, &path).unwrap();
        Weights::Safetensors(vec![path])
    }

    fn load(
        weights: &Weights,
        ignore: &[&str],
        build: impl FnOnce(&mut Tensors) -> Result<()>,
    ) -> std::result::Result<(), String> {
        let ignore: Vec<String> = ignore.iter().map(|&pattern| pattern.to_owned()).collect();
        Tensors::load(weights, "tiny", &Backend::reference(), &ignore, build)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_tensor_is_accounted_for() {
        let folder = tempfile::tempdir().unwrap();
        let weights = saved(
            folder.path(),
            &[
                ("a.weight", &[2, 3], 0.0),
                ("pooler.weight", &[2], 0.0),
                ("x.position_ids", &[4], 0.0),
            ],
        );
        let both = |tensors: &mut Tensors| {
            tensors.take("a.weight", &[2, 3])?;
            tensors.take("b.weight", &[7])?;
            tensors.take("b.bias", &[1])?;
            Ok(())
        };
        assert_eq!(
            load(&weights, &[], both).unwrap_err(),
            "tiny: lacks the tensors b.weight [7], b.bias [1]; and it has tensors that this method does not use: if that is right, write `ignore = [\"pooler.weight\"]` beside its `weights`"
        );
        let first = |tensors: &mut Tensors| tensors.take("a.weight", &[2, 3]).map(|_| ());
        assert!(load(&weights, &[], first).unwrap_err().contains("[\"pooler.weight\"]"));
        load(&weights, &["pooler.*"], first).unwrap();
    }

    #[test]
    fn another_shape_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let weights = saved(folder.path(), &[("a", &[2, 3], 0.0)]);
        let error = load(&weights, &[], |tensors| tensors.take("a", &[3, 2]).map(|_| ()));
        assert_eq!(error.unwrap_err(), "tiny: `a` has shape [2, 3], expected [3, 2]");
    }

    #[test]
    fn weights_that_are_not_numbers_are_refused() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let folder = tempfile::tempdir().unwrap();
            let weights = saved(folder.path(), &[("a", &[2], value)]);
            let error = load(&weights, &[], |tensors| tensors.take("a", &[2]).map(|_| ()));
            assert_eq!(error.unwrap_err(), "tiny: `a` holds NaN or Inf: the weights are damaged");
        }
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let weights = saved(folder.path(), &[("a", &[64], 0.0)]);
        let path = folder.path().join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 4, 40, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = load(&weights, &[], |_| Ok(())).unwrap_err();
            assert!(error.contains("no complete safetensors file"), "{error}");
        }
    }

    #[test]
    fn the_prefix_of_the_one_encoder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let weights = saved(folder.path(), &[("bert.word", &[1], 0.0), ("my_word", &[1], 0.0)]);
        let ignore = ["*"];
        load(&weights, &ignore, |tensors| {
            assert_eq!(tensors.prefix("word").unwrap(), "bert.");
            assert!(
                tensors.prefix("none").unwrap_err().to_string().contains("another architecture")
            );
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("pooler.*", "pooler.dense.weight"));
        assert!(matches("*.bias", "a.b.bias"));
        assert!(matches("cls.*.weight", "cls.predictions.weight"));
        assert!(matches("exact", "exact"));
        assert!(!matches("exact", "exactly"));
        assert!(!matches("pooler.*", "bert.pooler.dense"));
    }
}
