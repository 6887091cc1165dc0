//! The forward pass of BERT-shaped transformers on a processor.
//! Devlin et al., NAACL 2019, section 3; the layer is that of Vaswani et al., NeurIPS 2017, with layer normalisation after each block.
//!
//! ```text
//! x = norm(x + attention(x))                x = x + attention(norm(x))
//! x = norm(x + W_down gelu(W_up x))         x = x + W_down (gelu(W_gate norm(x)) · W_up norm(x))
//! ```
//!
//! On the left is BERT; on the right a block that normalises before its parts, with a gate in the second (ModernBERT). Each
//! layer says which it has, how its attention knows where tokens stand (the `relation` module) and how far it sees.
//!
//! A token costs the same arithmetic in every library; time is lost around it. So:
//!
//! - Sequences follow one another without padding: only attention needs to know where one ends.
//! - Weights are packed once, in the order in which a product reads them (the `linear` module).
//! - A group of whole sequences goes through all layers before the next, so that its rows stay in the cache.
//! - Bias, activation function and residual are applied to a tile of a product while it is at hand.
//! - Where only the first token of each sequence is asked for, the last layer computes no other.
//!
//! The result of a sequence is the same to the last bit whatever it is batched with and at any number of threads.

// A kernel that is not inlined into a function with wide instructions is compiled without them.
#![allow(clippy::inline_always)]

mod arithmetic;
mod attention;
mod embeddings;
pub(crate) mod gradients;
mod head;
mod linear;
mod math;
mod norm;
pub(crate) mod products;
mod quantise;
mod relation;

use std::cell::Cell;

use rayon::prelude::*;

use attention::Attention;
use linear::Finish;
use math::Function;
use quantise::Quantised;

pub use arithmetic::Arithmetic;
pub use embeddings::{Embeddings, Tables};
pub use linear::Linear;
pub use math::Activation;
pub use nir_kernels::Simd;
pub use norm::LayerNorm;
pub use relation::{Disentangled, Distances, Relation, Rotary, RowsByDistance};

/// The number of tokens that pass through the layers together: many enough that weights are read seldom, few enough
/// that their states stay in the cache.
const GROUP: usize = 256;

/// The number of tokens that pass through a feed-forward block together; its inner rows are the widest of all.
const BLOCK: usize = 128;

/// The sizes and settings that all layers share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// The number of values of a token between layers.
    pub hidden: usize,
    /// The number of attention heads, each `attention / heads` wide.
    pub heads: usize,
    /// The width of all heads together.
    pub attention: usize,
    /// Whether the score of two tokens is divided by the square root of a head's width.
    pub scaled: bool,
    /// Whether a layer norm subtracts the mean of a row.
    pub centred: bool,
    /// The number of values of a token inside a feed-forward block.
    pub intermediate: usize,
    /// The epsilon of layer norms, which is added to the variance.
    pub norm_eps: f32,
    /// The activation function between the two linear layers of a feed-forward block.
    pub activation: Activation,
    /// Where a layer normalises.
    pub placement: Placement,
}

/// Where a layer applies layer norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// To the sum of a part's input and output: `norm(x + part(x))`.
    After,
    /// To the input of a part, `x + part(norm(x))`, and once more to the output of the last layer.
    Before,
}

/// The weights of a linear layer.
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a> {
    /// `[outputs, inputs]`.
    pub weight: &'a [f32],
    /// `[outputs]`.
    pub bias: &'a [f32],
}

/// The weights of a layer norm.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// `[hidden]`.
    pub weight: &'a [f32],
    /// `[hidden]`.
    pub bias: &'a [f32],
}

