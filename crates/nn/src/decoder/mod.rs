//! A decoder: of an encoder-decoder, or a language model by itself.
//! Vaswani et al., NeurIPS 2017, figure 1; Raffel et al., JMLR 2020 (T5); Lewis et al., ACL 2020 (BART); Radford et al., 2019
//! (GPT-2); Touvron et al., 2023 (LLaMA).
//!
//! ```text
//! x = x + attention(norm(x), norm(x))       each token over itself and those before it
//! x = x + attention(norm(x), states)        each token over the encoder's last hidden states
//! x = x + W_down act(W_up norm(x))          gated where the architecture has a gate
//! logits = W_head (scale · norm(x)) + b
//! ```
//!
//! That is T5; BART normalises each sum in place of each input, `x = norm(x + …)`, and embeds positions. A language model by itself
//! lacks the second line.
//!
//! Where one token is asked for and nothing is written, the layers of keys and values need not be applied to every state of the
//! encoder: `q · (W_k h) = (W_kᵀ q) · h`, and the mean of `W_v h` is `W_v` of the mean. That is the same sum in another order, and
//! for a text of a hundred tokens a hundredth of the work.
//!
//! Products run over the rows of all texts at once; attention runs over each text by itself, so there is no padding, and a text
//! has the same numbers whatever it is computed with.

mod attention;
mod embeddings;
mod output;
mod sight;

use candle_core::{Device, Tensor};

use crate::architecture::{self, Architecture, Placement};
use crate::layers::{LayerNorm, Linear};
use crate::product::Product;
use crate::trunk;
use crate::{Activation, Hidden, Result, Tensors};
use attention::{Attention, Heads, KeysValues, head_norms};
use embeddings::Embeddings;
pub(crate) use output::Output;
use sight::Sights;

/// The embeddings and blocks of a decoder.
pub(crate) struct Decoder {
    embeddings: Embeddings,
    sights: Sights,
    blocks: Vec<Block>,
    final_norm: Option<LayerNorm>,
    device: Device,
}

struct Block {
    own: Attention,
    cross: Option<Cross>,
    norm: LayerNorm,
    gate: Option<Product>,
    up: Product,
    down: Product,
    activation: Activation,
    placement: Placement,
}

/// The attention to an encoder's states.
struct Cross {
    attention: Attention,
    /// The weights of the keys and the values, `[heads, width, hidden]` each, where these layers have no bias.
    apart: Option<(Tensor, Tensor)>,
}

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

/// Whether what is computed of new tokens is put into their [`Past`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

impl Decoder {
    /// Takes the tensors of the decoder.
    ///
    /// - `word`: the table of word embeddings, `[vocab, hidden]`, where an encoder shares it
    pub(crate) fn load(
        of: &architecture::Decoder,
        word: Option<&Tensor>,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let Architecture { sizes, design, names } = &of.blocks;
        let prefix = tensors.prefix(names.word)?;
        tensors.turn(of.turned);
        pass_over(of, &prefix, tensors);
        let word = match word {
            Some(word) => word.clone(),
            None => {
                tensors.take(&format!("{prefix}{}", names.word), &[sizes.vocab, sizes.hidden])?
            }
        };
        for copy in names.word_copies {
            tensors.is_copy(&format!("{prefix}{copy}"), &word)?;
        }
        let sights = Sights::load(of, &prefix, tensors)?;
        let embeddings = Embeddings::load(&of.blocks, word, &prefix, tensors)?;
        let block = |number| Block::load(of, number, &prefix, tensors);
        let blocks = (0..sizes.layers).map(block).collect::<Result<_>>()?;
        let final_norm = match design.norm {
            Placement::After => None,
            Placement::Before => {
                Some(design.norm(sizes, tensors, &format!("{prefix}{}", names.final_norm))?)
            }
        };
        let device = tensors.backend().device().clone();
        Ok(Self { embeddings, sights, blocks, final_norm, device })
    }

    /// The table of word embeddings, `[vocab, hidden]`.
    pub(crate) fn words(&self) -> &Tensor {
        self.embeddings.words()
    }

    /// Tokens that have an embedding.
    pub(crate) fn vocab(&self) -> usize {
        self.embeddings.vocab()
    }

