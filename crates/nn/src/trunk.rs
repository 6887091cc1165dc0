//! The network of all encoders, in plain candle: the reference, the form that trains, and the one for a GPU.
//!
//! ```text
//! x = LN(word + position + type)                                    (Devlin et al. 2019, figure 2)
//! x = LN(x + W_o · attention(W_q x, W_k x, W_v x))                   (Vaswani et al. 2017, §3.1, §3.2)
//! x = LN(x + W_2 · gelu(W_1 x))                                      (the same, eq. 2)
//! attention(Q, K, V) = softmax(Q Kᵀ / √width) V, head by head        (the same, eq. 1)
//! ```
//!
//! That is BERT. A [`Design`] says what is otherwise: how attention knows where tokens stand ([`Relation`]) and how far it
//! sees, whether a block normalises what comes out of its parts or what goes in, and whether the feed-forward part is gated.
//!
//! In a 16-bit type the weights and the products with them are in it, and everything else in f32: a score of attention of
//! 20, rounded to eight bits, is off by 0.06, and its exponential by as much.

use candle_core::{D, DType, Device, Tensor};

use crate::architecture::relation::slopes;
use crate::architecture::static_words;
use crate::architecture::{Attended, Attention, Buckets, Design, Placement, Relation, Sizes, Up};
use crate::layers::{LayerNorm, Linear, softmax, trains, wide};
use crate::{Activation, Architecture, Hidden, Result, Tensors, Tokens, trained};

/// The embeddings of an encoder and its stack of blocks.
#[derive(Debug, Clone)]
pub struct Trunk {
    pub(crate) embeddings: Embeddings,
    pub(crate) table: Option<Table>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) final_norm: Option<LayerNorm>,
    pub(crate) sizes: Sizes,
    pub(crate) design: Design,
}

#[derive(Debug, Clone)]
pub(crate) struct Embeddings {
    /// The embedding of each token, `[vocab, embedding]`.
    pub(crate) word: Tensor,
    /// The embedding of each position, `[positions, embedding]`.
    pub(crate) position: Option<Tensor>,
    /// The embedding of each token type, `[types, embedding]`.
    pub(crate) token_type: Option<Tensor>,
    pub(crate) norm: Option<LayerNorm>,
    pub(crate) projection: Option<Linear>,
    pub(crate) first_position: usize,
}

/// The learned table of a relation: `[rows, heads]` for buckets, `[rows, hidden]` for disentangled attention.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    weight: Tensor,
    norm: Option<LayerNorm>,
}

#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) attention_output: Linear,
    /// `None` in the first block if the embeddings normalise its input already.
    pub(crate) attention_norm: Option<LayerNorm>,
    /// The layer with the activation, whose output is multiplied by that of `up`; `None` if the block has no gate.
    pub(crate) gate: Option<Linear>,
    /// The layer that has the activation if there is no gate.
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) output_norm: LayerNorm,
    pub(crate) activation: Activation,
    pub(crate) placement: Placement,
}

/// The tokens of one batch, each with its position in its sequence; `[rows]` each, u32.
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

/// The sequences of one batch, padded to the same length.
#[derive(Debug)]
pub struct Padded {
    /// The tokens of `[batch, seq]`, row by row.
    places: Places,
    /// The batch and the padded length.
    shape: (usize, usize),
    /// `[batch, 1, 1, seq]`, f32: 0 for a token, -inf for padding and other tokens that must not be attended to.
    mask: Tensor,
    /// The number of tokens of each sequence.
    lengths: Vec<usize>,
}

impl Padded {
    /// Pads every sequence to the length of the longest.
    pub fn new(batch: &[Tokens], device: &Device) -> Result<Self> {
        let longest = batch.iter().map(Tokens::len).max().unwrap_or_default();
        let shape = (batch.len(), longest);
        let mask: Vec<f32> =
            batch.iter().flat_map(|tokens| (0..longest).map(|i| seen(i < tokens.seen()))).collect();
        Ok(Self {
            places: Places::new(batch, device, |_| longest)?,
            shape,
            mask: Tensor::from_vec(mask, (batch.len(), 1, 1, longest), device)?,
            lengths: batch.iter().map(Tokens::len).collect(),
        })
    }

