//! One vector for a text.

use std::sync::Arc;

use candle_core::Tensor;

use crate::checkpoint::Checkpoint;
use crate::contract::Chain;
use crate::heads::layer::{Layer, Projection};
use crate::layers::Linear;
use crate::pooling::Counted;
use crate::{
    Architecture, Backend, Encoder, Error, Hidden, Pooling, Poolings, Result, Rows, Similarity,
    Table, Tensors, Tokens, check_finite, normalise, numbers,
};

/// The head that makes one vector of a text: pooling, BERT's pooler if it is asked for, and further layers.
#[derive(Debug, Clone)]
pub struct Vector {
    pooling: Poolings,
    pooler: Option<Linear>,
    layers: Vec<Layer>,
    /// The weight of each token of the vocabulary in pooling; `None` if all weigh the same.
    weights: Option<Arc<[f32]>>,
    dim: usize,
}

impl Vector {
    /// Takes the pooler and the projection from the checkpoint. Fails if one of their tensors is missing.
    pub fn load(
        architecture: &Architecture,
        tensors: &mut Tensors,
        pooling: impl Into<Poolings>,
        projection: Option<&Projection>,
    ) -> Result<Self> {
        let pooling = pooling.into();
        let hidden = architecture.sizes.hidden;
        let pooler = match pooling.iter().any(|one| one == Pooling::Pooler) {
            true => {
                let prefix = tensors.prefix(architecture.names.word)?;
                Some(Linear::load(tensors, &format!("{prefix}pooler.dense"), hidden, hidden)?)
            }
            false => None,
        };
        let pooled = hidden * pooling.iter().count();
        let layers = projection.map(|names| names.load(tensors, pooled)).transpose()?;
        let (layers, dim) = layers.unwrap_or((Vec::new(), pooled));
        Ok(Self { pooling, pooler, layers, weights: None, dim })
    }

    /// Adds the checkpoint's own modules: weights of tokens before pooling, and layers after it. Fails if one of them
    /// cannot be loaded.
    pub fn with_chain(
        mut self,
        chain: &Chain,
        checkpoint: &Checkpoint,
        backend: &Backend,
    ) -> Result<Self> {
        self.weights = chain.word_weights(checkpoint)?.map(Arc::from);
        let (layers, dim) = chain.layers(checkpoint, backend, self.dim)?;
        self.layers.extend(layers);
        self.dim = dim;
        Ok(self)
    }

    /// The hidden states that the head needs if the first `prompt` tokens do not take part in pooling.
    pub fn rows_after(&self, prompt: usize) -> Rows {
        if prompt > 0 { Rows::All } else { self.rows() }
    }

    /// Keeps only the first `dimensions` numbers of every vector, for a checkpoint that was trained for it (Kusupati et
    /// al., NeurIPS 2022). Vectors that are compared by cosine are normalised after that. Fails if vectors have fewer
    /// numbers.
    pub fn cut(mut self, dimensions: Option<usize>) -> Result<Self> {
        let Some(dimensions) = dimensions else { return Ok(self) };
        if dimensions == 0 || dimensions > self.dim {
            return Err(Error::Unfit(format!(
                "`dimensions` is {dimensions}: vectors of this checkpoint have {}",
                self.dim
            )));
        }
        self.dim = dimensions;
        Ok(self)
    }

    /// The hidden states that the head needs if all tokens take part in pooling.
    pub fn rows(&self) -> Rows {
        self.pooling.rows()
    }

    /// The number of values of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vectors of a batch, `[batch, dim]`. They are normalised only if a module of the checkpoint does so. Every
    /// token has the same weight.
    pub fn forward(&self, hidden: &Hidden) -> Result<Tensor> {
        let texts = hidden.sequences()?;
        let pooled = texts.iter().map(|states| self.pool(states, Counted::default()));
        self.finish(&pooled.collect::<Result<Vec<_>>>()?)
    }

