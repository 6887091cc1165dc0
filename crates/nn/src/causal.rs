//! A language model with its tokenizer: a decoder that scores, looks at or writes what follows a text.
//!
//! Prompts of one task begin alike: with the same instruction, often with the same query or passage. What some texts of a call
//! share at their beginning is computed once: texts are sorted by their tokens, so that those which begin alike stand side by
//! side, and each stretch that several share becomes a [`Past`] from which all of them go on.
//!
//! ```text
//! rank: q, p_1, p_2        rank: q, ──┬── p_1, ──┬── p_2
//! rank: q, p_1, p_3                   │          └── p_3
//! rank: q, p_2, p_3                   └── p_2, p_3
//! ```

use std::ops::Range;

use serde::Deserialize;

use crate::architecture;
use crate::architecture::decoder::Ends;
use crate::checkpoint::Checkpoint;
use crate::decoder::{Decoder, Output, Past};
use crate::encoder::Table;
use crate::generation::{self, Beam, Bounds, Continues, Sampling, Stream};
use crate::json::read_json;
use crate::{
    Backend, Error, Result, Tensors, Tokenizer, Tokens, Writer, batches, check_finite, never,
};

/// A decoder-only language model with its tokenizer, loaded from a checkpoint of which every tensor is accounted for.
pub struct CausalLm {
    decoder: Decoder,
    output: Output,
    /// Turns texts into tokens and back.
    pub tokenizer: Tokenizer,
    ends: Vec<u32>,
    positions: usize,
    backend: Backend,
}

/// The fewest tokens that are worth being computed once for several texts: a pass through all weights for fewer rows costs about
/// as much as for many.
const WORTH: usize = 16;

/// The most bytes that the keys and values take of the texts that are written at the same time; one text alone may take more.
const KEPT: usize = 1 << 30;

/// What `generation_config.json` says of where a text ends.
#[derive(Deserialize)]
struct Generation {
    eos_token_id: Option<Ends>,
}

impl CausalLm {
    /// Loads decoder and tokenizer.
    ///
    /// - `vocabulary`: the checkpoint whose tokenizer is used if this one has none
    /// - `ignore`: patterns of tensors that are not used
    ///
    /// # Errors
    ///
    /// If a file cannot be read, a tensor is missing, has another shape or is left over, or the model is no decoder.
    pub fn load(
        checkpoint: &Checkpoint,
        vocabulary: Option<&Checkpoint>,
        backend: &Backend,
        ignore: &[String],
    ) -> Result<Self> {
        let of = architecture::CausalLm::read(&checkpoint.config())?;
        let build = |tensors: &mut Tensors| {
            tensors.in_precision(|tensors| {
                let decoder = Decoder::load(&of.decoder, None, tensors)?;
                let output = Output::load(&of.decoder, decoder.words(), tensors)?;
                Ok((decoder, output))
            })
        };
        let name = checkpoint.name();
        let (decoder, output) = Tensors::load(checkpoint.weights(), name, backend, ignore, build)?;
        let vocabulary = vocabulary.unwrap_or(checkpoint);
        let positions = of.decoder.blocks.sizes.positions;
        let tokenizer = Tokenizer::load(checkpoint, vocabulary, decoder.vocab(), positions)?;
        let ends = match checkpoint.file("generation_config.json") {
            None => of.ends,
            Some(path) => read_json::<Generation>(&path)?.eos_token_id.map_or(of.ends, Ends::all),
        };
        Ok(Self { decoder, output, tokenizer, ends, positions, backend: backend.clone() })
    }

    /// The logits of every token of the vocabulary behind each token of a text: `[tokens, vocab]` for each text.
    ///
    /// # Errors
    ///
    /// If a text is empty or longer than the model has positions.
    pub fn logits(&self, inputs: &[Tokens]) -> Result<Vec<Vec<f32>>> {
        let texts = texts(inputs, &[]);
        let mut all = vec![Vec::new(); texts.len()];
        let lasts: Vec<usize> = texts.iter().map(Vec::len).collect();
        self.logits_of(&texts, &lasts, |text, logits| all[text] = logits.to_vec())?;
        Ok(all)
    }

    /// Writes the best text that beam search finds behind each text: at most `most` tokens, up to the end and without it.
    ///
    /// # Errors
    ///
    /// If a text is empty, or with what is written longer than the model has positions.
    pub fn beam(&self, inputs: &[Tokens], with: Beam, most: usize) -> Result<Vec<Vec<u32>>> {
        let bounds = Bounds { start: 0, ends: &self.ends, most, stops: &never };
        self.written(&texts(inputs, &[]), (with.beams, most), |writing, places| {
            let one = |text| generation::beam(&mut writing.one(text), with, bounds);
            (0..places.len()).map(one).collect()
        })
    }

    /// Calls `each` with the place of every text and the logits behind its last tokens, `[last, vocab]`.
    fn logits_of(
        &self,
        texts: &[Vec<u32>],
        lasts: &[usize],
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        self.states(texts, lasts, |text, states| {
            each(text, &self.output.logits(states)?);
            Ok(())
        })
    }

