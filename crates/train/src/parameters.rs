//! The numbers that learn: a BERT's tensors by the names under which it is saved.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use nir_nn::checkpoint::Checkpoint;
use nir_nn::matches;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::recipe::{Head, Model};
use crate::{Error, Result, tensor_file};

/// The prefix of the trunk's tensors in a larger model, as `transformers` writes it.
const TRUNK: &str = "bert.";

/// All tensors of a model in training.
#[derive(Debug)]
pub struct Parameters {
    /// The tensors by name.
    pub vars: BTreeMap<String, Var>,
    /// The names of the tensors that learn, in order.
    pub learning: Vec<String>,
}

/// How a fresh tensor is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    Normal(f64),
    /// Random numbers, with this multiple of the identity added.
    Like {
        std: f64,
        identity: f64,
    },
    Constant(f64),
}

impl Parameters {
    /// Draws or loads every tensor.
    ///
    /// - `vocab`: the size of the vocabulary
    /// - `models`: the folder in which `init` is
    ///
    /// # Errors
    ///
    /// If `init` cannot be read or lacks a tensor, or a tensor has another shape.
    pub fn new(
        model: &Model,
        head: &Head,
        vocab: usize,
        models: &Path,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let begun = model.init.as_ref().map(|init| load(&models.join(init), device)).transpose()?;
        let mut vars = BTreeMap::new();
        for (name, shape, start) in layout(model, head, vocab) {
            let fresh = begun.is_none() || any(&model.fresh, &name);
            let tensor = match (&begun, fresh) {
                (Some(begun), false) => take(begun, &name, &shape, model)?,
                _ => draw(&name, &shape, start, seed, device)?,
            };
            vars.insert(name, Var::from_tensor(&tensor)?);
        }
        let learning: Vec<String> =
            vars.keys().filter(|name| any(&model.learn, name)).cloned().collect();
        match learning.is_empty() {
            true => Err(Error::Unfit(format!(
                "`model.learn` = {:?} names no tensor: `[\"*\"]` is all",
                model.learn
            ))),
            false => Ok(Self { vars, learning }),
        }
    }

    /// The tensors for a network that learns: gradients are tracked for those that learn only.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let learns = |name: &String| self.learning.binary_search(name).is_ok();
        let tensor = |(name, var): (&String, &Var)| {
            let tensor = match learns(name) {
                true => var.as_tensor().clone(),
                false => var.as_detached_tensor(),
            };
            (name.clone(), tensor)
        };
        self.vars.iter().map(tensor).collect()
    }

    /// The tensors for a network that only computes. They share their storage with the weights, so it sees every later
    /// step.
    pub fn detached(&self) -> BTreeMap<String, Tensor> {
        self.vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// A copy of the current values.
    pub fn copied(&self) -> Result<BTreeMap<String, Tensor>> {
        self.vars
            .iter()
            .map(|(name, var)| Ok((name.clone(), var.as_tensor().copy()?.detach())))
            .collect()
    }

    /// The names and variables that learn.
    pub fn learning(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.learning.iter().map(|name| (name.as_str(), &self.vars[name]))
    }

    /// The number of weights of all tensors.
    pub fn count(&self) -> usize {
        self.vars.values().map(|var| var.elem_count()).sum()
    }
}

fn any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

fn load(folder: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let checkpoint = Checkpoint::in_folder(folder)?;
    let mut all = BTreeMap::new();
    for path in checkpoint.weights().paths() {
        all.extend(tensor_file::read(path, device)?);
    }
    Ok(all)
}

fn take(
    begun: &BTreeMap<String, Tensor>,
    name: &str,
    shape: &[usize],
    model: &Model,
) -> Result<Tensor> {
    let init = model.init.as_deref().unwrap_or(Path::new("")).display();
    match begun.get(name) {
        Some(tensor) if tensor.dims() == shape => Ok(tensor.to_dtype(DType::F32)?),
        Some(tensor) => Err(Error::Unfit(format!(
            "{init}: `{name}` has shape {:?}, the recipe needs {shape:?}; name it in `model.fresh` to draw it anew",
            tensor.dims()
        ))),
        None => Err(Error::Unfit(format!(
            "{init}: has no `{name}`; name it in `model.fresh` to draw it anew"
        ))),
    }
}

/// Random numbers for one tensor. Its name decides them, so that an additional layer changes no other.
fn draw(name: &str, shape: &[usize], start: Start, seed: u64, device: &Device) -> Result<Tensor> {
    let own = nir_core::Digest::of(format!("{seed} {name}"));
    let mut rng = ChaCha8Rng::seed_from_u64(own.number());
    let count = shape.iter().product();
    let values: Vec<f32> = match start {
        Start::Constant(value) => vec![value as f32; count],
        Start::Normal(std) => (0..count).map(|_| (normal(&mut rng) * std) as f32).collect(),
        Start::Like { std, identity } => {
            let on_diagonal = |i: usize| if i / shape[1] == i % shape[1] { identity } else { 0.0 };
            (0..count).map(|i| (normal(&mut rng) * std + on_diagonal(i)) as f32).collect()
        }
    };
    Ok(Tensor::from_vec(values, shape, device)?)
}