    /// `[batch, 1, seq, seq]`: 0 where padding attends to itself, else -inf. In a window, padding that is far from
    /// every token would attend to nothing, and the mean of nothing is not a number, which a weight of 0 does not undo.
    fn alone(&self) -> Result<Tensor> {
        let (sequences, seq) = self.shape;
        let of = |&length: &usize| {
            (0..seq * seq).map(move |at| seen(at / seq == at % seq && at / seq >= length))
        };
        let alone: Vec<f32> = self.lengths.iter().flat_map(of).collect();
        Ok(Tensor::from_vec(alone, (sequences, 1, seq, seq), self.mask.device())?)
    }
}

/// The tokens that a token attends to.
#[derive(Clone)]
enum Seen<'a> {
    /// The tokens of its row of `[batch, seq, …]` that the mask allows.
    Mask(Sight),
    /// The tokens of its sequence, where sequences of these lengths follow one another in `[rows, …]`.
    Lengths(&'a [usize]),
}

/// The masks and the positions of a padded batch, in the form that attention needs.
#[derive(Clone)]
struct Sight {
    /// The numbers that are added to the scores, `[batch, 1 or heads, 1 or seq, seq]`; -inf for a token that must not
    /// be attended to.
    added: Tensor,
    /// The cosines and sines by which queries and keys are rotated, `[1, 1, seq, width / 2]` each.
    turns: Option<(Tensor, Tensor)>,
    /// The embeddings of distances, `[rows, hidden]`, and the row for each query and key, `[seq, seq]`.
    rows: Option<(Tensor, Tensor)>,
    /// Whether scores are divided by the square root of a head's width.
    scaled: bool,
}

/// The number that is added to a score: 0 if the token is attended to, else -inf.
fn seen(is: bool) -> f32 {
    if is { 0.0 } else { f32::NEG_INFINITY }
}

impl Trunk {
    /// Takes the tensors of the trunk from a checkpoint, below whatever prefix they are stored. Fails if one is
    /// missing.
    pub fn load(architecture: &Architecture, tensors: &mut Tensors) -> Result<Self> {
        let Architecture { sizes, design, names } = architecture;
        let prefix = tensors.prefix(names.word)?;
        let embeddings = Embeddings::load(architecture, &prefix, tensors)?;
        let table = match design.table() {
            Some(relation) => Table::load(architecture, relation, &prefix, tensors)?,
            None => None,
        };
        let block = |number: usize| format!("{prefix}{}.{number}", names.block);
        let blocks = (0..sizes.layers)
            .map(|number| {
                Block::load(architecture, number, &block(number), sizes.attention, tensors)
            })
            .collect::<Result<_>>()?;
        let final_norm = format!("{prefix}{}", names.final_norm);
        let final_norm = match design.norm {
            Placement::After => None,
            Placement::Before => Some(design.norm(sizes, tensors, &final_norm)?),
        };
        let (sizes, design) = (sizes.clone(), design.clone());
        Ok(Self { embeddings, table, blocks, final_norm, sizes, design })
    }

    /// The number of tokens that have an embedding.
    pub fn vocab(&self) -> usize {
        self.embeddings.word.dims()[0]
    }

    /// The last hidden states, `[batch, seq, hidden]` in f32. Those of padding have no meaning.
    pub fn forward(&self, batch: &Padded) -> Result<Tensor> {
        let (sequences, longest) = batch.shape;
        let shape = (sequences, longest, self.sizes.hidden);
        if longest == 0 {
            return Ok(Tensor::zeros(shape, DType::F32, batch.mask.device())?);
        }
        let x = self.embeddings.forward(&batch.places)?.reshape(shape)?;
        self.blocks(x, &self.seen(batch)?)
    }