    /// The vectors of a batch in training, `[batch, dim]`, computed on the whole batch at once, so that there is one
    /// gradient and not one for each text. Weights of tokens and a cut to the first numbers are not applied.
    pub fn train(&self, hidden: &Hidden) -> Result<Tensor> {
        let one = |pooling: Pooling| {
            let pooled = pooling.train(hidden)?; // [batch, hidden]
            match (pooling, &self.pooler) {
                (Pooling::Pooler, Some(pooler)) => Ok(pooler.forward(&pooled)?.tanh()?),
                _ => Ok(pooled),
            }
        };
        let pooled = self.pooling.iter().map(one).collect::<Result<Vec<_>>>()?;
        let x = match &pooled[..] {
            [pooled] => pooled.clone(),
            _ => Tensor::cat(&pooled, 1)?,
        };
        self.layers.iter().try_fold(x, |x, layer| layer.forward(&x))
    }

    /// The vectors of any number of texts, scaled so that their inner product is the similarity. The first `prompt`
    /// tokens of each text do not take part in pooling.
    ///
    /// # Errors
    ///
    /// If a number is infinite or not a number; `text` gives the text at a position, so that the error can name it.
    pub fn table(
        &self,
        encoder: &Encoder,
        tokens: &[Tokens],
        prompt: usize,
        similarity: Similarity,
        text: impl Fn(usize) -> String,
    ) -> Result<Table> {
        let mut table = Table { width: self.dim, rows: vec![0.0; tokens.len() * self.dim] };
        encoder.in_batches(tokens, self.rows_after(prompt), |places, hidden| {
            let texts = hidden.sequences()?;
            let pooled = texts.iter().zip(places).map(|(states, &place)| {
                let (states, total) = self.weighted(states, &tokens[place])?;
                self.pool(&states, Counted { from: prompt, total })
            });
            let vectors = self.finish(&pooled.collect::<Result<Vec<_>>>()?)?; // [batch, dim]
            let found = numbers(&match similarity {
                Similarity::Dot => vectors,
                Similarity::Cosine => normalise(&vectors)?,
            })?;
            for (row, &place) in found.chunks_exact(self.dim).zip(places) {
                check_finite(row, || text(place))?;
                table.rows[place * self.dim..][..self.dim].copy_from_slice(row);
            }
            Ok(())
        })?;
        Ok(table)
    }

    /// Hidden states multiplied by the weights of their tokens, and the sum of these weights; `None` if tokens have no
    /// weights.
    fn weighted(&self, states: &Tensor, tokens: &Tokens) -> Result<(Tensor, Option<f64>)> {
        let Some(weights) = &self.weights else { return Ok((states.clone(), None)) };
        let weight = |&id: &u32| weights.get(id as usize).copied().unwrap_or(1.0);
        let weights: Vec<f32> = tokens.ids.iter().map(weight).collect();
        let total = weights.iter().map(|&weight| f64::from(weight)).sum();
        let weights = Tensor::new(&weights[..states.dim(0)?], states.device())?.unsqueeze(1)?; // [length, 1]
        Ok((states.broadcast_mul(&weights)?, Some(total)))
    }

    /// Pools the states of one text.
    ///
    /// Returns `[poolings · hidden]`.
    fn pool(&self, states: &Tensor, counted: Counted) -> Result<Tensor> {
        let one = |pooling: Pooling| {
            let pooled = pooling.pool_one(states, counted)?;
            match (pooling, &self.pooler) {
                (Pooling::Pooler, Some(pooler)) => {
                    Ok(pooler.forward(&pooled.unsqueeze(0)?)?.tanh()?.squeeze(0)?)
                }
                _ => Ok(pooled),
            }
        };
        let pooled = self.pooling.iter().map(one).collect::<Result<Vec<_>>>()?;
        match &pooled[..] {
            [pooled] => Ok(pooled.clone()),
            _ => Ok(Tensor::cat(&pooled, 0)?),
        }
    }

    /// Turns the pooled states of each text, `[poolings · hidden]`, into vectors, `[batch, dim]`.
    fn finish(&self, pooled: &[Tensor]) -> Result<Tensor> {
        let x = Tensor::stack(pooled, 0)?;
        let x = self.layers.iter().try_fold(x, |x, layer| layer.forward(&x))?;
        Ok(x.narrow(1, 0, self.dim)?.contiguous()?)
    }
}
