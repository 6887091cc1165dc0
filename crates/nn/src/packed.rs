//! A trunk in the form of [`crate::cpu`]: embeddings as plain tables, blocks packed for this processor.

use candle_core::{Device, Tensor};

use crate::cpu::{self, Arithmetic, Dense, Layers, Norm, Rows, Shape, Simd, Tables};
use crate::encoder::lengths;
use crate::layers::{LayerNorm, Linear};
use crate::trunk::{Block, Embeddings};
use crate::{Hidden, Result, Tokens, Trunk, numbers};

/// An encoder for a CPU, without padding.
pub(crate) struct Packed {
    embeddings: cpu::Embeddings,
    /// Width of the embeddings, and what brings them to the hidden width where that is another.
    projection: Option<(usize, cpu::Linear)>,
    layers: Layers,
    hidden: usize,
}

impl Packed {
    /// Copies every weight into the order in which it is read; the trunk's own copy is let go block by block.
    pub(crate) fn new(trunk: Trunk, arithmetic: Arithmetic) -> Result<Self> {
        let Trunk { embeddings, blocks, sizes } = trunk;
        let simd = Simd::detect();
        let shape = Shape {
            hidden: sizes.hidden,
            heads: sizes.heads,
            intermediate: sizes.intermediate,
            norm_eps: sizes.norm_eps as f32,
            activation: sizes.activation.packed()?,
        };
        let (embeddings, projection) = self::embeddings(&embeddings, shape.norm_eps, simd)?;
        let projection = projection.map(|projection| (sizes.embedding, projection));
        let mut layers = Layers::new(shape, arithmetic, simd)?;
        for block in blocks {
            push(&mut layers, &block)?;
        }
        Ok(Self { embeddings, projection, layers, hidden: sizes.hidden })
    }

    pub(crate) fn hidden(&self, batch: &[Tokens], rows: Rows) -> Result<Hidden> {
        let tokens: Vec<usize> = batch.iter().map(Tokens::len).collect();
        let seen: Vec<usize> = batch.iter().map(Tokens::seen).collect();
        let lengths = lengths(batch, rows);
        let states = lengths.iter().sum::<usize>();
        let mut out = vec![0.0; states * self.hidden];
        let embed = |i: usize, rows: &mut [f32]| self.embed(&batch[i], rows);
        self.layers.forward(&tokens, &seen, rows, embed, &mut out);
        let states = Tensor::from_vec(out, (states, self.hidden), &Device::Cpu)?;
        Ok(Hidden { states, lengths })
    }

    /// The first states of a sequence, `[length, hidden]`.
    fn embed(&self, tokens: &Tokens, rows: &mut [f32]) {
        let Some((width, projection)) = &self.projection else {
            return self.embeddings.write(&tokens.ids, &tokens.types, rows);
        };
        let mut narrow = vec![0.0; tokens.len() * width];
        self.embeddings.write(&tokens.ids, &tokens.types, &mut narrow);
        projection.apply(&narrow, cpu::Activation::Identity, rows);
    }
}

/// The tables, and the projection to the hidden width where the embeddings are narrower.
fn embeddings(
    embeddings: &Embeddings,
    eps: f32,
    simd: Simd,
) -> Result<(cpu::Embeddings, Option<cpu::Linear>)> {
    let (weight, bias) = parts(&embeddings.norm)?;
    let tables = Tables {
        word: numbers(&embeddings.word)?,
        position: numbers(&embeddings.position)?,
        token_type: embeddings.token_type.as_ref().map_or_else(|| Ok(Vec::new()), numbers)?,
        first_position: embeddings.first_position,
    };
    let norm = Norm { weight: &weight, bias: &bias };
    // What goes into every block stays exact: the arithmetic of embeddings is always f32.
    let projection = embeddings.projection.as_ref();
    let projection = projection.map(|linear| pack(linear, Arithmetic::F32)).transpose()?;
    Ok((cpu::Embeddings::new(tables, &norm, eps, simd)?, projection))
}

fn push(layers: &mut Layers, block: &Block) -> Result<()> {
    let linears =
        [&block.query, &block.key, &block.value, &block.attention_output, &block.up, &block.down];
    let mut linears = linears.map(Weights::of).into_iter();
    let mut linear = || linears.next().expect("there are six");
    let (query, key, value, output) = (linear()?, linear()?, linear()?, linear()?);
    let (up, down) = (linear()?, linear()?);
    let (attention, last) = (parts(&block.attention_norm)?, parts(&block.output_norm)?);
    let weights = cpu::LayerWeights {
        query: query.dense(),
        key: key.dense(),
        value: value.dense(),
        output: output.dense(),
        attention_norm: Norm { weight: &attention.0, bias: &attention.1 },
        up: up.dense(),
        down: down.dense(),
        output_norm: Norm { weight: &last.0, bias: &last.1 },
    };
    layers.push(&weights)?;
    Ok(())
}

/// A linear layer as numbers.
struct Weights {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Weights {
    fn of(linear: &Linear) -> Result<Self> {
        let zeros = || Ok(vec![0.0; linear.outputs()]);
        Ok(Self {
            weight: numbers(linear.weight())?,
            bias: linear.bias().map_or_else(zeros, numbers)?,
        })
    }

    fn dense(&self) -> Dense<'_> {
        Dense { weight: &self.weight, bias: &self.bias }
    }
}

/// A linear layer of an encoder or a head, packed.
pub(crate) fn pack(linear: &Linear, arithmetic: Arithmetic) -> Result<cpu::Linear> {
    let inputs = linear.weight().dims()[1];
    let weights = Weights::of(linear)?;
    Ok(cpu::Linear::pack(&weights.dense(), inputs, arithmetic, Simd::detect())?)
}

fn parts(norm: &LayerNorm) -> Result<(Vec<f32>, Vec<f32>)> {
    Ok((numbers(norm.weight())?, numbers(norm.bias())?))
}
