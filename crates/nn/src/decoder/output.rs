//! The output layer of a decoder: a logit for each token of the vocabulary.

use std::sync::OnceLock;

use candle_core::Tensor;

use crate::architecture;
use crate::layers::Linear;
use crate::product::Product;
use crate::{Backend, Result, Tensors, numbers};

/// `logits = W (scale · h) + b`
pub(crate) struct Output {
    layer: Linear,
    scale: f64,
    /// The layer for the whole vocabulary, made when it is first needed.
    whole: OnceLock<Product>,
    backend: Backend,
}

/// An output layer for some tokens.
pub(crate) struct Part<'a> {
    layer: Product,
    of: &'a Output,
}

impl Output {
    /// Takes the output layer.
    ///
    /// - `words`: the table of word embeddings, which it may be
    pub(crate) fn load(
        of: &architecture::Decoder,
        words: &Tensor,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let (sizes, names) = (&of.blocks.sizes, of.output);
        // Saved without it by classes that write nothing; the reference takes zeros then.
        let bias = match tensors.has(names.bias) {
            true => Some(tensors.take(names.bias, &[1, sizes.vocab])?.squeeze(0)?),
            false => None,
        };
        let weight = match of.tied {
            true => {
                tensors.is_copy(names.head, words)?;
                words.clone()
            }
            false => tensors.take(names.head, &[sizes.vocab, sizes.hidden])?,
        };
        let (layer, backend) = (Linear::new(weight, bias), tensors.backend().clone());
        Ok(Self { layer, scale: of.output_scale, whole: OnceLock::new(), backend })
    }

    /// The logits of every token of the vocabulary, `[rows, vocab]`, for hidden states, `[rows, hidden]`.
    pub(crate) fn logits(&self, states: &Tensor) -> Result<Vec<f32>> {
        numbers(&self.whole()?.forward(&(states * self.scale)?)?)
    }

    fn whole(&self) -> Result<&Product> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let made = Product::new(self.layer.clone(), &self.backend)?;
        Ok(self.whole.get_or_init(|| made))
    }

    /// The output layer for some tokens alone, in this order.
    pub(crate) fn part(&self, tokens: &[u32]) -> Result<Part<'_>> {
        let ids = Tensor::new(tokens, self.layer.weight().device())?;
        let rows = self.layer.weight().index_select(&ids, 0)?;
        let bias = self.layer.bias().map(|bias| bias.index_select(&ids, 0)).transpose()?;
        Ok(Part { layer: Product::Plain(Linear::new(rows, bias)), of: self })
    }
}

impl Part<'_> {
    /// The logits of these tokens, `[rows, tokens]`, for hidden states, `[rows, hidden]`.
    pub(crate) fn logits(&self, states: &Tensor) -> Result<Vec<f32>> {
        numbers(&self.layer.forward(&(states * self.of.scale)?)?)
    }
}