/// The weights of one layer.
#[derive(Clone)]
pub struct LayerWeights<'a> {
    /// Makes the queries: `[attention, hidden]`.
    pub query: Dense<'a>,
    /// Makes the keys: `[attention, hidden]`.
    pub key: Dense<'a>,
    /// Makes the values: `[attention, hidden]`.
    pub value: Dense<'a>,
    /// The layer after attention: `[hidden, attention]`.
    pub output: Dense<'a>,
    /// Applied after attention and its residual, or before attention; `None` where the embeddings are normalised
    /// already.
    pub attention_norm: Option<Norm<'a>>,
    /// `[intermediate, hidden]`: its output passes through the activation and is multiplied by that of `up`.
    pub gate: Option<Dense<'a>>,
    /// `[intermediate, hidden]`: its output passes through the activation if there is no gate.
    pub up: Dense<'a>,
    /// The last layer of the feed-forward block: `[hidden, intermediate]`.
    pub down: Dense<'a>,
    /// Applied after the feed-forward block and its residual, or before the block.
    pub output_norm: Norm<'a>,
    /// How the score of two tokens depends on their positions.
    pub relation: Relation,
    /// The largest distance at which a token sees another one; `None` if it sees all of them.
    pub window: Option<usize>,
}

/// Weights that do not fit the shape.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// A tensor has another number of values than the shape asks for.
    #[error(
        "the {part} of a {place} has {found} values, expected {expected}: compare the config with the weights"
    )]
    Size {
        /// The part of the tensor's owner: `weight`, `bias` or `last row` (of a table).
        part: &'static str,
        /// The layer or table that the tensor belongs to.
        place: &'static str,
        /// The number of values in the checkpoint.
        found: usize,
        /// The number of values that the shape asks for.
        expected: usize,
    },
    /// The width of a token cannot be divided by the number of heads.
    #[error(
        "{heads} attention heads cannot share a width of {hidden}: compare the config with the weights"
    )]
    Heads {
        /// The number of values of a token.
        hidden: usize,
        /// The number of attention heads.
        heads: usize,
    },
}

fn check(
    part: &'static str,
    place: &'static str,
    found: usize,
    expected: usize,
) -> Result<(), ShapeError> {
    if found == expected { Ok(()) } else { Err(ShapeError::Size { part, place, found, expected }) }
}

impl Dense<'_> {
    fn check(&self, place: &'static str, inputs: usize, outputs: usize) -> Result<(), ShapeError> {
        check("weight", place, self.weight.len(), outputs * inputs)?;
        check("bias", place, self.bias.len(), outputs)
    }
}

impl Norm<'_> {
    fn check(&self, place: &'static str, width: usize) -> Result<(), ShapeError> {
        check("weight", place, self.weight.len(), width)?;
        check("bias", place, self.bias.len(), width)
    }
}

/// The tokens whose last hidden states are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All tokens.
    All,
    /// The first token of each sequence, which is `[CLS]`.
    First,
}

/// The layers of a transformer, packed and ready to compute.
pub struct Layers {
    shape: Shape,
    arithmetic: Arithmetic,
    simd: Simd,
    stack: Vec<Layer>,
    final_norm: Option<LayerNorm>,
}

struct Layer {
    query: Linear,
    key_value: Linear,
    output: Linear,
    attention_norm: Option<LayerNorm>,
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    output_norm: LayerNorm,
    relation: Relation,
    window: usize,
}

impl Layers {
    /// A transformer without layers. [`push`](Self::push) adds them one by one, so that a caller can free the source of
    /// each. Fails if the heads do not divide the width.
    pub fn new(shape: Shape, arithmetic: Arithmetic, simd: Simd) -> Result<Self, ShapeError> {
        let Shape { hidden, heads, attention, .. } = shape;
        if heads == 0 || hidden == 0 || attention % heads != 0 {
            return Err(ShapeError::Heads { hidden: attention, heads });
        }
        Ok(Self { shape, arithmetic, simd, stack: Vec::new(), final_norm: None })
    }

