//! One score for a text or a pair: a dense layer over the first token, an activation, one output for each class.
//!
//! Leaving the dense layer out still gives numbers, and wrong ones: the mistake is easily made for BERT, where that
//! layer is called the pooler and belongs to the encoder.

use candle_core::Tensor;

use crate::layers::Linear;
use crate::{Activation, Architecture, Hidden, Pooling, Result, Tensors};

/// The head of a cross-encoder.
#[derive(Debug, Clone)]
pub struct Classifier {
    dense: Linear,
    activation: Activation,
    output: Linear,
}

impl Classifier {
    /// Takes the tensors that the architecture's sequence classifier has.
    pub fn load(architecture: &Architecture, tensors: &mut Tensors) -> Result<Self> {
        let names = &architecture.names.classifier;
        let hidden = architecture.sizes.hidden;
        let prefix = match names.dense_in_trunk {
            true => tensors.prefix(architecture.names.word)?,
            false => String::new(),
        };
        let dense = Linear::load(tensors, &format!("{prefix}{}", names.dense), hidden, hidden)?;
        let output = Linear::load_head(tensors, names.output, hidden)?;
        Ok(Self { dense, activation: names.activation, output })
    }

    /// How many logits it gives.
    pub fn classes(&self) -> usize {
        self.output.outputs()
    }

    /// Returns `[batch, classes]`.
    pub fn forward(&self, hidden: &Hidden) -> Result<Tensor> {
        let first = Pooling::Cls.pool(hidden)?; // [batch, hidden]
        let dense = self.activation.forward(&self.dense.forward(&first)?)?;
        self.output.forward(&dense)
    }
}