    /// The last hidden states without padding. In training on a CPU no padding is computed; elsewhere it is computed
    /// and removed.
    pub fn hidden(&self, batch: &[Tokens], device: &Device) -> Result<Hidden> {
        let lengths: Vec<usize> = batch.iter().map(Tokens::len).collect();
        let all_seen = batch.iter().all(|tokens| tokens.seen() == tokens.len());
        if !(trains(&self.embeddings.word) && all_seen && self.design.is_plain()) {
            return Hidden::cut(&self.forward(&Padded::new(batch, device)?)?, lengths);
        }
        let x = self.embeddings.forward(&Places::new(batch, device, Tokens::len)?)?; // [rows, hidden]
        let states = self.blocks(x, &vec![Seen::Lengths(&lengths); self.blocks.len()])?;
        Ok(Hidden { states, lengths })
    }

    /// The tokens that are attended to in each block; blocks with the same attention share it.
    fn seen(&self, batch: &Padded) -> Result<Vec<Seen<'static>>> {
        let table = self.table.as_ref().map(Table::rows).transpose()?;
        let mut made: Vec<(&Attention, Seen)> = Vec::new();
        let mut seen = Vec::with_capacity(self.blocks.len());
        for attention in &self.design.attention {
            let found = made.iter().find(|(like, _)| *like == attention);
            let of_block = match found {
                Some((_, seen)) => seen.clone(),
                None => Seen::Mask(Sight::new(
                    attention,
                    batch,
                    table.as_ref(),
                    (&self.sizes, &self.design),
                )?),
            };
            if found.is_none() {
                made.push((attention, of_block.clone()));
            }
            seen.push(of_block);
        }
        Ok(seen)
    }

    fn blocks(&self, mut x: Tensor, seen: &[Seen<'_>]) -> Result<Tensor> {
        for (block, seen) in self.blocks.iter().zip(seen) {
            x = block.forward(&x, seen, self.sizes.heads)?;
        }
        match &self.final_norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }
}

impl Design {
    /// Takes a layer norm over hidden states.
    pub(crate) fn norm(
        &self,
        sizes: &Sizes,
        tensors: &mut Tensors,
        name: &str,
    ) -> Result<LayerNorm> {
        let sizes = (sizes.hidden, sizes.norm_eps);
        Ok(LayerNorm::load_with(tensors, name, sizes, self.bias.norm)?.centred(self.centring))
    }
}

impl Embeddings {
    fn load(architecture: &Architecture, prefix: &str, tensors: &mut Tensors) -> Result<Self> {
        let Architecture { sizes, design, names } = architecture;
        let width = sizes.embedding;
        // What the architecture does not have has no name.
        let mut table = |name: &str, rows: usize| match name.is_empty() || rows == 0 {
            true => Ok(None),
            false => tensors.take(&format!("{prefix}{name}"), &[rows, width]).map(Some),
        };
        let word = table(names.word, sizes.vocab)?;
        let position = table(names.position, sizes.positions)?;
        let token_type = table(names.token_type, sizes.token_types)?;
        let word = word.map_or_else(|| static_words::words(tensors, width), Ok)?;
        for copy in names.word_copies {
            tensors.is_copy(&format!("{prefix}{copy}"), &word)?;
        }
        let norm = format!("{prefix}{}", names.embedding_norm);
        let mut load =
            || LayerNorm::load_with(tensors, &norm, (width, sizes.norm_eps), design.bias.norm);
        let norm = match names.embedding_norm.is_empty() {
            true => None,
            false => Some(load()?),
        };
        let projection = format!("{prefix}{}", names.embedding_projection);
        let projection = match width == sizes.hidden {
            true => None,
            false => Some(Linear::load(tensors, &projection, sizes.hidden, width)?),
        };
        let first_position = sizes.first_position;
        Ok(Self { word, position, token_type, norm, projection, first_position })
    }

    /// The embedded tokens, `[rows, hidden]`.
    fn forward(&self, places: &Places) -> Result<Tensor> {
        let mut x = wide(&self.word.index_select(&places.ids, 0)?)?; // [rows, embedding]
        if let Some(token_type) = &self.token_type {
            x = (x + wide(&token_type.index_select(&places.types, 0)?)?)?;
        }
        if let Some(position) = &self.position {
            let first = self.first_position;
            let position = position.narrow(0, first, position.dim(0)? - first)?;
            x = (x + wide(&position.index_select(&places.positions, 0)?)?)?;
        }
        x = normalised(self.norm.as_ref(), &x)?;
        match &self.projection {
            Some(projection) => projection.forward(&x), // [rows, hidden]
            None => Ok(x),
        }
    }
}

