//! The network that BERT, DistilBERT, RoBERTa and ELECTRA share, in plain candle: the reference, the form that trains,
//! and the one for a GPU.
//!
//! ```text
//! x = LN(word + position + type)                                    (Devlin et al. 2019, figure 2)
//! x = LN(x + W_o · attention(W_q x, W_k x, W_v x))                   (Vaswani et al. 2017, §3.1, §3.2)
//! x = LN(x + W_2 · gelu(W_1 x))                                      (the same, eq. 2)
//! attention(Q, K, V) = softmax(Q Kᵀ / √width) V, head by head        (the same, eq. 1)
//! ```
//!
//! In a 16-bit type the weights and the products with them are in it, and everything else in f32: a score of attention of
//! 20, rounded to eight bits, is off by 0.06, and its exponential by as much.

use candle_core::{Device, Tensor};

use crate::architecture::{Names, Sizes};
use crate::layers::{LayerNorm, Linear, softmax, trains, wide};
use crate::{Activation, Architecture, Hidden, Result, Tensors, Tokens, trained};

/// Token embeddings and a stack of blocks.
#[derive(Debug, Clone)]
pub struct Trunk {
    pub(crate) embeddings: Embeddings,
    pub(crate) blocks: Vec<Block>,
    pub(crate) sizes: Sizes,
}

#[derive(Debug, Clone)]
pub(crate) struct Embeddings {
    /// `[vocab, embedding]`
    pub(crate) word: Tensor,
    /// `[positions, embedding]`
    pub(crate) position: Tensor,
    /// `[types, embedding]`
    pub(crate) token_type: Option<Tensor>,
    pub(crate) norm: LayerNorm,
    pub(crate) projection: Option<Linear>,
    pub(crate) first_position: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) attention_output: Linear,
    pub(crate) attention_norm: LayerNorm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) output_norm: LayerNorm,
    pub(crate) activation: Activation,
}

/// Tokens of one batch, each with the place in its sequence; `[rows]` each, u32.
#[derive(Debug)]
struct Places {
    ids: Tensor,
    types: Tensor,
    positions: Tensor,
}

impl Places {
    /// Pads every sequence to `length(sequence)` with token 0.
    fn new(batch: &[Tokens], device: &Device, length: impl Fn(&Tokens) -> usize) -> Result<Self> {
        let column = |value: &dyn Fn(&Tokens, usize) -> u32| {
            let values: Vec<u32> = batch
                .iter()
                .flat_map(|tokens| {
                    (0..length(tokens)).map(|i| value(tokens, i)).collect::<Vec<_>>()
                })
                .collect();
            Tensor::new(values, device)
        };
        let at = |values: &[u32], i: usize| values.get(i).copied().unwrap_or_default();
        Ok(Self {
            ids: column(&|tokens, i| at(&tokens.ids, i))?,
            types: column(&|tokens, i| at(&tokens.types, i))?,
            positions: column(&|_, i| i as u32)?,
        })
    }
}

/// Token sequences of one batch, made equally long.
#[derive(Debug)]
pub struct Padded {
    /// Of `[batch, seq]`, row by row.
    places: Places,
    /// Batch and length.
    shape: (usize, usize),
    /// `[batch, 1, 1, seq]`, f32: 0 for a token, -inf for padding and what else nobody may look at.
    mask: Tensor,
}

impl Padded {
    /// Pads every sequence to the longest.
    pub fn new(batch: &[Tokens], device: &Device) -> Result<Self> {
        let longest = batch.iter().map(Tokens::len).max().unwrap_or_default();
        let shape = (batch.len(), longest);
        let mask: Vec<f32> =
            batch.iter().flat_map(|tokens| (0..longest).map(|i| seen(i < tokens.seen()))).collect();
        Ok(Self {
            places: Places::new(batch, device, |_| longest)?,
            shape,
            mask: Tensor::from_vec(mask, (batch.len(), 1, 1, longest), device)?,
        })
    }
}

