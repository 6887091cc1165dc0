//! The decoder of an encoder-decoder.
//! Vaswani et al., NeurIPS 2017, figure 1; Raffel et al., JMLR 2020 (T5); Lewis et al., ACL 2020 (BART).
//!
//! ```text
//! x = x + attention(norm(x), norm(x))       each token over itself and those before it
//! x = x + attention(norm(x), states)        each token over the encoder's last hidden states
//! x = x + W_down act(W_up norm(x))          gated where the architecture has a gate
//! logits = W_head (scale · norm(x)) + b
//! ```
//!
//! That is T5; BART normalises each sum in place of each input, `x = norm(x + …)`, and embeds positions.
//!
//! Where one token is asked for and nothing is written, the layers of keys and values need not be applied to every state of the
//! encoder: `q · (W_k h) = (W_kᵀ q) · h`, and the mean of `W_v h` is `W_v` of the mean. That is the same sum in another order, and
//! for a text of a hundred tokens a hundredth of the work.
//!
//! Products run over the rows of all texts at once; attention runs over each text by itself, so there is no padding, and a text
//! has the same numbers whatever it is computed with.

use candle_core::{Device, Tensor};

use crate::architecture::{Architecture, Buckets, EncoderDecoder, Placement, Relation};
use crate::layers::{LayerNorm, Linear, softmax, wide};
use crate::product::Product;
use crate::trunk::{self, Table};
use crate::{Activation, Backend, Error, Hidden, Result, Tensors};

/// The blocks of a decoder and its output layer.
pub(crate) struct Decoder {
    embeddings: Embeddings,
    relation: Option<Distances>,
    blocks: Vec<Block>,
    final_norm: Option<LayerNorm>,
    head: Linear,
    output_scale: f64,
    /// Attention heads.
    heads: usize,
    /// The factor of scores of attention.
    score_scale: Option<f64>,
    device: Device,
}

/// What enters the first block.
struct Embeddings {
    /// `[vocab, hidden]`
    word: Tensor,
    /// `[positions, hidden]`, from the first position on.
    position: Option<Tensor>,
    norm: Option<LayerNorm>,
}

struct Block {
    own: Attention,
    cross: Attention,
    /// The weights of the keys and the values of `cross`, `[heads, width, hidden]` each, where these layers have no bias.
    apart: Option<(Tensor, Tensor)>,
    norm: LayerNorm,
    gate: Option<Product>,
    up: Product,
    down: Product,
    activation: Activation,
    placement: Placement,
}

/// One attention of a block. Its output is added to its input; the input of it is normalised, or the sum.
struct Attention {
    norm: LayerNorm,
    query: Product,
    key: Product,
    value: Product,
    output: Product,
}

/// The learned number for each head and distance, from 0 back.
struct Distances {
    buckets: Buckets,
    /// `[rows, heads]`
    table: Vec<f32>,
    heads: usize,
}

/// The keys and values of an attention of one text, `[heads, tokens, width]` each.
type KeysValues = (Tensor, Tensor);

/// What a decoder has computed of one text so far, which is not computed again when the text is continued.
#[derive(Clone, Default)]
pub(crate) struct Past {
    /// For each block, the keys and values of the text's own tokens.
    own: Vec<KeysValues>,
    /// For each block, those of the encoder's states.
    cross: Vec<KeysValues>,
    /// Tokens of the text so far.
    length: usize,
}

