//! What methods ask of a model that writes, whether it is an encoder-decoder or a decoder alone.

use crate::architecture::EncoderDecoder;
use crate::checkpoint::Checkpoint;
use crate::encoder::Table;
use crate::{Backend, CausalLm, Error, Result, Sampling, Seq2Seq, Tokenizer, Tokens};

/// A model that scores, looks at or writes what follows a text. [`Seq2Seq`] reads the text with its encoder and begins a new one;
/// [`CausalLm`] goes on behind it.
pub trait Writer: Send + Sync {
    /// Turns texts into tokens and back.
    fn tokenizer(&self) -> &Tokenizer;

    /// The tokens of a text that is scored as what follows another, at most `most` of them.
    ///
    /// A target of an encoder-decoder has the token that ends it, also where the text is cut; one of a decoder has none.
    ///
    /// # Errors
    ///
    /// If the tokenizer cannot read the text.
    fn target(&self, text: &str, most: usize) -> Result<Vec<u32>>;

    /// The logits of some tokens at the first position of what follows each text, `[texts, tokens]`.
    ///
    /// - `begins`: the tokens with which what follows begins, before that position
    /// - `text`: the text at a position, for an error to name it
    ///
    /// # Errors
    ///
    /// If a logit is infinite or not a number, or a text is longer than the model can read.
    fn first(
        &self,
        inputs: &[Tokens],
        begins: &[u32],
        tokens: &[u32],
        text: &dyn Fn(usize) -> String,
    ) -> Result<Table>;

    /// `log P(token | text, tokens before it)` of every token of the target of each text.
    ///
    /// # Errors
    ///
    /// If a text is longer than the model can read.
    fn log_likelihoods(&self, inputs: &[Tokens], targets: &[Vec<u32>]) -> Result<Vec<Vec<f32>>>;

    /// Writes the most likely token at each place: at most `most` tokens for each text, up to the end and without it.
    ///
    /// - `begins`: the tokens with which what follows begins; they are not part of the result
    /// - `stops`: whether what has been written so far is complete although no token ended it
    ///
    /// # Errors
    ///
    /// If a text, with what is written, is longer than the model can read.
    fn greedy(
        &self,
        inputs: &[Tokens],
        begins: &[u32],
        most: usize,
        stops: &dyn Fn(&[u32]) -> bool,
    ) -> Result<Vec<Vec<u32>>>;

    /// Writes some texts by chance for each input, up to the end and without it.
    ///
    /// - `sizes`: how many texts for each input, and the most tokens of one
    /// - `names`: a number for each input, from which with the seed its draws follow
    /// - `begins`: the tokens with which what follows begins; they are not part of the result
    ///
    /// # Errors
    ///
    /// As [`Self::greedy`].
    fn sample(
        &self,
        inputs: &[Tokens],
        begins: &[u32],
        names: &[u64],
        with: &Sampling,
        sizes: (usize, usize),
        stops: &dyn Fn(&[u32]) -> bool,
    ) -> Result<Vec<Vec<Vec<u32>>>>;
}

/// What [`Writer::greedy`] and [`Writer::sample`] take where a text goes on until a token ends it.
pub fn never(_text: &[u32]) -> bool {
    false
}

impl dyn Writer {
    /// Loads the model that a checkpoint's `config.json` describes.
    ///
    /// - `vocabulary`: the checkpoint whose tokenizer is used if this one has none
    /// - `ignore`: patterns of tensors that are not used
    ///
    /// # Errors
    ///
    /// If a file cannot be read, a tensor is missing, has another shape or is left over, or the model does not write.
    pub fn load(
        checkpoint: &Checkpoint,
        vocabulary: Option<&Checkpoint>,
        backend: &Backend,
        ignore: &[String],
    ) -> Result<Box<Self>> {
        let path = checkpoint.config();
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Io { path, source })?;
        Ok(match EncoderDecoder::is_described(&text) {
            true => Box::new(Seq2Seq::load(checkpoint, vocabulary, backend, ignore)?),
            false => Box::new(CausalLm::load(checkpoint, vocabulary, backend, ignore)?),
        })
    }
}