/// Which tokens a token looks at.
enum Seen<'a> {
    /// Those of its row of `[batch, seq, …]` that the mask, `[batch, 1, 1, seq]`, leaves.
    Mask(&'a Tensor),
    /// Those of its sequence, where sequences of these lengths follow one another in `[rows, …]`.
    Lengths(&'a [usize]),
}

/// What is added to a score of attention.
fn seen(is: bool) -> f32 {
    if is { 0.0 } else { f32::NEG_INFINITY }
}

impl Trunk {
    /// Takes its tensors from a checkpoint, wherever in the names the trunk begins.
    pub fn load(architecture: &Architecture, tensors: &mut Tensors) -> Result<Self> {
        let Architecture { sizes, names } = architecture;
        let prefix = tensors.prefix(names.word)?;
        let embeddings = Embeddings::load(sizes, names, &prefix, tensors)?;
        let block = |number: usize| format!("{prefix}{}.{number}", names.block);
        let blocks = (0..sizes.layers)
            .map(|number| Block::load(sizes, names, &block(number), tensors))
            .collect::<Result<_>>()?;
        Ok(Self { embeddings, blocks, sizes: sizes.clone() })
    }

    /// Returns the last hidden states, `[batch, seq, hidden]` in f32; those of padding mean nothing.
    pub fn forward(&self, batch: &Padded) -> Result<Tensor> {
        let (sequences, longest) = batch.shape;
        let x = self.embeddings.forward(&batch.places)?.reshape((sequences, longest, ()))?;
        self.blocks(x, &Seen::Mask(&batch.mask))
    }

    /// The last hidden states without padding. A network in training on a processor computes none; elsewhere it is
    /// computed and left behind.
    pub fn hidden(&self, batch: &[Tokens], device: &Device) -> Result<Hidden> {
        let lengths: Vec<usize> = batch.iter().map(Tokens::len).collect();
        let all_seen = batch.iter().all(|tokens| tokens.seen() == tokens.len());
        if !(trains(&self.embeddings.word) && all_seen) {
            return Hidden::cut(&self.forward(&Padded::new(batch, device)?)?, lengths);
        }
        let x = self.embeddings.forward(&Places::new(batch, device, Tokens::len)?)?; // [rows, hidden]
        let states = self.blocks(x, &Seen::Lengths(&lengths))?;
        Ok(Hidden { states, lengths })
    }

    fn blocks(&self, mut x: Tensor, seen: &Seen<'_>) -> Result<Tensor> {
        for block in &self.blocks {
            x = block.forward(&x, seen, self.sizes.heads)?;
        }
        Ok(x)
    }
}

impl Embeddings {
    fn load(sizes: &Sizes, names: &Names, prefix: &str, tensors: &mut Tensors) -> Result<Self> {
        let width = sizes.embedding;
        let mut table =
            |name: &str, rows: usize| tensors.take(&format!("{prefix}{name}"), &[rows, width]);
        let word = table(names.word, sizes.vocab)?;
        let position = table(names.position, sizes.positions)?;
        let token_type = match sizes.token_types {
            0 => None,
            rows => Some(table(names.token_type, rows)?),
        };
        let norm = format!("{prefix}{}", names.embedding_norm);
        let norm = LayerNorm::load(tensors, &norm, width, sizes.norm_eps)?;
        let projection = format!("{prefix}{}", names.embedding_projection);
        let projection = match width == sizes.hidden {
            true => None,
            false => Some(Linear::load(tensors, &projection, sizes.hidden, width)?),
        };
        let first_position = sizes.first_position;
        Ok(Self { word, position, token_type, norm, projection, first_position })
    }

    /// Returns `[rows, hidden]`.
    fn forward(&self, places: &Places) -> Result<Tensor> {
        let mut x = wide(&self.word.index_select(&places.ids, 0)?)?; // [rows, embedding]
        if let Some(token_type) = &self.token_type {
            x = (x + wide(&token_type.index_select(&places.types, 0)?)?)?;
        }
        let first = self.first_position;
        let position = self.position.narrow(0, first, self.position.dim(0)? - first)?;
        x = (x + wide(&position.index_select(&places.positions, 0)?)?)?;
        x = self.norm.forward(&x)?;
        match &self.projection {
            Some(projection) => projection.forward(&x), // [rows, hidden]
            None => Ok(x),
        }
    }
}

impl Block {
    fn load(sizes: &Sizes, names: &Names, prefix: &str, tensors: &mut Tensors) -> Result<Self> {
        let (hidden, inner) = (sizes.hidden, sizes.intermediate);
        let mut linear = |name: &str, out: usize, width: usize| {
            Linear::load(tensors, &format!("{prefix}.{name}"), out, width)
        };
        let [query, key, value, attention_output] =
            [names.query, names.key, names.value, names.attention_output]
                .map(|name| linear(name, hidden, hidden));
        let (up, down) = (linear(names.up, inner, hidden), linear(names.down, hidden, inner));
        let mut norm = |name: &str| {
            LayerNorm::load(tensors, &format!("{prefix}.{name}"), hidden, sizes.norm_eps)
        };
        Ok(Self {
            query: query?,
            key: key?,
            value: value?,
            attention_output: attention_output?,
            attention_norm: norm(names.attention_norm)?,
            up: up?,
            down: down?,
            output_norm: norm(names.output_norm)?,
            activation: sizes.activation,
        })
    }

    /// - `x`: `[…, hidden]`, with the axes that `seen` says
    fn forward(&self, x: &Tensor, seen: &Seen<'_>, heads: usize) -> Result<Tensor> {
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|linear| linear.forward(x));
        let parts = [&query?, &key?, &value?];
        let mixed = match seen {
            Seen::Mask(mask) => attention(parts, mask, heads)?,
            Seen::Lengths(lengths) => trained::attention(parts, lengths, heads)?,
        };
        let attended = self.attention_output.forward(&mixed)?;
        let x = self.attention_norm.forward(&(x + attended)?)?; // […, hidden]
        let inner = self.activation.forward(&self.up.forward(&x)?)?; // […, intermediate]
        self.output_norm.forward(&(&x + self.down.forward(&inner)?)?)
    }
}

/// Every token's mixture of all tokens, `[batch, seq, hidden]`, of queries, keys and values of that shape.
fn attention(parts: [&Tensor; 3], mask: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, seq, hidden) = parts[0].dims3()?;
    let split = |y: &Tensor| -> Result<Tensor> {
        let y = y.reshape((batch, seq, heads, hidden / heads))?;
        Ok(y.transpose(1, 2)?.contiguous()?) // [batch, heads, seq, width]
    };
    let [query, key, value] = parts.map(split);
    let query = (query? / ((hidden / heads) as f64).sqrt())?;
    let scores = query.matmul(&key?.t()?)?; // [batch, heads, seq, seq]
    let weights = softmax(&scores.broadcast_add(mask)?)?;
    let mixed = weights.matmul(&value?)?; // [batch, heads, seq, width]
    Ok(mixed.transpose(1, 2)?.reshape((batch, seq, hidden))?)
}