    /// Calls `each` with the place of every text and the states of its last tokens, `[last, hidden]`.
    fn states(
        &self,
        texts: &[Vec<u32>],
        lasts: &[usize],
        mut each: impl FnMut(usize, &candle_core::Tensor) -> Result<()>,
    ) -> Result<()> {
        self.check(texts, 0)?;
        let ends: Vec<usize> =
            texts.iter().zip(lasts).map(|(text, last)| text.len() - last).collect();
        self.shared(texts, &ends, &mut |past, places| {
            let rest = |&place: &usize| &texts[place][past.len()..];
            let lengths: Vec<usize> = places.iter().map(|place| rest(place).len()).collect();
            for batch in batches(&lengths, self.backend.batch_tokens()) {
                let batch: Vec<usize> = batch.into_iter().map(|at| places[at]).collect();
                let own: Vec<&[u32]> = batch.iter().map(rest).collect();
                let hidden = self.decoder.behind(&own, &vec![past.clone(); own.len()])?;
                for (&place, states) in batch.iter().zip(hidden.sequences()?) {
                    let (rows, last) = (states.dim(0)?, lasts[place]);
                    each(place, &states.narrow(0, rows - last, last)?)?;
                }
            }
            Ok(())
        })
    }

    /// Calls `each` with the places of some texts and what is computed of all of their tokens but the last.
    ///
    /// - `more`: the tokens that are going to be written for each
    fn pasts(
        &self,
        texts: &[Vec<u32>],
        more: usize,
        mut each: impl FnMut(&[usize], Vec<Past>) -> Result<()>,
    ) -> Result<()> {
        let ends: Vec<usize> = texts.iter().map(|text| text.len() - 1).collect();
        let budget = (KEPT / self.decoder.bytes_kept().max(1)).min(self.backend.batch_tokens());
        self.shared(texts, &ends, &mut |past, places| {
            let rest = |&place: &usize| &texts[place][past.len()..ends[place]];
            let lengths: Vec<usize> =
                places.iter().map(|&place| texts[place].len() + more).collect();
            for batch in batches(&lengths, budget) {
                let batch: Vec<usize> = batch.into_iter().map(|at| places[at]).collect();
                let own: Vec<&[u32]> = batch.iter().map(rest).collect();
                let mut pasts = vec![past.clone(); own.len()];
                self.decoder.read_on(&own, &mut pasts)?;
                each(&batch, pasts)?;
            }
            Ok(())
        })
    }

    /// Computes what texts share at their beginning, and calls `each` with it and the places of those texts that go on from there.
    ///
    /// - `ends`: for each text the end of what it may share
    fn shared(
        &self,
        texts: &[Vec<u32>],
        ends: &[usize],
        each: &mut dyn FnMut(&Past, &[usize]) -> Result<()>,
    ) -> Result<()> {
        let mut sorted: Vec<usize> = (0..texts.len()).collect();
        sorted.sort_by(|&a, &b| texts[a].cmp(&texts[b]));
        let begins: Vec<&[u32]> =
            sorted.iter().map(|&place| &texts[place][..ends[place]]).collect();
        self.branches(&Past::default(), (&sorted, &begins), each)
    }

    /// As [`Self::shared`], for texts whose beginning is in `past`.
    fn branches(
        &self,
        past: &Past,
        (places, begins): (&[usize], &[&[u32]]),
        each: &mut dyn FnMut(&Past, &[usize]) -> Result<()>,
    ) -> Result<()> {
        let mut alone = Vec::new();
        for group in groups(begins, past.len()) {
            if group.len() == 1 {
                alone.push(places[group.start]);
                continue;
            }
            let (places, begins) = (&places[group.clone()], &begins[group]);
            let shared = common(begins[0], begins[begins.len() - 1]);
            let mut longer = past.clone();
            let new = &begins[0][past.len()..shared];
            self.decoder.read_on(&[new], std::slice::from_mut(&mut longer))?;
            self.branches(&longer, (places, begins), each)?;
        }
        if alone.is_empty() { Ok(()) } else { each(past, &alone) }
    }

    /// Reads texts in batches and has `write` write something for each; in the order of the texts.
    ///
    /// - `copies`, `most`: how many texts are written for each, and the most tokens of one
    fn written<W: Clone + Default>(
        &self,
        texts: &[Vec<u32>],
        (copies, most): (usize, usize),
        mut write: impl FnMut(&mut Writing<'_>, &[usize]) -> Result<Vec<W>>,
    ) -> Result<Vec<W>> {
        self.check(texts, most)?;
        let mut all = vec![W::default(); texts.len()];
        self.pasts(texts, copies * most, |places, pasts| {
            let last = |&place: &usize| *texts[place].last().expect("no text is empty");
            let last = Some(places.iter().map(last).collect());
            let mut writing = Writing { of: self, pasts, last };
            let written = write(&mut writing, places)?;
            places.iter().zip(written).for_each(|(&place, text)| all[place] = text);
            Ok(())
        })?;
        Ok(all)
    }

    /// Refuses texts that are empty, or too long.
    fn check(&self, texts: &[Vec<u32>], more: usize) -> Result<()> {
        if texts.iter().any(Vec::is_empty) {
            return Err(Error::Unfit("a text without a token has nothing behind it".to_owned()));
        }
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        match longest + more <= self.positions {
            true => Ok(()),
            false => Err(Error::Unfit(format!(
                "a text of {longest} tokens{} is longer than the {} positions of the model: take fewer or shorter passages",
                if more > 0 { format!(", and {more} to be written,") } else { String::new() },
                self.positions
            ))),
        }
    }
}

impl Writer for CausalLm {
    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn target(&self, text: &str, most: usize) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode_plain(text)?;
        ids.truncate(most);
        Ok(ids)
    }

