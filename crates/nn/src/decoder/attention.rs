//! One attention of a decoder's block.
//! Vaswani et al., NeurIPS 2017, §3.2; Ainslie et al., EMNLP 2023 (several heads of queries that share one of keys and values).

use candle_core::Tensor;

use super::sight::Sight;
use crate::architecture::{Decoder, Sizes};
use crate::layers::{LayerNorm, Linear, softmax, wide};
use crate::product::Product;
use crate::trunk::turned;
use crate::{Backend, Hidden, Result, Tensors};

/// The keys and values of an attention of one text, `[heads of keys, tokens, width]` each.
pub(super) type KeysValues = (Tensor, Tensor);

/// Tokens whose scores are computed at once.
const BLOCK: usize = 256;

/// One attention. Its output is added to its input; the input of it is normalised, or the sum.
pub(super) struct Attention {
    pub(super) norm: LayerNorm,
    query: Product,
    key: Product,
    value: Product,
    output: Product,
    heads: Heads,
    /// Layer norms over each head of queries and of keys.
    head_norms: Option<[LayerNorm; 2]>,
}

/// How an attention is divided.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    queries: usize,
    keys: usize,
    /// The factor of scores.
    scale: Option<f64>,
}

impl Heads {
    /// Those of a decoder's attention to its own tokens.
    pub(super) fn own(of: &Decoder) -> Self {
        Self { keys: of.key_heads, ..Self::cross(of) }
    }

    /// Those of its attention to an encoder's states.
    pub(super) fn cross(of: &Decoder) -> Self {
        let Sizes { attention, heads, .. } = of.blocks.sizes;
        let width = (attention / heads) as f64;
        let scale = of.blocks.design.scaled.then(|| width.powf(-0.5));
        Self { queries: heads, keys: heads, scale }
    }
}

impl Attention {
    pub(super) fn new(
        norm: LayerNorm,
        [query, key, value, output]: [Linear; 4],
        heads: Heads,
        head_norms: Option<[LayerNorm; 2]>,
        backend: &Backend,
    ) -> Result<Self> {
        let product = |linear: Linear| Product::new(linear, backend);
        let (query, key, value) = (product(query)?, product(key)?, product(value)?);
        Ok(Self { norm, query, key, value, output: product(output)?, heads, head_norms })
    }

    /// The width of all heads of keys.
    pub(super) fn key_width(&self) -> usize {
        self.key.outputs()
    }

    /// The queries of `[tokens, hidden]`, `[heads, tokens, width]`, with the factor of scores.
    fn scaled(&self, queries: &Tensor, sight: Option<&Sight>) -> Result<Tensor> {
        let queries = split(queries, self.heads.queries)?;
        let queries = seen_at(&queries, self.head_norms.as_ref().map(|[query, _]| query), sight)?;
        match self.heads.scale {
            Some(scale) => Ok((queries * scale)?),
            None => Ok(queries),
        }
    }

    /// The keys and values of every text.
    ///
    /// - `rows`: `[Σ lengths, hidden]`
    /// - `sights`: where the tokens of each text stand
    pub(super) fn keys_values(
        &self,
        rows: &Tensor,
        lengths: &[usize],
        sights: Option<&[Sight]>,
    ) -> Result<Vec<KeysValues>> {
        let parts = |product: &Product| {
            let states = product.forward(rows)?;
            Hidden { states, lengths: lengths.to_vec() }.sequences()
        };
        let norm = self.head_norms.as_ref().map(|[_, key]| key);
        let one = |(text, (key, value)): (usize, (Tensor, Tensor))| {
            let key = split(&key, self.heads.keys)?;
            let key = seen_at(&key, norm, sights.map(|sights| &sights[text]))?;
            Ok((key, split(&value, self.heads.keys)?))
        };
        parts(&self.key)?.into_iter().zip(parts(&self.value)?).enumerate().map(one).collect()
    }

    /// The output of the attention for every row.
    ///
    /// - `input`: `[Σ lengths, hidden]`
    /// - `sights`: what the tokens of each text see; all of the keys if absent
    pub(super) fn attend(
        &self,
        input: &Tensor,
        lengths: &[usize],
        keys_values: &[KeysValues],
        sights: Option<&[Sight]>,
    ) -> Result<Tensor> {
        let states = self.query.forward(input)?;
        let queries = Hidden { states, lengths: lengths.to_vec() }.sequences()?;
        let one = |(text, query): (usize, &Tensor)| match sights {
            Some(sights) => self.behind(query, &keys_values[text], &sights[text]),
            None => self.mixed(&self.scaled(query, None)?, &keys_values[text], None),
        };
        let mixed = queries.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?;
        self.output.forward(&Tensor::cat(&mixed, 0)?)
    }

