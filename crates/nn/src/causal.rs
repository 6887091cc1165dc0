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
use std::sync::OnceLock;

use rayon::prelude::*;
use serde::Deserialize;

use crate::architecture;
use crate::checkpoint::Checkpoint;
use crate::decoder::{Decoder, Past};
use crate::encoder::Table;
use crate::generation::{self, Beam, Bounds, Continues, Sampling, Stream, Total};
use crate::json::read_json;
use crate::product::Product;
use crate::{Backend, Error, Result, Tensors, Tokenizer, batches, check_finite, numbers};

/// A decoder-only language model with its tokenizer, loaded from a checkpoint of which every tensor is accounted for.
pub struct CausalLm {
    decoder: Decoder,
    /// The output layer for the whole vocabulary, made when it is first needed.
    head: OnceLock<Product>,
    /// Turns texts into tokens and back.
    pub tokenizer: Tokenizer,
    ends: Vec<u32>,
    positions: usize,
    backend: Backend,
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Chosen {
    /// The most likely one.
    Greedy,
    /// By chance.
    Sampled(Sampling),
    /// The one of the best text that beam search finds.
    Beam(Beam),
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

#[derive(Deserialize)]
#[serde(untagged)]
enum Ends {
    One(u32),
    Several(Vec<u32>),
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
            tensors.in_precision(|tensors| Decoder::load(&of.decoder, None, tensors))
        };
        let name = checkpoint.name();
        let decoder = Tensors::load(checkpoint.weights(), name, backend, ignore, build)?;
        let vocabulary = vocabulary.unwrap_or(checkpoint);
        let positions = of.decoder.blocks.sizes.positions;
        let tokenizer = Tokenizer::load(checkpoint, vocabulary, decoder.vocab(), positions)?;
        let ends = match checkpoint.file("generation_config.json") {
            None => of.ends,
            Some(path) => match read_json::<Generation>(&path)?.eos_token_id {
                None => of.ends,
                Some(Ends::One(end)) => vec![end],
                Some(Ends::Several(ends)) => ends,
            },
        };
        let (head, backend) = (OnceLock::new(), backend.clone());
        Ok(Self { decoder, head, tokenizer, ends, positions, backend })
    }

    /// The tokens at which a text ends.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The largest number of tokens that it was made to read and write together.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// The logits of every token of the vocabulary behind each token of a text: `[tokens, vocab]` for each text.
    ///
    /// # Errors
    ///
    /// If a text is empty or longer than the model has positions.
    pub fn logits(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let mut all = vec![Vec::new(); texts.len()];
        let lasts: Vec<usize> = texts.iter().map(Vec::len).collect();
        self.logits_of(texts, &lasts, |text, logits| all[text] = logits.to_vec())?;
        Ok(all)
    }

    /// The logits of some tokens behind each text, `[texts, tokens]`.
    ///
    /// # Errors
    ///
    /// If a logit is infinite or not a number, which `text` names, or as [`Self::logits`].
    pub fn next(
        &self,
        texts: &[Vec<u32>],
        tokens: &[u32],
        text: impl Fn(usize) -> String,
    ) -> Result<Table> {
        let head = self.decoder.head_of(tokens)?;
        let mut table = Table { width: tokens.len(), rows: vec![0.0; texts.len() * tokens.len()] };
        self.states(texts, &vec![1; texts.len()], |place, states| {
            let row = numbers(&head.forward(states)?)?;
            check_finite(&row, || text(place))?;
            table.rows[place * tokens.len()..][..tokens.len()].copy_from_slice(&row);
            Ok(())
        })?;
        Ok(table)
    }