    /// Bytes that [`Past`] takes for each token of a text: of the encoder's, where there is one.
    pub(crate) fn bytes_kept(&self) -> usize {
        let width = self.blocks.first().map_or(0, |block| match &block.cross {
            Some(cross) => cross.attention.key_width(),
            None => block.own.key_width(),
        });
        2 * self.blocks.len() * width * size_of::<f32>()
    }

    /// The last hidden states of every token of texts, one text after the other.
    ///
    /// - `memory`: the encoder's states of every text
    pub(crate) fn forward(&self, texts: &[&[u32]], memory: &Hidden) -> Result<Hidden> {
        let mut pasts = vec![Past::default(); texts.len()];
        self.continued(texts, Some(memory), &mut pasts, Keep::No)
    }

    /// The last hidden states of tokens that come behind what is known of each text, which is not changed.
    pub(crate) fn behind(&self, texts: &[&[u32]], pasts: &[Past]) -> Result<Hidden> {
        self.continued(texts, None, &mut pasts.to_vec(), Keep::No)
    }

    /// What is computed of texts before anything is written for them: the keys and values of the encoder's states.
    pub(crate) fn read(&self, memory: &Hidden) -> Result<Vec<Past>> {
        let mut pasts = vec![Past::default(); memory.lengths.len()];
        for cross in self.blocks.iter().filter_map(|block| block.cross.as_ref()) {
            let keys_values = cross.attention.keys_values(&memory.states, &memory.lengths, None)?;
            pasts.iter_mut().zip(keys_values).for_each(|(past, own)| past.cross.push(own));
        }
        Ok(pasts)
    }

    /// Reads tokens behind what is known of each text; a text may have none.
    pub(crate) fn read_on(&self, texts: &[&[u32]], pasts: &mut [Past]) -> Result<()> {
        let some: Vec<usize> = (0..texts.len()).filter(|&text| !texts[text].is_empty()).collect();
        if some.is_empty() {
            return Ok(());
        }
        let own: Vec<&[u32]> = some.iter().map(|&text| texts[text]).collect();
        let mut grown: Vec<Past> =
            some.iter().map(|&text| std::mem::take(&mut pasts[text])).collect();
        self.continued(&own, None, &mut grown, Keep::Yes)?;
        some.into_iter().zip(grown).for_each(|(text, past)| pasts[text] = past);
        Ok(())
    }

    /// Continues every text by a token. Returns the last hidden states of these tokens, `[texts, hidden]`.
    pub(crate) fn step(&self, tokens: &[u32], pasts: &mut [Past]) -> Result<Tensor> {
        let texts: Vec<&[u32]> = tokens.chunks(1).collect();
        Ok(self.continued(&texts, None, pasts, Keep::Yes)?.states)
    }

    /// Continues texts by some tokens each. Returns the last hidden states of these tokens, one text after the other.
    ///
    /// - `memory`: the encoder's states of every text, where `pasts` do not have their keys and values
    fn continued(
        &self,
        texts: &[&[u32]],
        memory: Option<&Hidden>,
        pasts: &mut [Past],
        keep: Keep,
    ) -> Result<Hidden> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let firsts: Vec<usize> = pasts.iter().map(|past| past.length).collect();
        let mut x = self.embeddings.forward(texts, &firsts, &self.device)?; // [rows, hidden]
        let places: Vec<(usize, usize)> = firsts.into_iter().zip(lengths.iter().copied()).collect();
        let sights = self.sights.of(&places)?;
        for (number, block) in self.blocks.iter().enumerate() {
            let sights = Some(&sights[self.sights.kind(number)][..]);
            let input = block.before(&block.own.norm, &x)?;
            let new = block.own.keys_values(&input, &lengths, sights)?;
            let own = pasts.iter_mut().zip(new).map(|(past, new)| past.joined(number, new, keep));
            let own = own.collect::<Result<Vec<_>>>()?;
            x = (x + block.own.attend(&input, &lengths, &own, sights)?)?;
            x = block.after(&block.own.norm, x)?;
            if let Some(cross) = &block.cross {
                let kept = pasts.iter().map(|past| past.cross.get(number).cloned());
                let kept: Vec<_> = kept.collect();
                let input = block.before(&cross.attention.norm, &x)?;
                x = (x + cross.look(&input, &lengths, memory, kept)?)?;
                x = block.after(&cross.attention.norm, x)?;
            }
            x = block.last_part(x)?;
        }
        if keep == Keep::Yes {
            pasts.iter_mut().zip(&lengths).for_each(|(past, length)| past.length += length);
        }
        let states = self.final_norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))?;
        Ok(Hidden { states, lengths })
    }
}

