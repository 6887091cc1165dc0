//! One vector for a text.

use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::contract::Chain;
use crate::layers::{LayerNorm, Linear};
use crate::pooling::Counted;
use crate::{
    Activation, Architecture, Backend, Encoder, Error, Hidden, Pooling, Poolings, Result, Rows,
    Similarity, Table, Tensors, Tokens, check_finite, normalise, numbers,
};

/// Names of the layers after pooling.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// A linear layer.
    pub linear: String,
    /// A layer norm after it, as ANCE has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<String>,
}

/// The layer norms of projections have PyTorch's own default, which their authors took.
pub(crate) const NORM_EPS: f64 = 1e-5;

/// Pooling, BERT's pooler where it is asked for, and the layers after it.
#[derive(Debug, Clone)]
pub struct Vector {
    pooling: Poolings,
    pooler: Option<Linear>,
    layers: Vec<Layer>,
    /// What a token of each number counts, where they do not count alike.
    weights: Option<Arc<[f32]>>,
    dim: usize,
}

/// A layer after pooling.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    /// `activation(W x + b)`, and `x` or `R x` added to it where there is a residual.
    Dense { linear: Linear, activation: Activation, residual: Option<Residual> },
    /// A layer norm.
    Norm(LayerNorm),
    /// To length 1.
    Normalise,
}

/// What of its input is added to a layer's output.
#[derive(Debug, Clone)]
pub(crate) enum Residual {
    Same,
    Projected(Linear),
}

impl Layer {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Norm(norm) => norm.forward(x),
            Self::Normalise => normalise(x),
            Self::Dense { linear, activation, residual } => {
                let y = activation.forward(&linear.forward(x)?)?;
                Ok(match residual {
                    None => y,
                    Some(Residual::Same) => (y + x)?,
                    Some(Residual::Projected(linear)) => (y + linear.forward(x)?)?,
                })
            }
        }
    }
}

impl Vector {
    /// Takes the pooler and the projection from the checkpoint.
    pub fn load(
        architecture: &Architecture,
        tensors: &mut Tensors,
        pooling: impl Into<Poolings>,
        projection: Option<&Projection>,
    ) -> Result<Self> {
        let pooling = pooling.into();
        let hidden = architecture.sizes.hidden;
        let pooler = match pooling.iter().any(|one| one == Pooling::Pooler) {
            true => {
                let prefix = tensors.prefix(architecture.names.word)?;
                Some(Linear::load(tensors, &format!("{prefix}pooler.dense"), hidden, hidden)?)
            }
            false => None,
        };
        let pooled = hidden * pooling.iter().count();
        let layers = projection.map(|names| load(names, tensors, pooled)).transpose()?;
        let (layers, dim) = layers.unwrap_or((Vec::new(), pooled));
        Ok(Self { pooling, pooler, layers, weights: None, dim })
    }

    /// Adds what the checkpoint's own modules do around and after pooling.
    pub fn with_chain(
        mut self,
        chain: &Chain,
        checkpoint: &Checkpoint,
        backend: &Backend,
    ) -> Result<Self> {
        self.weights = chain.word_weights(checkpoint)?.map(Arc::from);
        let (layers, dim) = chain.layers(checkpoint, backend, self.dim)?;
        self.layers.extend(layers);
        self.dim = dim;
        Ok(self)
    }

    /// Which hidden states it needs, where the first `prompt` tokens do not count.
    pub fn rows_after(&self, prompt: usize) -> Rows {
        if prompt > 0 { Rows::All } else { self.rows() }
    }

    /// The same with the first numbers of every vector alone, for a checkpoint that was trained to be cut so
    /// (Kusupati et al., NeurIPS 2022); a vector that is compared by cosine is normalised after that.
    pub fn cut(mut self, dimensions: Option<usize>) -> Result<Self> {
        let Some(dimensions) = dimensions else { return Ok(self) };
        if dimensions == 0 || dimensions > self.dim {
            return Err(Error::Unfit(format!(
                "`dimensions` is {dimensions}: vectors of this checkpoint have {}",
                self.dim
            )));
        }
        self.dim = dimensions;
        Ok(self)
    }

    /// Which hidden states it needs.
    pub fn rows(&self) -> Rows {
        self.pooling.rows()
    }

    /// How wide its vectors are.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns `[batch, dim]`, normalised only where a module of the checkpoint does it. Every token counts alike.
    pub fn forward(&self, hidden: &Hidden) -> Result<Tensor> {
        let texts = hidden.sequences()?;
        let pooled = texts.iter().map(|states| self.pool(states, Counted::default()));
        self.finish(&pooled.collect::<Result<Vec<_>>>()?)
    }