impl Table {
    pub(crate) fn load(
        Architecture { sizes, names, .. }: &Architecture,
        relation: &Relation,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Option<Self>> {
        let (buckets, width) = match relation {
            Relation::Buckets(buckets) => (buckets, sizes.heads),
            Relation::Disentangled(buckets) => (buckets, sizes.hidden),
            Relation::None | Relation::Alibi | Relation::Rotary(_) => return Ok(None),
        };
        let weight =
            tensors.take(&format!("{prefix}{}", names.relation), &[buckets.rows(), width])?;
        let norm = format!("{prefix}{}", names.relation_norm);
        let norm = match names.relation_norm.is_empty() {
            true => None,
            false => Some(LayerNorm::load(tensors, &norm, width, sizes.norm_eps)?),
        };
        Ok(Some(Self { weight, norm }))
    }

    /// The rows of the table in f32.
    pub(crate) fn rows(&self) -> Result<Tensor> {
        match &self.norm {
            Some(norm) => norm.forward(&self.weight),
            None => wide(&self.weight),
        }
    }
}

impl Block {
    /// Takes the tensors of a block.
    ///
    /// - `key_width`: the width of all heads of keys, and of all heads of values
    pub(crate) fn load(
        architecture: &Architecture,
        number: usize,
        prefix: &str,
        key_width: usize,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let Architecture { sizes, design, names } = architecture;
        let (hidden, inner, bias) = (sizes.hidden, sizes.intermediate, design.bias);
        let widths = [sizes.attention, key_width];
        let named = |name: &str| format!("{prefix}.{name}");
        let [query, key, value] =
            names.attention.load(prefix, (widths, hidden), bias.attention, tensors)?;
        let mut linear = |name: &str, sizes: (usize, usize), bias: bool| {
            Linear::load_with(tensors, &named(name), sizes, bias)
        };
        let attention_output =
            linear(names.attention_output, (hidden, sizes.attention), bias.output)?;
        let down = linear(names.down, (hidden, inner), bias.down)?;
        let (gate, up) = names.up.load(prefix, (inner, hidden), bias.up, tensors)?;
        // What the embeddings normalised is not normalised again.
        let attention_norm = match (design.norm, number) {
            (Placement::Before, 0) if !names.embedding_norm.is_empty() => None,
            _ => Some(design.norm(sizes, tensors, &named(names.attention_norm))?),
        };
        let output_norm = design.norm(sizes, tensors, &named(names.output_norm))?;
        let (activation, placement) = (sizes.activation, design.norm);
        Ok(Self {
            query,
            key,
            value,
            attention_output,
            attention_norm,
            gate,
            up,
            down,
            output_norm,
            activation,
            placement,
        })
    }

    /// Applies the block to `x`, `[…, hidden]`, whose other axes are those that `seen` describes.
    fn forward(&self, x: &Tensor, seen: &Seen<'_>, heads: usize) -> Result<Tensor> {
        let x = match self.placement {
            Placement::After => {
                let attended = (x + self.attend(x, seen, heads)?)?;
                normalised(self.attention_norm.as_ref(), &attended)?
            }
            Placement::Before => {
                let attended = normalised(self.attention_norm.as_ref(), x)?;
                (x + self.attend(&attended, seen, heads)?)?
            }
        };
        match self.placement {
            Placement::After => self.output_norm.forward(&(&x + self.feed_forward(&x)?)?),
            Placement::Before => Ok((&x + self.feed_forward(&self.output_norm.forward(&x)?)?)?),
        }
    }

    fn attend(&self, x: &Tensor, seen: &Seen<'_>, heads: usize) -> Result<Tensor> {
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|linear| linear.forward(x));
        let parts = [&query?, &key?, &value?];
        let mixed = match seen {
            Seen::Mask(sight) => sight.attention(parts, self, heads)?,
            Seen::Lengths(lengths) => trained::attention(parts, lengths, heads)?,
        };
        self.attention_output.forward(&mixed)
    }

    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?; // […, intermediate]
        let inner = match &self.gate {
            None => self.activation.forward(&up)?,
            Some(gate) => (self.activation.forward(&gate.forward(x)?)? * up)?,
        };
        self.down.forward(&inner)
    }
}