impl Decoder {
    /// Takes the tensors of the decoder and of its output layer.
    ///
    /// - `word`: the table of word embeddings, `[vocab, hidden]`
    pub(crate) fn load(of: &EncoderDecoder, word: &Tensor, tensors: &mut Tensors) -> Result<Self> {
        let EncoderDecoder { decoder, cross, tied, output_scale, .. } = of;
        let Architecture { sizes, design, names } = decoder;
        let prefix = tensors.prefix(names.word)?;
        for copy in names.word_copies {
            tensors.is_copy(&format!("{prefix}{copy}"), word)?;
        }
        for unused in cross.unused {
            tensors.pass_over(&format!("{prefix}{unused}"));
        }
        let relation = Distances::load(decoder, &prefix, tensors)?;
        let embeddings = Embeddings::load(decoder, word, &prefix, tensors)?;
        let block = |number| Block::load(of, number, &prefix, tensors);
        let blocks = (0..sizes.layers).map(block).collect::<Result<_>>()?;
        let final_norm = match design.norm {
            Placement::After => None,
            Placement::Before => {
                Some(design.norm(sizes, tensors, &format!("{prefix}{}", names.final_norm))?)
            }
        };
        // Saved without it by classes that write nothing; the reference takes zeros then.
        let head_bias = match cross.head_bias {
            name if !tensors.has(name) => None,
            name => Some(tensors.take(name, &[1, sizes.vocab])?.squeeze(0)?),
        };
        let head = match tied {
            true => {
                tensors.is_copy(cross.head, word)?;
                word.clone()
            }
            false => tensors.take(cross.head, &[sizes.vocab, sizes.hidden])?,
        };
        let width = (sizes.attention / sizes.heads) as f64;
        Ok(Self {
            embeddings,
            relation,
            blocks,
            final_norm,
            head: Linear::new(head, head_bias),
            output_scale: *output_scale,
            heads: sizes.heads,
            score_scale: design.scaled.then(|| width.powf(-0.5)),
            device: tensors.backend().device().clone(),
        })
    }

    /// The output layer in full, for logits of every token of the vocabulary.
    pub(crate) fn head(&self, backend: &Backend) -> Result<Product> {
        Product::new(self.head.clone(), backend)
    }

    /// The output layer for some tokens alone, in this order.
    pub(crate) fn head_of(&self, tokens: &[u32]) -> Result<Product> {
        let ids = Tensor::new(tokens, self.head.weight().device())?;
        let rows = self.head.weight().index_select(&ids, 0)?;
        let bias = self.head.bias().map(|bias| bias.index_select(&ids, 0)).transpose()?;
        Ok(Product::Plain(Linear::new(rows, bias)))
    }

    /// Tokens that have an embedding.
    pub(crate) fn vocab(&self) -> usize {
        self.embeddings.word.dims()[0]
    }

    /// Bytes that [`Past`] takes for each token of a text that the encoder has read.
    pub(crate) fn bytes_kept(&self) -> usize {
        let width = self.blocks.first().map_or(0, |block| block.cross.width());
        2 * self.blocks.len() * width * size_of::<f32>()
    }

    /// The states of every token of texts before the output layer, one text after the other.
    ///
    /// - `memory`: the encoder's states of every text
    pub(crate) fn forward(&self, texts: &[&[u32]], memory: &Hidden) -> Result<Hidden> {
        let mut pasts = vec![Past::default(); texts.len()];
        self.continued(texts, Some(memory), &mut pasts)
    }

    /// What is computed of texts before anything is written for them: the keys and values of the encoder's states.
    pub(crate) fn read(&self, memory: &Hidden) -> Result<Vec<Past>> {
        let mut pasts = vec![Past::default(); memory.lengths.len()];
        for block in &self.blocks {
            let cross = self.keys_values(&block.cross, &memory.states, &memory.lengths)?;
            pasts.iter_mut().zip(cross).for_each(|(past, cross)| past.cross.push(cross));
        }
        Ok(pasts)
    }

    /// Continues every text by a token. Returns the states of these tokens before the output layer, `[texts, hidden]`.
    pub(crate) fn step(&self, tokens: &[u32], pasts: &mut [Past]) -> Result<Tensor> {
        let texts: Vec<&[u32]> = tokens.chunks(1).collect();
        Ok(self.continued(&texts, None, pasts)?.states)
    }