    /// The same of a text whose tokens see none behind themselves: block by block, with the keys up to the block's end alone, so that
    /// half of a long text's scores are not computed.
    fn behind(&self, query: &Tensor, (key, value): &KeysValues, sight: &Sight) -> Result<Tensor> {
        let query = self.scaled(query, Some(sight))?;
        let (tokens, keys) = (query.dim(1)?, key.dim(1)?);
        if tokens <= BLOCK {
            return self.mixed(&query, &(key.clone(), value.clone()), sight.added.as_ref());
        }
        let block = |first: usize| {
            let rows = BLOCK.min(tokens - first);
            let seen = keys - tokens + first + rows;
            let seen_of = |x: &Tensor| Ok::<_, crate::Error>(x.narrow(1, 0, seen)?.contiguous()?);
            let added =
                sight.added.as_ref().map(|added| added.narrow(1, first, rows)?.narrow(2, 0, seen));
            let query = query.narrow(1, first, rows)?.contiguous()?;
            self.mixed(&query, &(seen_of(key)?, seen_of(value)?), added.transpose()?.as_ref())
        };
        let blocks = (0..tokens).step_by(BLOCK).map(block).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&blocks, 0)?)
    }

    /// `softmax(Q Kᵀ + added) V` of one text, `[tokens, width of all heads]`.
    ///
    /// - `query`: `[heads, tokens, width]`, with the factor of scores
    fn mixed(
        &self,
        query: &Tensor,
        (key, value): &KeysValues,
        added: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (heads, tokens, width) = query.dims3()?;
        let keys = key.dim(1)?;
        // The heads that share one of keys stand side by side: more rows of one product.
        let together = |x: &Tensor, last| x.reshape((self.heads.keys, (), last));
        let scores = together(query, width)?.matmul(&key.t()?)?;
        let scores = scores.reshape((heads, tokens, keys))?;
        let scores = match added {
            Some(added) => scores.broadcast_add(added)?,
            None => scores,
        };
        let mixed = together(&softmax(&scores)?, keys)?.matmul(value)?;
        let mixed = mixed.reshape((heads, tokens, width))?;
        Ok(mixed.transpose(0, 1)?.reshape((tokens, heads * width))?)
    }

    /// The weights of the keys and of the values, `[heads, width, hidden]` each, for [`Self::glance`].
    pub(super) fn apart(key: &Linear, value: &Linear, heads: usize) -> Result<(Tensor, Tensor)> {
        let apart = |linear: &Linear| {
            let weight = wide(linear.weight())?;
            let (outputs, hidden) = weight.dims2()?;
            Ok::<_, crate::Error>(weight.reshape((heads, outputs / heads, hidden))?)
        };
        Ok((apart(key)?, apart(value)?))
    }

    /// The output of the attention to the encoder's states where every text has one token.
    ///
    /// - `input`: `[texts, hidden]`
    /// - `keys`, `values`: the weights of these layers, `[heads, width, hidden]`
    pub(super) fn glance(
        &self,
        (keys, values): &(Tensor, Tensor),
        input: &Tensor,
        memory: &Hidden,
    ) -> Result<Tensor> {
        let query = self.scaled(&self.query.forward(input)?, None)?; // [heads, texts, width]
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
        self.output.forward(&mixed)
    }
}

/// Splits `[tokens, width of all heads]` into `[heads, tokens, width]`.
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, width) = x.dims2()?;
    let x = x.reshape((tokens, heads, width / heads))?;
    Ok(x.transpose(0, 1)?.contiguous()?)
}

/// Heads of queries or keys, normalised and turned by their positions, where the architecture does so.
fn seen_at(x: &Tensor, norm: Option<&LayerNorm>, sight: Option<&Sight>) -> Result<Tensor> {
    let x = norm.map_or(Ok(x.clone()), |norm| norm.forward(x))?;
    match sight.and_then(|sight| sight.turns.as_ref()) {
        Some(turns) => turned(&x, turns),
        None => Ok(x),
    }
}

/// Takes the layer norms of heads of queries and keys.
pub(super) fn head_norms(
    of: &Decoder,
    prefix: &str,
    tensors: &mut Tensors,
) -> Result<Option<[LayerNorm; 2]>> {
    let Some([query, key]) = of.head_norms else { return Ok(None) };
    let Sizes { attention, heads, norm_eps, .. } = of.blocks.sizes;
    let mut load = |name: &str| {
        let sizes = (attention / heads, norm_eps);
        let norm = LayerNorm::load_with(tensors, &format!("{prefix}.{name}"), sizes, false)?;
        Ok::<_, crate::Error>(norm.centred(of.blocks.design.centring))
    };
    Ok(Some([load(query)?, load(key)?]))
}