/// A number of the standard normal distribution, by Box and Muller's transform of two uniform numbers.
fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

type Slot = (String, Vec<usize>, Start);

/// The names, shapes and fillings of all tensors of a BERT with this head.
fn layout(model: &Model, head: &Head, vocab: usize) -> Vec<Slot> {
    let mut slots = embeddings(model, vocab);
    (0..model.layers).for_each(|number| slots.extend(block(model, number)));
    slots.extend(head_slots(model, head, vocab));
    slots
}

fn embeddings(model: &Model, vocab: usize) -> Vec<Slot> {
    let table = |name: &str, rows: usize, std: f64| {
        let name = format!("{TRUNK}embeddings.{name}_embeddings.weight");
        (name, vec![rows, model.hidden], Start::Normal(std))
    };
    let mut slots = vec![
        table("word", vocab, model.std),
        table("position", model.positions, model.std),
        table("token_type", 2, model.segment_std),
    ];
    slots.extend(norm(&format!("{TRUNK}embeddings.LayerNorm"), model.hidden));
    slots
}

fn block(model: &Model, number: usize) -> Vec<Slot> {
    let (hidden, inner) = (model.hidden, model.intermediate);
    let name = |part: &str| format!("{TRUNK}encoder.layer.{number}.{part}");
    let mut slots = Vec::new();
    let (look, carry) = (model.identity.look[number], model.identity.carry[number]);
    let square = |part: &str, std, identity| like(&name(part), hidden, std, identity);
    slots.extend(square("attention.self.query", model.std, look));
    slots.extend(square("attention.self.key", model.std, look));
    slots.extend(square("attention.self.value", model.std, carry));
    slots.extend(square("attention.output.dense", model.residual_std, carry));
    slots.extend(norm(&name("attention.output.LayerNorm"), hidden));
    slots.extend(linear(&name("intermediate.dense"), inner, hidden, model.std));
    slots.extend(linear(&name("output.dense"), hidden, inner, model.residual_std));
    slots.extend(norm(&name("output.LayerNorm"), hidden));
    slots
}

fn head_slots(model: &Model, head: &Head, vocab: usize) -> Vec<Slot> {
    let hidden = model.hidden;
    match head {
        Head::Dense(dense) => match dense.projection {
            0 => Vec::new(),
            width => linear("projection", width, hidden, model.std),
        },
        Head::Sparse(_) | Head::MaskedLm(_) => {
            let bias = if let Head::Sparse(sparse) = head { sparse.bias } else { 0.0 };
            let name = |part: &str| format!("cls.predictions.{part}");
            let (dense, words) = (name("transform.dense"), model.identity.words);
            let mut slots = like(&dense, hidden, model.std, words);
            slots.extend(norm(&name("transform.LayerNorm"), hidden));
            slots.push((name("bias"), vec![vocab], Start::Constant(bias)));
            slots
        }
        Head::Late(late) => {
            vec![("linear.weight".to_owned(), vec![late.dim, hidden], Start::Normal(model.std))]
        }
        Head::TermWeights(weights) => vec![
            ("tok_proj.weight".to_owned(), vec![1, hidden], Start::Normal(model.std)),
            ("tok_proj.bias".to_owned(), vec![1], Start::Constant(weights.bias)),
        ],
        Head::CrossEncoder(_) => {
            let mut slots = linear(&format!("{TRUNK}pooler.dense"), hidden, hidden, model.std);
            slots.extend(linear("classifier", 1, hidden, model.std));
            slots
        }
    }
}

fn linear(name: &str, out: usize, width: usize, std: f64) -> Vec<Slot> {
    vec![
        (format!("{name}.weight"), vec![out, width], Start::Normal(std)),
        (format!("{name}.bias"), vec![out], Start::Constant(0.0)),
    ]
}

fn like(name: &str, width: usize, std: f64, identity: f64) -> Vec<Slot> {
    vec![
        (format!("{name}.weight"), vec![width; 2], Start::Like { std, identity }),
        (format!("{name}.bias"), vec![width], Start::Constant(0.0)),
    ]
}

fn norm(name: &str, width: usize) -> Vec<Slot> {
    vec![
        (format!("{name}.weight"), vec![width], Start::Constant(1.0)),
        (format!("{name}.bias"), vec![width], Start::Constant(0.0)),
    ]
}
