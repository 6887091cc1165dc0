//! A few numbers for each token: its weight (uniCOIL, DeepImpact, DeepCT) or a short vector (COIL, ColBERT).

use candle_core::Tensor;

use crate::layers::Linear;
use crate::{Architecture, Hidden, Result, Tensors};

/// Linear layers with a ReLU between them.
#[derive(Debug, Clone)]
pub struct PerToken {
    layers: Vec<Linear>,
}

impl PerToken {
    /// Takes the layers of these names; the file decides how wide they are.
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

    /// How many numbers a token gets.
    pub fn dim(&self) -> usize {
        self.layers.last().map_or(0, Linear::outputs)
    }

    /// Returns `[rows, dim]`, a row for each row of the hidden states.
    pub fn forward(&self, hidden: &Hidden) -> Result<Tensor> {
        let mut x = hidden.states.clone();
        for (number, layer) in self.layers.iter().enumerate() {
            x = if number == 0 { x } else { x.relu()? };
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}
