//! One score for a text or a pair: a dense layer over the first token (or the mean), an activation, one output for each class.
//!
//! Leaving the dense layer out still gives numbers, and wrong ones: the mistake is easily made for BERT, where that
//! layer is called the pooler and belongs to the encoder.

use candle_core::Tensor;

use crate::layers::{LayerNorm, Linear};
use crate::{Activation, Architecture, Hidden, Pooling, Result, Rows, Tensors};

/// The head of a cross-encoder: one score for each class.
#[derive(Debug, Clone)]
pub struct Classifier {
    pooling: Pooling,
    dense: Linear,
    activation: Activation,
    norm: Option<LayerNorm>,
    output: Linear,
}

impl Classifier {
    /// Takes the tensors of the architecture's classification head. Fails if one is missing.
    pub fn load(architecture: &Architecture, tensors: &mut Tensors) -> Result<Self> {
        let Architecture { sizes, design, names } = architecture;
        let (trunk, names, hidden) = (names, &names.classifier, sizes.hidden);
        let prefix = match names.dense_in_trunk {
            true => tensors.prefix(trunk.word)?,
            false => String::new(),
        };
        let dense = format!("{prefix}{}", names.dense);
        let dense = Linear::load_with(tensors, &dense, (hidden, hidden), design.head_bias)?;
        let norm = match names.norm.is_empty() {
            true => None,
            false => Some(design.norm(sizes, tensors, names.norm)?),
        };
        let output = Linear::load_head(tensors, names.output, hidden)?;
        let (pooling, activation) = (design.classified, names.activation);
        Ok(Self { pooling, dense, activation, norm, output })
    }

    /// The hidden states that the head needs.
    pub fn rows(&self) -> Rows {
        self.pooling.rows()
    }

    /// The number of logits for each text.
    pub fn classes(&self) -> usize {
        self.output.outputs()
    }

    /// The logits of a batch, `[batch, classes]`.
    pub fn forward(&self, hidden: &Hidden) -> Result<Tensor> {
        self.classify(&self.pooling.pool(hidden)?)
    }

    /// The logits of a batch in training, `[batch, classes]`: computed on the whole batch at once, so that there is one
    /// gradient and not one for each text.
    pub fn train(&self, hidden: &Hidden) -> Result<Tensor> {
        self.classify(&self.pooling.train(hidden)?)
    }

    /// The logits of pooled states, `[batch, hidden]` to `[batch, classes]`.
    fn classify(&self, pooled: &Tensor) -> Result<Tensor> {
        let mut dense = self.activation.forward(&self.dense.forward(pooled)?)?;
        if let Some(norm) = &self.norm {
            dense = norm.forward(&dense)?;
        }
        self.output.forward(&dense)
    }
}