    /// `log P(token | context, tokens before it)` of every token of the target behind each context.
    ///
    /// # Errors
    ///
    /// As [`Self::logits`].
    pub fn log_likelihoods(
        &self,
        contexts: &[Vec<u32>],
        targets: &[Vec<u32>],
    ) -> Result<Vec<Vec<f32>>> {
        let vocab = self.decoder.vocab();
        let joined = contexts.iter().zip(targets).map(|(context, target)| {
            let before = target.split_last().map_or(&[][..], |(_, before)| before);
            [context, before].concat()
        });
        let texts: Vec<Vec<u32>> = joined.collect();
        let lasts: Vec<usize> = targets.iter().map(|target| target.len().max(1)).collect();
        let mut all = vec![Vec::new(); contexts.len()];
        self.logits_of(&texts, &lasts, |text, logits| {
            let rows = logits.par_chunks_exact(vocab).zip(&targets[text]);
            let log =
                |(row, &token): (&[f32], &u32)| Total::of(row).log_probability(row[token as usize]);
            all[text] = rows.map(log).collect();
        })?;
        Ok(all)
    }

    /// Writes at most `most` tokens behind each text, up to an end and without it.
    ///
    /// - `names`: a number for each text, from which with the seed its draws follow
    /// - `stops`: whether a text is complete although no token ended it
    ///
    /// # Errors
    ///
    /// If a text is empty, or with what is to be written longer than the model has positions.
    pub fn write(
        &self,
        texts: &[Vec<u32>],
        names: &[u64],
        (how, most): (Chosen, usize),
        stops: &(dyn Fn(&[u32]) -> bool + Sync),
    ) -> Result<Vec<Vec<u32>>> {
        let head = self.head()?;
        let bounds = Bounds { start: 0, ends: &self.ends, most, stops };
        let mut all = vec![Vec::new(); texts.len()];
        let beams = if let Chosen::Beam(beam) = how { beam.beams } else { 1 };
        self.check(texts, most)?;
        self.pasts(texts, most * beams, |places, pasts| {
            let last = |&place: &usize| *texts[place].last().expect("no text is empty");
            let last = places.iter().map(last).collect();
            let mut writing = Writing { decoder: &self.decoder, head, pasts, last: Some(last) };
            let written = match how {
                Chosen::Greedy => generation::greedy(&mut writing, places.len(), bounds)?,
                Chosen::Sampled(with) => {
                    let stream = |&place: &usize| Stream { of: names[place], number: 0 };
                    let streams: Vec<Stream> = places.iter().map(stream).collect();
                    generation::sample(&mut writing, &with, &streams, bounds)?
                }
                Chosen::Beam(with) => {
                    let one = |text| generation::beam(&mut writing.one(text), with, bounds);
                    (0..places.len()).map(one).collect::<Result<_>>()?
                }
            };
            places.iter().zip(written).for_each(|(&place, text)| all[place] = text);
            Ok(())
        })?;
        Ok(all)
    }

    /// Calls `each` with the place of every text and the logits behind its last tokens, `[last, vocab]`.
    fn logits_of(
        &self,
        texts: &[Vec<u32>],
        lasts: &[usize],
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        let head = self.head()?;
        self.states(texts, lasts, |text, states| {
            each(text, &numbers(&head.forward(states)?)?);
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

    fn head(&self) -> Result<&Product> {
        if let Some(head) = self.head.get() {
            return Ok(head);
        }
        let made = self.decoder.head(&self.backend)?;
        Ok(self.head.get_or_init(|| made))
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
    decoder: &'a Decoder,
    head: &'a Product,
    pasts: Vec<Past>,
    /// The last token of each prompt, which comes before what is written; `None` once it has been read.
    last: Option<Vec<u32>>,
}

impl Writing<'_> {
    /// One of the texts by itself.
    fn one(&self, text: usize) -> Self {
        let last = self.last.as_ref().map(|last| vec![last[text]]);
        Self { decoder: self.decoder, head: self.head, pasts: vec![self.pasts[text].clone()], last }
    }
}

impl Continues for Writing<'_> {
    fn next(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let last = self.last.take();
        let states = self.decoder.step(last.as_deref().unwrap_or(tokens), &mut self.pasts)?;
        numbers(&self.head.forward(&states)?)
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