    /// Continues texts by some tokens each. Returns the states of these tokens before the output layer, one text after the other.
    ///
    /// - `memory`: the encoder's states of every text, where `pasts` do not have their keys and values; what is computed is not
    ///   kept then
    fn continued(
        &self,
        texts: &[&[u32]],
        memory: Option<&Hidden>,
        pasts: &mut [Past],
    ) -> Result<Hidden> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let mut x = self.embeddings.forward(texts, pasts, &self.device)?; // [rows, hidden]
        let added = texts.iter().zip(&*pasts);
        let added = added.map(|(text, past)| self.added(past.length, text.len()));
        let added: Vec<Tensor> = added.collect::<Result<_>>()?;
        for (number, block) in self.blocks.iter().enumerate() {
            let input = block.before(&block.own.norm, &x)?;
            let new = self.keys_values(&block.own, &input, &lengths)?;
            let own: Vec<KeysValues> = if memory.is_some() {
                new
            } else {
                let own = pasts.iter_mut().zip(new).map(|(past, new)| past.grow(number, new));
                own.collect::<Result<_>>()?
            };
            x = (x + self.attend(&block.own, &input, &lengths, &own, Some(&added))?)?;
            x = block.after(&block.own.norm, x)?;

            let input = block.before(&block.cross.norm, &x)?;
            let one_each = lengths.iter().all(|&length| length == 1);
            if let (Some(memory), Some(apart), true) = (memory, &block.apart, one_each) {
                x = (x + self.glance(&block.cross, apart, &input, memory)?)?;
                x = block.last_part(block.after(&block.cross.norm, x)?)?;
                continue;
            }
            let cross = match memory {
                Some(memory) => self.keys_values(&block.cross, &memory.states, &memory.lengths)?,
                None => pasts.iter().map(|past| past.cross[number].clone()).collect(),
            };
            x = (x + self.attend(&block.cross, &input, &lengths, &cross, None)?)?;
            x = block.last_part(block.after(&block.cross.norm, x)?)?;
        }
        pasts.iter_mut().zip(&lengths).for_each(|(past, length)| past.length += length);
        let x = self.final_norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))?;
        let states = (x * self.output_scale)?;
        Ok(Hidden { states, lengths })
    }

    /// The output of the attention to the encoder's states where every text has one token.
    ///
    /// - `input`: `[texts, hidden]`
    /// - `keys`, `values`: the weights of these layers, `[heads, width, hidden]`
    fn glance(
        &self,
        cross: &Attention,
        (keys, values): &(Tensor, Tensor),
        input: &Tensor,
        memory: &Hidden,
    ) -> Result<Tensor> {
        let query = self.split(&cross.query.forward(input)?)?; // [heads, texts, width]
        let query = match self.score_scale {
            Some(scale) => (query * scale)?,
            None => query,
        };
        let looks = query.matmul(keys)?.transpose(0, 1)?.contiguous()?; // [texts, heads, hidden]
        let one = |(text, states): (usize, &Tensor)| {
            let scores = looks.get(text)?.matmul(&states.t()?)?; // [heads, tokens]
            Ok(softmax(&scores)?.matmul(states)?) // [heads, hidden]
        };
        let means = memory.sequences()?;
        let means = means.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?;
        let means = Tensor::stack(&means, 1)?; // [heads, texts, hidden]
        let mixed = means.matmul(&values.t()?)?; // [heads, texts, width]
        let (heads, texts, width) = mixed.dims3()?;
        let mixed = mixed.transpose(0, 1)?.reshape((texts, heads * width))?;
        cross.output.forward(&mixed)
    }

    /// Splits `[tokens, width of all heads]` into `[heads, tokens, width]`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, width) = x.dims2()?;
        let x = x.reshape((tokens, self.heads, width / self.heads))?;
        Ok(x.transpose(0, 1)?.contiguous()?)
    }

    /// The keys and values of every text.
    ///
    /// - `rows`: `[Σ lengths, hidden]`
    fn keys_values(
        &self,
        attention: &Attention,
        rows: &Tensor,
        lengths: &[usize],
    ) -> Result<Vec<KeysValues>> {
        let parts = |product: &Product| {
            let states = product.forward(rows)?;
            Hidden { states, lengths: lengths.to_vec() }.sequences()
        };
        let both = parts(&attention.key)?.into_iter().zip(parts(&attention.value)?);
        both.map(|(key, value)| Ok((self.split(&key)?, self.split(&value)?))).collect()
    }

    /// The output of an attention for every row.
    ///
    /// - `input`: `[Σ lengths, hidden]`
    /// - `added`: what is added to the scores of each text, `[heads, tokens, keys]`
    fn attend(
        &self,
        attention: &Attention,
        input: &Tensor,
        lengths: &[usize],
        keys_values: &[KeysValues],
        added: Option<&[Tensor]>,
    ) -> Result<Tensor> {
        let states = attention.query.forward(input)?;
        let queries = Hidden { states, lengths: lengths.to_vec() }.sequences()?;
        let one = |(text, query): (usize, &Tensor)| {
            let (key, value) = &keys_values[text];
            let query = self.split(query)?; // [heads, tokens, width]
            let query = match self.score_scale {
                Some(scale) => (query * scale)?,
                None => query,
            };
            let scores = query.matmul(&key.t()?)?; // [heads, tokens, keys]
            let scores = match added {
                Some(added) => (scores + &added[text])?,
                None => scores,
            };
            let mixed = softmax(&scores)?.matmul(value)?; // [heads, tokens, width]
            let (heads, tokens, width) = mixed.dims3()?;
            Ok(mixed.transpose(0, 1)?.reshape((tokens, heads * width))?)
        };
        let mixed = queries.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?;
        attention.output.forward(&Tensor::cat(&mixed, 0)?)
    }
}

