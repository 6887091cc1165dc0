//! A few numbers for each token: its weight (uniCOIL, DeepImpact, DeepCT) or a short vector (COIL, ColBERT).

use candle_core::Tensor;

use crate::layers::Linear;
use crate::{Architecture, Hidden, Result, Tensors};

/// A head that gives a few numbers for each token: linear layers with a ReLU between them.
#[derive(Debug, Clone)]
pub struct PerToken {
    layers: Vec<Linear>,
}

impl PerToken {
    /// Takes the layers with these names; their widths are those in the checkpoint. Fails if a tensor is missing or the
    /// widths do not fit together.
    pub fn load(
        architecture: &Architecture,
        tensors: &mut Tensors,
        names: &[impl AsRef<str>],
    ) -> Result<Self> {
        let mut width = architecture.sizes.hidden;
        let mut layers = Vec::new();
        for name in names {
            let layer = Linear::load_head(tensors, name.as_ref(), width)?;
            width = layer.outputs();
            layers.push(layer);
        }
        Ok(Self { layers })
    }

    /// The number of values for each token.
    pub fn dim(&self) -> usize {
        self.layers.last().map_or(0, Linear::outputs)
    }

    /// Computes `[rows, dim]`, one row for each row of the hidden states.
    pub fn forward(&self, hidden: &Hidden) -> Result<Tensor> {
        let mut x = hidden.states.clone();
        for (number, layer) in self.layers.iter().enumerate() {
            x = if number == 0 { x } else { x.relu()? };
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}