    /// Packs all `layers` for this processor. Fails if one of them does not fit the shape.
    pub fn pack(
        shape: Shape,
        layers: &[LayerWeights<'_>],
        arithmetic: Arithmetic,
    ) -> Result<Self, ShapeError> {
        let mut packed = Self::new(shape, arithmetic, Simd::get())?;
        layers.iter().try_for_each(|layer| packed.push(layer))?;
        Ok(packed)
    }

    /// Packs one more layer, which follows those before. Fails if it does not fit the shape.
    pub fn push(&mut self, weights: &LayerWeights<'_>) -> Result<(), ShapeError> {
        let Shape { hidden, attention, intermediate, .. } = self.shape;
        let LayerWeights { query, key, value, output, up, down, relation, .. } = weights;
        for dense in [query, key, value] {
            dense.check("linear layer of attention", hidden, attention)?;
        }
        let pack = |dense: &Dense<'_>, inputs, outputs| {
            dense.check("linear layer", inputs, outputs)?;
            Linear::pack(dense, inputs, self.arithmetic, self.simd)
        };
        let norm = |norm: &Norm<'_>| self.norm(norm);
        let layer = Layer {
            query: pack(&self.scaled(query, relation.terms()).borrow(), hidden, attention)?,
            key_value: pack(&stacked(key, value).borrow(), hidden, 2 * attention)?,
            output: pack(output, attention, hidden)?,
            attention_norm: weights.attention_norm.as_ref().map(norm).transpose()?,
            gate: weights.gate.as_ref().map(|gate| pack(gate, hidden, intermediate)).transpose()?,
            up: pack(up, hidden, intermediate)?,
            down: pack(down, intermediate, hidden)?,
            output_norm: norm(&weights.output_norm)?,
            relation: relation.clone(),
            window: weights.window.unwrap_or(usize::MAX),
        };
        self.stack.push(layer);
        Ok(())
    }

    /// Sets the layer norm after the last layer, for layers that normalise the input of their parts. Fails if it does
    /// not fit the shape.
    pub fn finish(&mut self, norm: &Norm<'_>) -> Result<(), ShapeError> {
        self.final_norm = Some(self.norm(norm)?);
        Ok(())
    }

    fn norm(&self, norm: &Norm<'_>) -> Result<LayerNorm, ShapeError> {
        let Shape { hidden, norm_eps, centred, .. } = self.shape;
        Ok(LayerNorm::new(norm, hidden, norm_eps)?.centred(centred))
    }

    /// The layer of queries, with the factor of attention multiplied into its weights, where it costs nothing.
    fn scaled(&self, query: &Dense<'_>, terms: usize) -> Owned {
        let width = if self.shape.scaled { self.shape.attention / self.shape.heads } else { 1 };
        let scale = head::query_scale(width, terms);
        let scaled = |values: &[f32]| values.iter().map(|value| value * scale).collect();
        Owned { weight: scaled(query.weight), bias: scaled(query.bias) }
    }

    /// Computes the last hidden states of `lengths.len()` sequences.
    ///
    /// - `seen`: how many of the first tokens of each sequence are looked at; all tokens look
    /// - `embed(sequence, rows)` writes the embedded tokens of a sequence, `[length, hidden]`
    /// - `out`: `[Σ lengths, hidden]` for [`Rows::All`], `[sequences, hidden]` for [`Rows::First`] (zeros where a
    ///   sequence is empty)
    ///
    /// Groups of sequences are spread over the current rayon pool.
    pub fn forward(
        &self,
        lengths: &[usize],
        seen: &[usize],
        rows: Rows,
        embed: impl Fn(usize, &mut [f32]) + Sync,
        out: &mut [f32],
    ) {
        groups(lengths, rows, self.shape.hidden, out).into_par_iter().for_each(|group| {
            // Taken, not borrowed: `embed` may wait for rayon, and meet another group on this thread.
            let mut scratch = SCRATCH.take();
            let seen = &seen[group.first..][..group.lengths.len()];
            self.forward_group(group, seen, rows, &embed, &mut scratch);
            SCRATCH.set(scratch);
        });
    }

