//! An encoder-decoder with its tokenizer: it reads a text, and scores, looks at or writes what may follow.

use candle_core::Tensor;

use crate::architecture::EncoderDecoder;
use crate::checkpoint::Checkpoint;
use crate::decoder::{Decoder, Output, Past};
use crate::encoder::Table;
use crate::generation::{self, Beam, Bounds, Continues, Sampling, Stream};
use crate::{
    Backend, Encoder, Hidden, Result, Rows, Tensors, Tokenizer, Tokens, Trunk, Writer, batches,
    check_finite, never,
};

/// An encoder-decoder with its tokenizer, loaded from a checkpoint of which every tensor is accounted for.
pub struct Seq2Seq {
    encoder: Encoder,
    decoder: Decoder,
    output: Output,
    /// Turns texts into tokens and back.
    pub tokenizer: Tokenizer,
    start: u32,
    end: u32,
    backend: Backend,
}

/// The most bytes that the keys and values take of the texts that are written at the same time, if each becomes as long as it
/// may; one text alone may take more.
const KEPT: usize = 1 << 30;

impl Seq2Seq {
    /// Loads encoder, decoder and tokenizer.
    ///
    /// - `vocabulary`: the checkpoint whose tokenizer is used if this one has none
    /// - `ignore`: patterns of tensors that are not used
    ///
    /// # Errors
    ///
    /// If a file cannot be read, a tensor is missing, has another shape or is left over, or the model is no encoder-decoder.
    pub fn load(
        checkpoint: &Checkpoint,
        vocabulary: Option<&Checkpoint>,
        backend: &Backend,
        ignore: &[String],
    ) -> Result<Self> {
        let of = EncoderDecoder::read(&checkpoint.config())?;
        let build = |tensors: &mut Tensors| {
            tensors.in_precision(|tensors| {
                let trunk = Trunk::load(&of.encoder, tensors)?;
                let words = &trunk.embeddings.word;
                let decoder = Decoder::load(&of.decoder, Some(words), tensors)?;
                let output = Output::load(&of.decoder, words, tensors)?;
                Ok((trunk, decoder, output))
            })
        };
        let name = checkpoint.name();
        let (trunk, decoder, output) =
            Tensors::load(checkpoint.weights(), name, backend, ignore, build)?;
        let vocabulary = vocabulary.unwrap_or(checkpoint);
        let positions = of.encoder.sizes.positions;
        let tokenizer = Tokenizer::load(checkpoint, vocabulary, trunk.vocab(), positions)?;
        Ok(Self {
            encoder: Encoder::new(trunk, backend)?,
            decoder,
            output,
            tokenizer,
            start: of.start,
            end: of.end,
            backend: backend.clone(),
        })
    }

    /// The logits of every token of the vocabulary at each position of a target: `[target, vocab]` for each text. The logits at a
    /// position are those of the token that stands there in the target.
    pub fn logits(&self, inputs: &[Tokens], targets: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let mut all = vec![Vec::new(); inputs.len()];
        self.of_targets(inputs, targets, |place, logits| all[place] = logits.to_vec())?;
        Ok(all)
    }

    /// Calls `each` with the place of every text and the logits of its target, `[target, vocab]`.
    fn of_targets(
        &self,
        inputs: &[Tokens],
        targets: &[Vec<u32>],
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        let vocab = self.decoder.vocab();
        self.in_batches(inputs, |places, memory| {
            let shifted: Vec<Vec<u32>> = places
                .iter()
                .map(|&place| {
                    let before = targets[place].split_last().map_or(&[][..], |(_, before)| before);
                    std::iter::once(self.start).chain(before.iter().copied()).collect()
                })
                .collect();
            let texts: Vec<&[u32]> = shifted.iter().map(Vec::as_slice).collect();
            let states = self.decoder.forward(&texts, memory)?;
            for (&place, rows) in places.iter().zip(states.sequences()?) {
                let logits = self.output.logits(&rows)?;
                each(place, &logits[..targets[place].len() * vocab]);
            }
            Ok(())
        })
    }

    /// Writes the best text that beam search finds: at most `most` tokens for each text, up to the end and without it.
    pub fn beam(&self, inputs: &[Tokens], with: Beam, most: usize) -> Result<Vec<Vec<u32>>> {
        let bounds = self.bounds(most);
        let mut all = Vec::with_capacity(inputs.len());
        for input in inputs {
            let one = std::slice::from_ref(input);
            all.extend(self.written(one, with.beams * most, |writing, _, _| {
                Ok(vec![generation::beam(writing, with, bounds)?])
            })?);
        }
        Ok(all)
    }