/// Accounts for the tensors that no code reads.
fn pass_over(of: &architecture::Decoder, prefix: &str, tensors: &mut Tensors) {
    for name in of.unused {
        match name.starts_with('.') {
            false => tensors.pass_over(&format!("{prefix}{name}")),
            true => (0..of.blocks.sizes.layers).for_each(|number| {
                tensors.pass_over(&format!("{prefix}{}.{number}{name}", of.blocks.names.block));
            }),
        }
    }
}

impl Past {
    /// Tokens of the text so far.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The keys and values of a block with those of new tokens behind them.
    fn joined(&mut self, block: usize, new: KeysValues, keep: Keep) -> Result<KeysValues> {
        let all = match self.own.get(block) {
            None => new,
            Some((keys, values)) => {
                (Tensor::cat(&[keys, &new.0], 1)?, Tensor::cat(&[values, &new.1], 1)?)
            }
        };
        match self.own.get_mut(block) {
            _ if keep == Keep::No => {}
            Some(own) => *own = all.clone(),
            None => self.own.push(all.clone()),
        }
        Ok(all)
    }
}

impl Cross {
    fn load(
        of: &architecture::Decoder,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Option<Self>> {
        let Some(names) = of.cross else { return Ok(None) };
        let Architecture { sizes, design, .. } = &of.blocks;
        let named = |name: &str| format!("{prefix}.{name}");
        let norm = design.norm(sizes, tensors, &named(names.norm))?;
        let mut load = |name: &str, sizes: (usize, usize), bias: bool| {
            Linear::load_with(tensors, &named(name), sizes, bias)
        };
        let inner = (sizes.attention, sizes.hidden);
        let [query, key, value] =
            names.attention.map(|name| load(name, inner, design.bias.attention));
        let (query, key, value) = (query?, key?, value?);
        let output = load(names.output, (sizes.hidden, sizes.attention), design.bias.output)?;
        let apart = match design.bias.attention {
            true => None,
            false => Some(Attention::apart(&key, &value, sizes.heads)?),
        };
        let layers = [query, key, value, output];
        let attention = Attention::new(norm, layers, Heads::cross(of), None, tensors.backend())?;
        Ok(Some(Self { attention, apart }))
    }

    /// The output of the attention for every row.
    ///
    /// - `memory`: the encoder's states, where their keys and values are not in `kept`
    fn look(
        &self,
        input: &Tensor,
        lengths: &[usize],
        memory: Option<&Hidden>,
        kept: Vec<Option<KeysValues>>,
    ) -> Result<Tensor> {
        let one_each = lengths.iter().all(|&length| length == 1);
        if let (Some(memory), Some(apart), true) = (memory, &self.apart, one_each) {
            return self.attention.glance(apart, input, memory);
        }
        let keys_values = match memory {
            Some(memory) => self.attention.keys_values(&memory.states, &memory.lengths, None)?,
            None => kept.into_iter().flatten().collect(),
        };
        self.attention.attend(input, lengths, &keys_values, None)
    }
}

impl Block {
    fn load(
        of: &architecture::Decoder,
        number: usize,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let prefix = format!("{prefix}{}.{number}", of.blocks.names.block);
        let key_width = of.blocks.sizes.attention / of.blocks.sizes.heads * of.key_heads;
        let block = trunk::Block::load(&of.blocks, number, &prefix, key_width, tensors)?;
        let cross = Cross::load(of, &prefix, tensors)?;
        let head_norms = head_norms(of, &prefix, tensors)?;
        let backend = tensors.backend();
        let product = |linear: Linear| Product::new(linear, backend);
        let norm = block.attention_norm.expect("a decoder's blocks have all norms");
        let own = [block.query, block.key, block.value, block.attention_output];
        Ok(Self {
            own: Attention::new(norm, own, Heads::own(of), head_norms, backend)?,
            cross,
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
