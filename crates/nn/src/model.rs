//! An encoder, or a decoder that serves as one, with one head and its tokenizer, all from one checkpoint.

use crate::architecture::CausalLm;
use crate::checkpoint::Checkpoint;
use crate::decoder::Decoder;
use crate::{Architecture, Backend, Encoder, Error, Result, Tensors, Tokenizer, Trunk};

/// An encoder with one head and its tokenizer, loaded from a checkpoint. Every tensor of the checkpoint belongs to the
/// encoder or to the head, is ignored by the config, or belongs to a pooler that the head does not use.
///
/// - `H`: the head, which decides what the model gives for a text: vectors, weights or scores
///
/// ```
/// use std::path::Path;
///
/// use nir_nn::checkpoint::Checkpoint;
/// use nir_nn::heads::Vector;
/// use nir_nn::{Backend, Input, Model, Pooling, Similarity, Truncation};
///
/// // The small dense encoder that nir carries: BERT, whose vectors are the mean of the hidden states.
/// let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/pocket/models/dense");
/// let checkpoint = Checkpoint::in_folder(&folder)?;
/// // Its layer after the mean, and that of its vectors for tokens, are left out here.
/// let ignore = ["projection.*", "linear.weight"].map(str::to_owned);
/// let model = Model::load(&checkpoint, None, &Backend::reference(), &ignore, |architecture, tensors| {
///     Vector::load(architecture, tensors, Pooling::Mean, None)
/// })?;
///
/// let input = Input {
///     template: vec!["{text}".to_owned()],
///     lower_case: false,
///     special_tokens: true,
///     max_length: 32,
///     fill: None,
/// };
/// let tokenizer = model.tokenizer.bind(&input, Truncation::Longest)?;
/// let texts = ["the keeper of the lighthouse", "a lighthouse and its keeper", "salt in the soup"];
/// let tokens = texts
///     .iter()
///     .map(|text| tokenizer.encode(|_field| (*text).to_owned()))
///     .collect::<nir_nn::Result<Vec<_>>>()?;
/// let name = |place: usize| texts[place].to_owned(); // how an error would name a text
/// let table = model.head.table(&model.encoder, &tokens, 0, Similarity::Cosine, name)?;
///
/// let vector = |place: usize| &table.rows[place * table.width..][..table.width];
/// let cosine = |a, b| vector(a).iter().zip(vector(b)).map(|(x, y)| x * y).sum::<f32>();
/// assert!(cosine(0, 1) > cosine(0, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Model<H> {
    /// Turns tokens into hidden states.
    pub encoder: Encoder,
    /// Turns hidden states into the output.
    pub head: H,
    /// Turns texts into tokens.
    pub tokenizer: Tokenizer,
}

impl<H> Model<H> {
    /// Loads encoder, head and tokenizer.
    ///
    /// - `vocabulary`: the checkpoint whose tokenizer is used if this one has none
    /// - `ignore`: patterns of tensors that the method does not use, such as `pooler.*`
    /// - `head`: takes the tensors of the head
    ///
    /// # Errors
    ///
    /// If a file cannot be read, a tensor is missing, has another shape or is left over, or the encoder is not
    /// supported.
    pub fn load(
        checkpoint: &Checkpoint,
        vocabulary: Option<&Checkpoint>,
        backend: &Backend,
        ignore: &[String],
        head: impl FnOnce(&Architecture, &mut Tensors) -> Result<H>,
    ) -> Result<Self> {
        let path = checkpoint.config();
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Io { path, source })?;
        let vocabulary = vocabulary.unwrap_or(checkpoint);
        match CausalLm::is_described(&text) {
            true => Self::load_causal((checkpoint, vocabulary), backend, ignore, head),
            false => Self::load_encoder((checkpoint, vocabulary), backend, ignore, head),
        }
    }

    fn load_encoder(
        (checkpoint, vocabulary): (&Checkpoint, &Checkpoint),
        backend: &Backend,
        ignore: &[String],
        head: impl FnOnce(&Architecture, &mut Tensors) -> Result<H>,
    ) -> Result<Self> {
        let architecture = Architecture::read(&checkpoint.config())?;
        let sizes = &architecture.sizes;
        let positions = sizes.positions.saturating_sub(sizes.first_position);
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

    /// A decoder whose hidden states are taken; its output layer, if it has one, is not read.
    fn load_causal(
        (checkpoint, vocabulary): (&Checkpoint, &Checkpoint),
        backend: &Backend,
        ignore: &[String],
        head: impl FnOnce(&Architecture, &mut Tensors) -> Result<H>,
    ) -> Result<Self> {
        let of = CausalLm::read(&checkpoint.config())?.decoder;
        let (decoder, head) =
            Tensors::load(checkpoint.weights(), checkpoint.name(), backend, ignore, |tensors| {
                let decoder = tensors.in_precision(|tensors| Decoder::load(&of, None, tensors))?;
                tensors.pass_over(of.output.head);
                Ok((decoder, head(&of.blocks, tensors)?))
            })?;
        let sizes = &of.blocks.sizes;
        let tokenizer = Tokenizer::load(checkpoint, vocabulary, decoder.vocab(), sizes.positions)?;
        Ok(Self { encoder: Encoder::causal(decoder, sizes, backend), head, tokenizer })
    }
}
