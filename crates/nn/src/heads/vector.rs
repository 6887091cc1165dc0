//! One vector for a text.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::layers::{LayerNorm, Linear};
use crate::{Architecture, Error, Hidden, Pooling, Result, Rows, Tensors};

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
const NORM_EPS: f64 = 1e-5;

/// Pooling, BERT's pooler where it is asked for, and a projection where there is one.
#[derive(Debug, Clone)]
pub struct Vector {
    pooling: Pooling,
    pooler: Option<Linear>,
    projection: Option<(Linear, Option<LayerNorm>)>,
    dim: usize,
}

impl Vector {
    /// Takes the pooler and the projection from the checkpoint.
    pub fn load(
        architecture: &Architecture,
        tensors: &mut Tensors,
        pooling: Pooling,
        projection: Option<&Projection>,
    ) -> Result<Self> {
        let hidden = architecture.sizes.hidden;
        let pooler = match pooling {
            Pooling::Pooler => {
                let prefix = tensors.prefix(architecture.names.word)?;
                Some(Linear::load(tensors, &format!("{prefix}pooler.dense"), hidden, hidden)?)
            }
            _ => None,
        };
        let projection = projection.map(|names| load(names, tensors, hidden)).transpose()?;
        let dim = projection.as_ref().map_or(hidden, |(linear, _)| linear.outputs());
        Ok(Self { pooling, pooler, projection, dim })
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

    /// Returns `[batch, dim]`, not normalised.
    pub fn forward(&self, hidden: &Hidden) -> Result<Tensor> {
        let mut x = self.pooling.pool(hidden)?; // [batch, hidden]
        if let Some(pooler) = &self.pooler {
            x = pooler.forward(&x)?.tanh()?;
        }
        if let Some((linear, norm)) = &self.projection {
            x = linear.forward(&x)?; // [batch, dim]
            x = norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))?;
        }
        Ok(x.narrow(1, 0, self.dim)?.contiguous()?)
    }
}

fn load(
    names: &Projection,
    tensors: &mut Tensors,
    hidden: usize,
) -> Result<(Linear, Option<LayerNorm>)> {
    let linear = Linear::load_head(tensors, &names.linear, hidden)?;
    let norm = names
        .norm
        .as_deref()
        .map(|name| LayerNorm::load(tensors, &tensors.head(name)?, linear.outputs(), NORM_EPS))
        .transpose()?;
    Ok((linear, norm))
}
