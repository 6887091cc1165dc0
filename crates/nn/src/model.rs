//! An encoder with one head and its tokenizer, all from one checkpoint.

use crate::checkpoint::Checkpoint;
use crate::{Architecture, Backend, Encoder, Result, Tensors, Tokenizer, Trunk};

/// A checkpoint, loaded: every tensor is in the encoder or the head, or was named as ignored, or is a pooler's that the
/// head has no use for.
pub struct Model<H> {
    /// Tokens to hidden states.
    pub encoder: Encoder,
    /// Hidden states to what a method needs.
    pub head: H,
    /// Texts to tokens.
    pub tokenizer: Tokenizer,
}

impl<H> Model<H> {
    /// Loads encoder, head and tokenizer; `vocabulary` is the checkpoint whose tokenizer is taken where this one has none;
    /// `ignore` holds patterns of tensors that the method does not use.
    pub fn load(
        checkpoint: &Checkpoint,
        vocabulary: Option<&Checkpoint>,
        backend: &Backend,
        ignore: &[String],
        head: impl FnOnce(&Architecture, &mut Tensors) -> Result<H>,
    ) -> Result<Self> {
        let architecture = Architecture::read(&checkpoint.config())?;
        let sizes = &architecture.sizes;
        let positions = sizes.positions.saturating_sub(sizes.first_position);
        let vocabulary = vocabulary.unwrap_or(checkpoint);
        let (trunk, head) =
            Tensors::load(checkpoint.weights(), checkpoint.name(), backend, ignore, |tensors| {
                let trunk = tensors.in_precision(|tensors| Trunk::load(&architecture, tensors))?;
                let head = head(&architecture, tensors)?;
                // BERT's pooler comes after the hidden states: a head that has not taken it computes the same without.
                let prefix = tensors.prefix(architecture.names.word)?;
                tensors.pass_over(&format!("{prefix}pooler.dense.weight"));
                tensors.pass_over(&format!("{prefix}pooler.dense.bias"));
                Ok((trunk, head))
            })?;
        let mut tokenizer = Tokenizer::load(checkpoint, vocabulary, trunk.vocab(), positions)?;
        if architecture.design.skips_unknown {
            tokenizer.skip_unknown();
        }
        Ok(Self { encoder: Encoder::new(trunk, backend)?, head, tokenizer })
    }
}
