//! The layers after pooling, and the names by which a config asks for them.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::layers::{LayerNorm, Linear};
use crate::{Activation, Result, Tensors, normalise};

/// The names of the layers after pooling.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// The name of a linear layer.
    pub linear: String,
    /// The name of a layer norm after it, as in ANCE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm: Option<String>,
}

/// The epsilon of the layer norms of projections: PyTorch's default, which their authors used.
pub(crate) const NORM_EPS: f64 = 1e-5;

impl Projection {
    /// Takes the layers from a checkpoint; their input has `width` values. Returns them with the width of their output.
    pub(crate) fn load(&self, tensors: &mut Tensors, width: usize) -> Result<(Vec<Layer>, usize)> {
        let linear = Linear::load_head(tensors, &self.linear, width)?;
        let dim = linear.outputs();
        let norm = self
            .norm
            .as_deref()
            .map(|name| LayerNorm::load(tensors, &tensors.head(name)?, dim, NORM_EPS))
            .transpose()?;
        let linear = Layer::Dense { linear, activation: Activation::Identity, residual: None };
        Ok((std::iter::once(linear).chain(norm.map(Layer::Norm)).collect(), dim))
    }
}

/// A layer after pooling.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    /// `activation(W x + b)`; with a residual, `x` or `R x` is added to it.
    Dense { linear: Linear, activation: Activation, residual: Option<Residual> },
    /// A layer norm.
    Norm(LayerNorm),
    /// Divides the vector by its length.
    Normalise,
}

/// The form in which a layer's input is added to its output.
#[derive(Debug, Clone)]
pub(crate) enum Residual {
    Same,
    Projected(Linear),
}

impl Layer {
    /// Applies the layer to `[batch, width]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
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