    fn forward_group(
        &self,
        group: Group<'_>,
        seen: &[usize],
        rows: Rows,
        embed: &impl Fn(usize, &mut [f32]),
        scratch: &mut Scratch,
    ) {
        let Group { first, lengths, out, .. } = group;
        let hidden = self.shape.hidden;
        let mut states = std::mem::take(&mut scratch.states);
        states.resize(lengths.iter().sum::<usize>() * hidden, 0.0);
        let mut rest = &mut states[..];
        for (sequence, &length) in lengths.iter().enumerate() {
            let (sequence_rows, after) = rest.split_at_mut(length * hidden);
            embed(first + sequence, sequence_rows);
            rest = after;
        }
        let last = self.stack.len().saturating_sub(1);
        for (depth, layer) in self.stack.iter().enumerate() {
            let asking = if depth == last { rows } else { Rows::All };
            self.layer(layer, (lengths, seen), asking, &mut states, scratch);
        }
        if self.stack.is_empty() && rows == Rows::First {
            keep_first(&mut states, lengths, hidden);
        }
        if let Some(norm) = &self.final_norm {
            norm.apply(self.simd, &mut states);
        }
        out.copy_from_slice(&states);
        if rows == Rows::First {
            let empty =
                out.chunks_exact_mut(hidden).zip(lengths).filter(|(_, length)| **length == 0);
            empty.for_each(|(row, _)| row.fill(0.0));
        }
        scratch.states = states;
    }

    /// Applies one layer to a group of sequences. With [`Rows::First`], `states` holds only the first state of each
    /// sequence afterwards.
    fn layer(
        &self,
        layer: &Layer,
        (lengths, seen): (&[usize], &[usize]),
        rows: Rows,
        states: &mut Vec<f32>,
        scratch: &mut Scratch,
    ) {
        let Scratch { queries, keys_values, context, normed, inner, quantised, attention, .. } =
            scratch;
        let Shape { hidden, heads, attention: width, .. } = self.shape;

        let before = self.before(layer.attention_norm.as_ref(), states, normed);
        let tokens = before.len() / hidden;
        let input = layer.key_value.input(before, quantised);
        keys_values.resize(2 * tokens * width, 0.0);
        layer.key_value.product(input, Finish::Write(Function::Identity), keys_values);
        let input = match rows {
            Rows::All => input,
            Rows::First => {
                keep_first(states, lengths, hidden);
                let before = self.before(layer.attention_norm.as_ref(), states, normed);
                layer.query.input(before, quantised)
            }
        };
        let asking = states.len() / hidden;
        queries.resize(asking * width, 0.0);
        layer.query.product(input, Finish::Write(Function::Identity), queries);

        context.resize(asking * width, 0.0);
        let (mut token, mut query) = (0, 0);
        for (&length, &seen) in lengths.iter().zip(seen) {
            let asked = if rows == Rows::First { 1 } else { length };
            let queries = &mut queries[query * width..][..asked * width];
            let keys_values = &mut keys_values[token * 2 * width..][..seen * 2 * width];
            if let Relation::Rotary(rotary) = &layer.relation {
                rotary.turn(self.simd, queries, width, width);
                rotary.turn(self.simd, keys_values, width, 2 * width);
            }
            let sequence = Attention {
                heads,
                queries,
                keys_values,
                hidden: width,
                relation: &layer.relation,
                window: layer.window,
                scratch: attention,
                out: &mut context[query * width..][..asked * width],
            };
            sequence.apply(self.simd);
            token += length;
            query += asked;
        }
        let blocks = states.chunks_mut(BLOCK * hidden).zip(context.chunks(BLOCK * width));
        for (states, context) in blocks {
            let buffers = Buffers { quantised, normed, inner };
            self.after_attention(layer, states, context, buffers);
        }
    }