fn normalised(norm: Option<&LayerNorm>, x: &Tensor) -> Result<Tensor> {
    norm.map_or_else(|| Ok(x.clone()), |norm| norm.forward(x))
}

impl Attended {
    /// Takes the layers of queries, keys and values.
    fn load(
        &self,
        prefix: &str,
        ([width, key_width], hidden): ([usize; 2], usize),
        bias: bool,
        tensors: &mut Tensors,
    ) -> Result<[Linear; 3]> {
        let mut load = |name: &str, outputs: usize| {
            Linear::load_with(tensors, &format!("{prefix}.{name}"), (outputs, hidden), bias)
        };
        match self {
            Self::Apart([query, key, value]) => {
                Ok([load(query, width)?, load(key, key_width)?, load(value, key_width)?])
            }
            Self::Stacked(name) => {
                let all = load(name, width + 2 * key_width)?;
                let keys = |number: usize| all.part(width + number * key_width, key_width);
                Ok([all.part(0, width)?, keys(0)?, keys(1)?])
            }
        }
    }
}

impl Up {
    /// Takes the gate, if there is one, and the layer beside it.
    fn load(
        &self,
        prefix: &str,
        (inner, hidden): (usize, usize),
        bias: bool,
        tensors: &mut Tensors,
    ) -> Result<(Option<Linear>, Linear)> {
        let mut load = |name: &str, outputs: usize| {
            Linear::load_with(tensors, &format!("{prefix}.{name}"), (outputs, hidden), bias)
        };
        Ok(match self {
            Self::Plain(name) => (None, load(name, inner)?),
            Self::Gated([gate, up]) => (Some(load(gate, inner)?), load(up, inner)?),
            Self::GateFirst(name) => {
                let both = load(name, 2 * inner)?;
                (Some(both.part(0, inner)?), both.part(inner, inner)?)
            }
            Self::GateLast(name) => {
                let both = load(name, 2 * inner)?;
                (Some(both.part(inner, inner)?), both.part(0, inner)?)
            }
        })
    }
}

impl Sight {
    fn new(
        attention: &Attention,
        batch: &Padded,
        table: Option<&Tensor>,
        (sizes, design): (&Sizes, &Design),
    ) -> Result<Self> {
        let (seq, device) = (batch.shape.1, batch.mask.device());
        let table = || table.expect("a relation that takes rows was loaded with a table");
        let mut sight =
            Self { added: batch.mask.clone(), turns: None, rows: None, scaled: design.scaled };
        if let Some(window) = attention.window {
            let near = |distance: i64| seen(distance.unsigned_abs() as usize <= window);
            let near = Tensor::from_vec(pairs(seq, near), (1, 1, seq, seq), device)?;
            sight.added = sight.added.broadcast_add(&near)?.maximum(&batch.alone()?)?;
        }
        match &attention.relation {
            Relation::None => {}
            Relation::Buckets(buckets) => {
                let rows = bucketed(*buckets, seq, device)?.flatten_all()?;
                let added = table().index_select(&rows, 0)?; // [seq · seq, heads]
                let added = added.t()?.reshape((1, sizes.heads, seq, seq))?;
                sight.added = sight.added.broadcast_add(&added)?;
            }
            Relation::Alibi => {
                let far = pairs(seq, |distance| -(distance.abs() as f32));
                let far = Tensor::from_vec(far, (1, 1, seq, seq), device)?;
                let slopes = Tensor::from_vec(slopes(sizes.heads), (1, sizes.heads, 1, 1), device)?;
                sight.added = sight.added.broadcast_add(&far.broadcast_mul(&slopes)?)?;
            }
            Relation::Rotary(frequencies) => {
                let width = sizes.attention / sizes.heads / 2;
                let [cosines, sines] = frequencies
                    .turns(0..seq)
                    .map(|turns| Tensor::from_vec(turns, (1, 1, seq, width), device));
                sight.turns = Some((cosines?, sines?));
            }
            Relation::Disentangled(buckets) => {
                sight.rows = Some((table().clone(), bucketed(*buckets, seq, device)?));
            }
        }
        Ok(sight)
    }