    fn first(
        &self,
        inputs: &[Tokens],
        begins: &[u32],
        tokens: &[u32],
        text: &dyn Fn(usize) -> String,
    ) -> Result<Table> {
        let (texts, width) = (texts(inputs, begins), tokens.len());
        let output = self.output.part(tokens)?;
        let mut table = Table { width, rows: vec![0.0; texts.len() * width] };
        self.states(&texts, &vec![1; texts.len()], |place, states| {
            let row = output.logits(states)?;
            check_finite(&row, || text(place))?;
            table.rows[place * width..][..width].copy_from_slice(&row);
            Ok(())
        })?;
        Ok(table)
    }

    fn log_likelihoods(&self, inputs: &[Tokens], targets: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let vocab = self.decoder.vocab();
        let joined = inputs.iter().zip(targets).map(|(input, target)| {
            let before = target.split_last().map_or(&[][..], |(_, before)| before);
            [&input.ids[..], before].concat()
        });
        let texts: Vec<Vec<u32>> = joined.collect();
        let lasts: Vec<usize> = targets.iter().map(|target| target.len().max(1)).collect();
        let mut all = vec![Vec::new(); texts.len()];
        self.logits_of(&texts, &lasts, |text, logits| {
            all[text] = generation::log_probabilities(logits, vocab, &targets[text]);
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
        let bounds = Bounds { start: 0, ends: &self.ends, most, stops };
        self.written(&texts(inputs, begins), (1, most), |writing, places| {
            generation::greedy(writing, places.len(), bounds)
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
        let bounds = Bounds { start: 0, ends: &self.ends, most, stops };
        self.written(&self::texts(inputs, begins), (texts, most), |writing, places| {
            let each = |text: usize| std::iter::repeat_n(text, texts);
            writing.keep(&(0..places.len()).flat_map(each).collect::<Vec<_>>());
            let streams = Stream::of_texts(places.iter().map(|&place| names[place]), texts);
            let all = generation::sample(writing, with, &streams, bounds)?;
            Ok(all.chunks(texts.max(1)).map(<[Vec<u32>]>::to_vec).collect())
        })
    }
}

/// The tokens of every text, with some more behind them.
fn texts(inputs: &[Tokens], begins: &[u32]) -> Vec<Vec<u32>> {
    inputs.iter().map(|input| [&input.ids[..], begins].concat()).collect()
}

/// The stretches of sorted texts that have at least [`WORTH`] tokens in common behind the first `from`; a text that shares
/// nothing with its neighbours is a stretch of one.
fn groups(texts: &[&[u32]], from: usize) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for at in 0..texts.len() {
        let goes_on = at > 0 && common(texts[at - 1], texts[at]) >= from + WORTH;
        match groups.last_mut() {
            Some(last) if goes_on => last.end = at + 1,
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

/// The number of tokens with which both texts begin.
fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Texts that are being written.
struct Writing<'a> {
    of: &'a CausalLm,
    pasts: Vec<Past>,
    /// The last token of each prompt, which comes before what is written; `None` once it has been read.
    last: Option<Vec<u32>>,
}

impl Writing<'_> {
    /// One of the texts by itself.
    fn one(&self, text: usize) -> Self {
        let last = self.last.as_ref().map(|last| vec![last[text]]);
        Self { of: self.of, pasts: vec![self.pasts[text].clone()], last }
    }
}

impl Continues for Writing<'_> {
    fn next(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let last = self.last.take();
        let last = last.as_deref().unwrap_or(tokens);
        self.of.output.logits(&self.of.decoder.step(last, &mut self.pasts)?)
    }

    fn keep(&mut self, places: &[usize]) {
        self.pasts = places.iter().map(|&place| self.pasts[place].clone()).collect();
        if let Some(last) = &mut self.last {
            *last = places.iter().map(|&place| last[place]).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_begin_alike_are_grouped() {
        let text = |parts: [(u32, usize); 2]| {
            parts.iter().flat_map(|&(token, times)| vec![token; times]).collect::<Vec<u32>>()
        };
        let texts = [
            text([(1, 20), (2, 20)]),
            text([(1, 20), (3, 20)]),
            text([(1, 36), (3, 1)]),
            text([(4, 9), (4, 3)]),
        ];
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        // The first 20 tokens of three texts; behind these no two go on alike for 16.
        assert_eq!(groups(&texts, 0), [0..3, 3..4]);
        assert_eq!(groups(&texts[..3], 20), [0..1, 1..2, 2..3]);
        assert_eq!(common(texts[0], texts[2]), 20);
    }
}