impl Past {
    /// Puts the keys and values of new tokens behind those of a block; returns all of them.
    fn grow(&mut self, block: usize, new: KeysValues) -> Result<KeysValues> {
        let all = match self.own.get(block) {
            None => new,
            Some((keys, values)) => {
                (Tensor::cat(&[keys, &new.0], 1)?, Tensor::cat(&[values, &new.1], 1)?)
            }
        };
        match self.own.get_mut(block) {
            Some(own) => *own = all.clone(),
            None => self.own.push(all.clone()),
        }
        Ok(all)
    }
}

impl Block {
    fn load(
        of: &EncoderDecoder,
        number: usize,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let Architecture { sizes, design, names } = &of.decoder;
        let prefix = format!("{prefix}{}.{number}", names.block);
        let block = trunk::Block::load(&of.decoder, number, &prefix, tensors)?;
        let named = |name: &str| format!("{prefix}.{name}");
        let cross_norm = design.norm(sizes, tensors, &named(of.cross.norm))?;
        let mut cross = |name: &str, sizes: (usize, usize), bias: bool| {
            Linear::load_with(tensors, &named(name), sizes, bias)
        };
        let inner = (sizes.attention, sizes.hidden);
        let [query, key, value] =
            of.cross.attention.map(|name| cross(name, inner, design.bias.attention));
        let (key, value) = (key?, value?);
        let output = cross(of.cross.output, (sizes.hidden, sizes.attention), design.bias.output)?;
        let width = sizes.attention / sizes.heads;
        let apart = |linear: &Linear| {
            Ok::<_, Error>(wide(linear.weight())?.reshape((sizes.heads, width, sizes.hidden))?)
        };
        let apart = match design.bias.attention {
            true => None,
            false => Some((apart(&key)?, apart(&value)?)),
        };
        let backend = tensors.backend();
        let product = |linear: Linear| Product::new(linear, backend);
        let attention = |norm, [query, key, value]: [Linear; 3], output| {
            let (query, key, value) = (product(query)?, product(key)?, product(value)?);
            Ok::<_, Error>(Attention { norm, query, key, value, output: product(output)? })
        };
        let own_norm = block.attention_norm.expect("a decoder's blocks have all norms");
        let own = [block.query, block.key, block.value];
        Ok(Self {
            own: attention(own_norm, own, block.attention_output)?,
            cross: attention(cross_norm, [query?, key, value], output)?,
            apart,
            norm: block.output_norm,
            gate: block.gate.map(product).transpose()?,
            up: product(block.up)?,
            down: product(block.down)?,
            activation: block.activation,
            placement: block.placement,
        })
    }

    /// The input of a part: normalised if the block normalises before its parts.
    fn before(&self, norm: &LayerNorm, x: &Tensor) -> Result<Tensor> {
        match self.placement {
            Placement::Before => norm.forward(x),
            Placement::After => Ok(x.clone()),
        }
    }

    /// The sum of a part's input and output: normalised if the block normalises after its parts.
    fn after(&self, norm: &LayerNorm, x: Tensor) -> Result<Tensor> {
        match self.placement {
            Placement::Before => Ok(x),
            Placement::After => norm.forward(&x),
        }
    }