    /// Reads texts in batches and has `write` write something for each; in the order of the texts.
    ///
    /// - `most`: the most tokens that are written for a text
    fn written<W: Clone + Default>(
        &self,
        inputs: &[Tokens],
        most: usize,
        mut write: impl FnMut(&mut Writing<'_>, &[usize], usize) -> Result<Vec<W>>,
    ) -> Result<Vec<W>> {
        let mut all = vec![W::default(); inputs.len()];
        let budget = (KEPT / self.decoder.bytes_kept().max(1)).min(self.backend.batch_tokens());
        self.in_batches_of(inputs, (budget, most), |places, memory| {
            let pasts = self.decoder.read(memory)?;
            let mut writing = Writing { of: self, pasts };
            for (&place, written) in places.iter().zip(write(&mut writing, places, places.len())?) {
                all[place] = written;
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// What a text begins with, its own first token in front: the last token, and those before it.
    fn begun(&self, begins: &[u32]) -> (u32, Vec<u32>) {
        let mut before = [&[self.start], begins].concat();
        let last = before.pop().expect("there is the token before the first");
        (last, before)
    }

    fn bounds(&self, most: usize) -> Bounds<'_> {
        let ends = std::slice::from_ref(&self.end);
        Bounds { start: self.start, ends, most, stops: &never }
    }

    fn in_batches(
        &self,
        inputs: &[Tokens],
        each: impl FnMut(&[usize], &Hidden) -> Result<()>,
    ) -> Result<()> {
        self.in_batches_of(inputs, (self.backend.batch_tokens(), 0), each)
    }

    /// Calls `each` with batches of at most `budget` tokens, where every text counts `more` than it has.
    fn in_batches_of(
        &self,
        inputs: &[Tokens],
        (budget, more): (usize, usize),
        mut each: impl FnMut(&[usize], &Hidden) -> Result<()>,
    ) -> Result<()> {
        let lengths: Vec<usize> = inputs.iter().map(|input| input.len() + more).collect();
        for places in batches(&lengths, budget) {
            let batch: Vec<Tokens> = places.iter().map(|&place| inputs[place].clone()).collect();
            each(&places, &self.encoder.hidden(&batch, Rows::All)?)?;
        }
        Ok(())
    }
}

impl Writer for Seq2Seq {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn target(&self, text: &str, most: usize) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode(text)?;
        if ids.len() > most {
            ids.truncate(most.saturating_sub(1));
            ids.push(self.end);
        }
        Ok(ids)
    }

    fn first(
        &self,
        inputs: &[Tokens],
        begins: &[u32],
        tokens: &[u32],
        text: &dyn Fn(usize) -> String,
    ) -> Result<Table> {
        let output = self.output.part(tokens)?;
        let mut table = Table { width: tokens.len(), rows: vec![0.0; inputs.len() * tokens.len()] };
        let begins = [&[self.start], begins].concat();
        self.in_batches(inputs, |places, memory| {
            let texts = vec![&begins[..]; places.len()];
            let states = self.decoder.forward(&texts, memory)?;
            let logits = output.logits(&lasts(&states, begins.len())?)?;
            for (&place, row) in places.iter().zip(logits.chunks_exact(tokens.len())) {
                check_finite(row, || text(place))?;
                table.rows[place * tokens.len()..][..tokens.len()].copy_from_slice(row);
            }
            Ok(())
        })?;
        Ok(table)
    }

    fn log_likelihoods(&self, inputs: &[Tokens], targets: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let vocab = self.decoder.vocab();
        let mut all = vec![Vec::new(); inputs.len()];
        self.of_targets(inputs, targets, |place, logits| {
            all[place] = generation::log_probabilities(logits, vocab, &targets[place]);
        })?;
        Ok(all)
    }

    fn greedy(
        &self,
        inputs: &[Tokens],
        begins: &[u32],
        most: usize,
        stops: &dyn Fn(&[u32]) -> bool,
    ) -> Result<Vec<Vec<u32>>> {
        let (start, before) = self.begun(begins);
        let bounds = Bounds { start, stops, ..self.bounds(most) };
        self.written(inputs, most + before.len(), |writing, _, count| {
            writing.begin(&before)?;
            generation::greedy(writing, count, bounds)
        })
    }

    fn sample(
        &self,
        inputs: &[Tokens],
        begins: &[u32],
        names: &[u64],
        with: &Sampling,
        (texts, most): (usize, usize),
        stops: &dyn Fn(&[u32]) -> bool,
    ) -> Result<Vec<Vec<Vec<u32>>>> {
        let (start, before) = self.begun(begins);
        let bounds = Bounds { start, stops, ..self.bounds(most) };
        let written =
            self.written(inputs, texts * (most + before.len()), |writing, places, count| {
                writing.begin(&before)?;
                let each = |text: usize| std::iter::repeat_n(text, texts);
                writing.keep(&(0..count).flat_map(each).collect::<Vec<_>>());
                let streams = Stream::of_texts(places.iter().map(|&place| names[place]), texts);
                let all = generation::sample(writing, with, &streams, bounds)?;
                Ok(all.chunks(texts.max(1)).map(<[Vec<u32>]>::to_vec).collect())
            })?;
        Ok(written)
    }
}

/// The last row of every text, where each has `length`.
fn lasts(states: &Hidden, length: usize) -> Result<Tensor> {
    let places: Vec<u32> = states.firsts().iter().map(|first| first + length as u32 - 1).collect();
    let places = Tensor::new(places, states.states.device())?;
    Ok(states.states.index_select(&places, 0)?)
}

/// Texts that are being written.
struct Writing<'a> {
    of: &'a Seq2Seq,
    pasts: Vec<Past>,
}

impl Writing<'_> {
    /// Puts tokens in front of every text.
    fn begin(&mut self, tokens: &[u32]) -> Result<()> {
        self.of.decoder.read_on(&vec![tokens; self.pasts.len()], &mut self.pasts)
    }
}

impl Continues for Writing<'_> {
    fn next(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let states = self.of.decoder.step(tokens, &mut self.pasts)?;
        self.of.output.logits(&states)
    }

    fn keep(&mut self, places: &[usize]) {
        self.pasts = places.iter().map(|&place| self.pasts[place].clone()).collect();
    }
}