    /// The same in training, where a batch has one gradient and not one for each text. A checkpoint's weights of words and a
    /// cut to the first numbers are no part of it.
    pub fn train(&self, hidden: &Hidden) -> Result<Tensor> {
        let one = |pooling: Pooling| {
            let pooled = pooling.train(hidden)?; // [batch, hidden]
            match (pooling, &self.pooler) {
                (Pooling::Pooler, Some(pooler)) => Ok(pooler.forward(&pooled)?.tanh()?),
                _ => Ok(pooled),
            }
        };
        let pooled = self.pooling.iter().map(one).collect::<Result<Vec<_>>>()?;
        let x = match &pooled[..] {
            [pooled] => pooled.clone(),
            _ => Tensor::cat(&pooled, 1)?,
        };
        self.layers.iter().try_fold(x, |x, layer| layer.forward(&x))
    }

    /// The vectors of any number of texts, of which the first `prompt` tokens do not count, ready for their inner product
    /// to be the similarity. A number that is none is an error that names the text, found by its place.
    pub fn table(
        &self,
        encoder: &Encoder,
        tokens: &[Tokens],
        prompt: usize,
        similarity: Similarity,
        text: impl Fn(usize) -> String,
    ) -> Result<Table> {
        let mut table = Table { width: self.dim, rows: vec![0.0; tokens.len() * self.dim] };
        encoder.in_batches(tokens, self.rows_after(prompt), |places, hidden| {
            let texts = hidden.sequences()?;
            let pooled = texts.iter().zip(places).map(|(states, &place)| {
                let (states, total) = self.weighted(states, &tokens[place])?;
                self.pool(&states, Counted { from: prompt, total })
            });
            let vectors = self.finish(&pooled.collect::<Result<Vec<_>>>()?)?; // [batch, dim]
            let found = numbers(&match similarity {
                Similarity::Dot => vectors,
                Similarity::Cosine => normalise(&vectors)?,
            })?;
            for (row, &place) in found.chunks_exact(self.dim).zip(places) {
                check_finite(row, || text(place))?;
                table.rows[place * self.dim..][..self.dim].copy_from_slice(row);
            }
            Ok(())
        })?;
        Ok(table)
    }

    /// Hidden states times the weights of their tokens, and what these add up to.
    fn weighted(&self, states: &Tensor, tokens: &Tokens) -> Result<(Tensor, Option<f64>)> {
        let Some(weights) = &self.weights else { return Ok((states.clone(), None)) };
        let weight = |&id: &u32| weights.get(id as usize).copied().unwrap_or(1.0);
        let weights: Vec<f32> = tokens.ids.iter().map(weight).collect();
        let total = weights.iter().map(|&weight| f64::from(weight)).sum();
        let weights = Tensor::new(&weights[..states.dim(0)?], states.device())?.unsqueeze(1)?; // [length, 1]
        Ok((states.broadcast_mul(&weights)?, Some(total)))
    }

    /// - `states`: `[length, hidden]`
    ///
    /// Returns `[poolings · hidden]`.
    fn pool(&self, states: &Tensor, counted: Counted) -> Result<Tensor> {
        let one = |pooling: Pooling| {
            let pooled = pooling.pool_one(states, counted)?;
            match (pooling, &self.pooler) {
                (Pooling::Pooler, Some(pooler)) => {
                    Ok(pooler.forward(&pooled.unsqueeze(0)?)?.tanh()?.squeeze(0)?)
                }
                _ => Ok(pooled),
            }
        };
        let pooled = self.pooling.iter().map(one).collect::<Result<Vec<_>>>()?;
        match &pooled[..] {
            [pooled] => Ok(pooled.clone()),
            _ => Ok(Tensor::cat(&pooled, 0)?),
        }
    }

    /// Of `[poolings · hidden]` for each text, `[batch, dim]`.
    fn finish(&self, pooled: &[Tensor]) -> Result<Tensor> {
        let x = Tensor::stack(pooled, 0)?;
        let x = self.layers.iter().try_fold(x, |x, layer| layer.forward(&x))?;
        Ok(x.narrow(1, 0, self.dim)?.contiguous()?)
    }
}

fn load(names: &Projection, tensors: &mut Tensors, width: usize) -> Result<(Vec<Layer>, usize)> {
    let linear = Linear::load_head(tensors, &names.linear, width)?;
    let dim = linear.outputs();
    let norm = names
        .norm
        .as_deref()
        .map(|name| LayerNorm::load(tensors, &tensors.head(name)?, dim, NORM_EPS))
        .transpose()?;
    let linear = Layer::Dense { linear, activation: Activation::Identity, residual: None };
    Ok((std::iter::once(linear).chain(norm.map(Layer::Norm)).collect(), dim))
}