    /// The feed-forward part with its residual and norm.
    fn last_part(&self, x: Tensor) -> Result<Tensor> {
        let inner = self.feed_forward(&self.before(&self.norm, &x)?)?;
        self.after(&self.norm, (x + inner)?)
    }

    /// The feed-forward part of `[rows, hidden]`.
    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?; // [rows, intermediate]
        let inner = match &self.gate {
            None => self.activation.forward(&up)?,
            Some(gate) => (self.activation.forward(&gate.forward(x)?)? * up)?,
        };
        self.down.forward(&inner)
    }
}

impl Attention {
    /// The width of all heads.
    fn width(&self) -> usize {
        match &self.key {
            Product::Plain(linear) => linear.outputs(),
            Product::Packed(linear) => linear.outputs(),
        }
    }
}

impl Embeddings {
    fn load(
        Architecture { sizes, design, names }: &Architecture,
        word: &Tensor,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let position = match names.position {
            "" => None,
            name => {
                let all =
                    tensors.take(&format!("{prefix}{name}"), &[sizes.positions, sizes.hidden])?;
                let first = sizes.first_position;
                Some(all.narrow(0, first, sizes.positions.saturating_sub(first))?)
            }
        };
        let norm = match names.embedding_norm {
            "" => None,
            name => Some(design.norm(sizes, tensors, &format!("{prefix}{name}"))?),
        };
        Ok(Self { word: word.clone(), position, norm })
    }

    /// The embedded tokens of all texts, one text after the other, `[rows, hidden]`.
    fn forward(&self, texts: &[&[u32]], pasts: &[Past], device: &Device) -> Result<Tensor> {
        let ids = Tensor::new(texts.concat(), device)?;
        let mut x = wide(&self.word.index_select(&ids, 0)?)?; // [rows, hidden]
        if let Some(position) = &self.position {
            let places = texts.iter().zip(pasts);
            let places = places.flat_map(|(text, past)| past.length..past.length + text.len());
            let places: Vec<u32> = places.map(|place| place as u32).collect();
            let (most, rows) = (places.iter().max().copied().unwrap_or_default(), position.dim(0)?);
            if most as usize >= rows {
                return Err(Error::Unfit(format!(
                    "a text of {} tokens is to be written, and the decoder has {rows} positions: give a smaller length",
                    most + 1
                )));
            }
            x = (x + wide(&position.index_select(&Tensor::new(places, device)?, 0)?)?)?;
        }
        self.norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))
    }
}

impl Distances {
    /// Takes the table; `None` where positions are embedded.
    fn load(decoder: &Architecture, prefix: &str, tensors: &mut Tensors) -> Result<Option<Self>> {
        let heads = decoder.sizes.heads;
        let Some(relation @ Relation::Buckets(buckets)) = decoder.design.table() else {
            return Ok(None);
        };
        let table = Table::load(decoder, relation, prefix, tensors)?;
        let table = crate::numbers(&table.expect("buckets have a table").rows()?)?;
        Ok(Some(Self { buckets: *buckets, table, heads }))
    }

    /// The number of a head for a key that stands so far back.
    fn at(&self, head: usize, back: usize) -> f32 {
        self.table[self.buckets.row(-(back as i64)) * self.heads + head]
    }
}

impl Decoder {
    /// What is added to the scores of `new` tokens behind `past` others: `[heads, new, past + new]`, -inf for what is behind a
    /// token.
    fn added(&self, past: usize, new: usize) -> Result<Tensor> {
        let keys = past + new;
        let mut scores = Vec::with_capacity(self.heads * new * keys);
        for head in 0..self.heads {
            for query in past..keys {
                let score = |key: usize| match query.checked_sub(key) {
                    Some(back) => {
                        self.relation.as_ref().map_or(0.0, |relation| relation.at(head, back))
                    }
                    None => f32::NEG_INFINITY,
                };
                scores.extend((0..keys).map(score));
            }
        }
        Ok(Tensor::from_vec(scores, (self.heads, new, keys), &self.device)?)
    }
}
