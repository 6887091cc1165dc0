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
use crate::layers::{LayerNorm, Linear, softmax, wide};
use crate::{Activation, Architecture, Result, Tensors, Tokens};

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

/// Token sequences of one batch, made equally long.
#[derive(Debug)]
pub struct Padded {
    /// `[batch, seq]`, u32; 0 where there is no token.
    ids: Tensor,
    /// `[batch, seq]`, u32
    types: Tensor,
    /// `[seq]`, u32: 0, 1, 2, …
    positions: Tensor,
    /// `[batch, 1, 1, seq]`, f32: 0 for a token, -inf for padding and what else nobody may look at.
    mask: Tensor,
}

impl Padded {
    /// Pads every sequence to the longest.
    pub fn new(batch: &[Tokens], device: &Device) -> Result<Self> {
        let longest = batch.iter().map(Tokens::len).max().unwrap_or_default();
        let (mut ids, mut types, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for tokens in batch {
            let pad = longest - tokens.len();
            ids.extend(tokens.ids.iter().copied().chain(std::iter::repeat_n(0, pad)));
            types.extend(tokens.types.iter().copied().chain(std::iter::repeat_n(0, pad)));
            mask.extend((0..longest).map(|i| seen(i < tokens.seen())));
        }
        let shape = (batch.len(), longest);
        Ok(Self {
            ids: Tensor::from_vec(ids, shape, device)?,
            types: Tensor::from_vec(types, shape, device)?,
            positions: Tensor::arange(0, longest as u32, device)?,
            mask: Tensor::from_vec(mask, (batch.len(), 1, 1, longest), device)?,
        })
    }
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
        let mut x = self.embeddings.forward(batch)?; // [batch, seq, hidden]
        for block in &self.blocks {
            x = block.forward(&x, &batch.mask, self.sizes.heads)?;
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

    fn forward(&self, batch: &Padded) -> Result<Tensor> {
        let (sequences, longest) = batch.ids.dims2()?;
        let rows = |table: &Tensor, ids: &Tensor| {
            table.index_select(&ids.flatten_all()?, 0)?.reshape((sequences, longest, ()))
        };
        let mut x = wide(&rows(&self.word, &batch.ids)?)?; // [batch, seq, embedding]
        if let Some(token_type) = &self.token_type {
            x = (x + wide(&rows(token_type, &batch.types)?)?)?;
        }
        let position = self.position.narrow(0, self.first_position, longest)?; // [seq, embedding]
        x = x.broadcast_add(&wide(&position.index_select(&batch.positions, 0)?)?)?;
        x = self.norm.forward(&x)?;
        match &self.projection {
            Some(projection) => projection.forward(&x), // [batch, seq, hidden]
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

    fn forward(&self, x: &Tensor, mask: &Tensor, heads: usize) -> Result<Tensor> {
        let attended = self.attention_output.forward(&self.attention(x, mask, heads)?)?;
        let x = self.attention_norm.forward(&(x + attended)?)?; // [batch, seq, hidden]
        let inner = self.activation.forward(&self.up.forward(&x)?)?; // [batch, seq, intermediate]
        self.output_norm.forward(&(&x + self.down.forward(&inner)?)?)
    }

    /// Every token's mixture of all tokens, `[batch, seq, hidden]`.
    fn attention(&self, x: &Tensor, mask: &Tensor, heads: usize) -> Result<Tensor> {
        let (batch, seq, hidden) = x.dims3()?;
        let split = |linear: &Linear| -> Result<Tensor> {
            let y = linear.forward(x)?.reshape((batch, seq, heads, hidden / heads))?;
            Ok(y.transpose(1, 2)?.contiguous()?) // [batch, heads, seq, width]
        };
        let (query, key, value) = (split(&self.query)?, split(&self.key)?, split(&self.value)?);
        let query = (query / ((hidden / heads) as f64).sqrt())?;
        let scores = query.matmul(&key.t()?)?; // [batch, heads, seq, seq]
        let weights = softmax(&scores.broadcast_add(mask)?)?;
        let mixed = weights.matmul(&value)?; // [batch, heads, seq, width]
        Ok(mixed.transpose(1, 2)?.reshape((batch, seq, hidden))?)
    }
}