    /// The input of a part of a layer: the states, or a normalised copy if the layer normalises before its parts.
    fn before<'a>(
        &self,
        norm: Option<&LayerNorm>,
        states: &'a [f32],
        normed: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let (Placement::Before, Some(norm)) = (self.shape.placement, norm) else { return states };
        normed.clear();
        normed.extend_from_slice(states);
        norm.apply(self.simd, normed);
        normed
    }

    /// Normalises the states after a part, if the layer does so.
    fn after(&self, norm: Option<&LayerNorm>, states: &mut [f32]) {
        if let (Placement::After, Some(norm)) = (self.shape.placement, norm) {
            norm.apply(self.simd, states);
        }
    }

    /// Applies the parts of a layer after attention, which compute each token separately.
    fn after_attention(
        &self,
        layer: &Layer,
        states: &mut [f32],
        context: &[f32],
        Buffers { quantised, normed, inner }: Buffers<'_>,
    ) {
        layer.output.product(layer.output.input(context, quantised), Finish::Add, states);
        self.after(layer.attention_norm.as_ref(), states);

        let Shape { hidden, intermediate, activation, .. } = self.shape;
        inner.resize(states.len() / hidden * intermediate, 0.0);
        let input =
            layer.up.input(self.before(Some(&layer.output_norm), states, normed), quantised);
        let activated = Finish::Write(activation.function(self.arithmetic));
        match &layer.gate {
            None => layer.up.product(input, activated, inner),
            Some(gate) => {
                gate.product(input, activated, inner);
                layer.up.product(input, Finish::Multiply, inner);
            }
        }
        layer.down.product(layer.down.input(inner, quantised), Finish::Add, states);
        self.after(Some(&layer.output_norm), states);
    }
}

/// The buffers of the parts of a layer after attention.
struct Buffers<'a> {
    quantised: &'a mut Quantised,
    normed: &'a mut Vec<f32>,
    inner: &'a mut Vec<f32>,
}

/// A linear layer that owns its weights.
struct Owned {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Owned {
    fn borrow(&self) -> Dense<'_> {
        Dense { weight: &self.weight, bias: &self.bias }
    }
}

/// One layer with the outputs of two layers over the same inputs, one after the other.
fn stacked(first: &Dense<'_>, second: &Dense<'_>) -> Owned {
    Owned {
        weight: [first.weight, second.weight].concat(),
        bias: [first.bias, second.bias].concat(),
    }
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// The buffers of a thread, kept from one group to the next.
#[derive(Default)]
struct Scratch {
    states: Vec<f32>,
    queries: Vec<f32>,
    keys_values: Vec<f32>,
    context: Vec<f32>,
    normed: Vec<f32>,
    inner: Vec<f32>,
    quantised: Quantised,
    attention: attention::Scratch,
}

/// A group of sequences that passes through the layers together.
struct Group<'a> {
    /// The number of its first sequence.
    first: usize,
    /// The number of tokens before its first sequence.
    first_token: usize,
    lengths: &'a [usize],
    out: &'a mut [f32],
}

/// Cuts sequences into groups of about [`GROUP`] tokens; into smaller ones where some threads would have no work
/// otherwise.
fn groups<'a>(
    mut lengths: &'a [usize],
    rows: Rows,
    width: usize,
    mut out: &'a mut [f32],
) -> Vec<Group<'a>> {
    let tokens: usize = lengths.iter().sum();
    let most = GROUP.min(tokens.div_ceil(rayon::current_num_threads()));
    let (mut groups, mut first, mut first_token) = (Vec::new(), 0, 0);
    while !lengths.is_empty() {
        let (group, after) = lengths.split_at(fitting(lengths, most));
        let group_tokens = group.iter().sum();
        let rows = match rows {
            Rows::All => group_tokens,
            Rows::First => group.len(),
        };
        let (group_out, rest) = out.split_at_mut(rows * width);
        groups.push(Group { first, first_token, lengths: group, out: group_out });
        first += group.len();
        first_token += group_tokens;
        (lengths, out) = (after, rest);
    }
    groups
}

/// How many of the first sequences have at most `most` tokens together; at least one.
fn fitting(lengths: &[usize], most: usize) -> usize {
    let mut tokens = 0;
    let fits = |length: &&usize| {
        tokens += **length;
        tokens <= most
    };
    lengths.iter().take_while(fits).count().max(1)
}

/// Keeps only the first row of each sequence, at the front of `states`. An empty sequence gets a row of zeros.
fn keep_first(states: &mut Vec<f32>, lengths: &[usize], hidden: usize) {
    let mut firsts = Vec::with_capacity(lengths.len() * hidden);
    let mut token = 0;
    for &length in lengths {
        match length {
            0 => firsts.resize(firsts.len() + hidden, 0.0),
            _ => firsts.extend_from_slice(&states[token * hidden..][..hidden]),
        }
        token += length;
    }
    *states = firsts;
}

#[cfg(test)]
mod tests;