    /// Attention of each token over the tokens that it sees, `[batch, seq, width of all heads]`; queries, keys and values
    /// have the same shape.
    fn attention(&self, parts: [&Tensor; 3], block: &Block, heads: usize) -> Result<Tensor> {
        let (batch, seq, hidden) = parts[0].dims3()?;
        let [query, key, value] = parts.map(|part| split(part, heads));
        let (mut query, mut key) = (query?, key?);
        if let Some(turns) = &self.turns {
            (query, key) = (turned(&query, turns)?, turned(&key, turns)?);
        }
        // What attention adds up: one product, or three where it is disentangled (He et al., §3.1).
        let terms = if self.rows.is_some() { 3 } else { 1 };
        let scale = ((hidden / heads * terms) as f64).sqrt();
        let query = if self.scaled { (query / scale)? } else { query };
        let mut scores = query.matmul(&key.t()?)?; // [batch, heads, seq, seq]
        if let Some((table, rows)) = &self.rows {
            let of_keys = split(&block.key.forward(table)?.unsqueeze(0)?, heads)?; // [1, heads, rows, width]
            let of_queries = split(&block.query.forward(table)?.unsqueeze(0)?, heads)?;
            let of_queries = (of_queries / scale)?;
            scores = (scores + looked_up(&query, &of_keys, rows)?)?;
            scores = (scores + looked_up(&key, &of_queries, &rows.t()?)?.t()?)?;
        }
        let weights = softmax(&scores.broadcast_add(&self.added)?)?;
        let mixed = weights.matmul(&value?)?; // [batch, heads, seq, width]
        Ok(mixed.transpose(1, 2)?.reshape((batch, seq, hidden))?)
    }
}

/// Splits `[batch, seq, hidden]` into `[batch, heads, seq, width]`.
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, seq, hidden) = x.dims3()?;
    let x = x.reshape((batch, seq, heads, hidden / heads))?;
    Ok(x.transpose(1, 2)?.contiguous()?)
}

/// Rotates each pair of a head's values, one from the first half and one from the second (Su et al., 2021, eq. 34).
pub(crate) fn turned(x: &Tensor, (cosines, sines): &(Tensor, Tensor)) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (first, second) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let along = (first.broadcast_mul(cosines)? - second.broadcast_mul(sines)?)?;
    let across = (second.broadcast_mul(cosines)? + first.broadcast_mul(sines)?)?;
    Ok(Tensor::cat(&[along, across], D::Minus1)?)
}

/// The product of each token with a row of a table, which `rows`, `[seq, seq]`, gives for each pair of tokens: `[batch,
/// heads, seq, seq]`.
///
/// - `x`: `[batch, heads, seq, width]`
/// - `table`: `[1, heads, rows, width]`
fn looked_up(x: &Tensor, table: &Tensor, rows: &Tensor) -> Result<Tensor> {
    let (batch, heads, seq, _) = x.dims4()?;
    let products = x.broadcast_matmul(&table.t()?)?; // [batch, heads, seq, rows]
    let rows = rows.broadcast_as((batch, heads, seq, seq))?.contiguous()?;
    Ok(products.contiguous()?.gather(&rows, D::Minus1)?)
}

/// The values of a function of the distance from each query to each key, which is the key's position minus the query's;
/// `[seq, seq]`.
fn pairs<T>(seq: usize, of: impl Fn(i64) -> T) -> Vec<T> {
    let places = (0..seq as i64).flat_map(|query| (0..seq as i64).map(move |key| key - query));
    places.map(of).collect()
}

/// The row of a table for each query and key, `[seq, seq]`.
fn bucketed(buckets: Buckets, seq: usize, device: &Device) -> Result<Tensor> {
    let rows = pairs(seq, |distance| buckets.row(distance) as u32);
    Ok(Tensor::from_vec(rows, (seq, seq), device)?)
}
