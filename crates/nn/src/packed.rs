//! A trunk in the form of [`crate::cpu`]: embeddings as plain tables, blocks packed for this processor.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::architecture::relation::slopes;
use crate::architecture::{Attention, Buckets, Centring, Placement, Relation, Sizes};
use crate::cpu::{
    self, Arithmetic, Dense, Disentangled, Distances, Layers, Norm, Rotary, Rows, RowsByDistance,
    Shape, Simd, Tables,
};
use crate::hidden::lengths;
use crate::layers::{LayerNorm, Linear};
use crate::trunk::{Block, Embeddings};
use crate::{Hidden, Result, Tokens, Trunk, numbers};

/// An encoder for a CPU, which computes sequences without padding on packed weights.
pub(crate) struct Packed {
    embeddings: cpu::Embeddings,
    /// The width of the embeddings, and the layer that turns them into hidden states of another width; `None` if the
    /// widths are equal.
    projection: Option<(usize, cpu::Linear)>,
    layers: Layers,
    hidden: usize,
}

impl Packed {
    /// Packs every weight. The trunk's own copy is freed block by block, so that the weights are not in memory twice.
    pub(crate) fn new(trunk: Trunk, arithmetic: Arithmetic) -> Result<Self> {
        let Trunk { embeddings, table, blocks, final_norm, sizes, design } = trunk;
        let simd = Simd::get();
        let shape = Shape {
            hidden: sizes.hidden,
            heads: sizes.heads,
            attention: sizes.attention,
            scaled: design.scaled,
            centred: design.centring == Centring::Mean,
            intermediate: sizes.intermediate,
            norm_eps: sizes.norm_eps as f32,
            activation: sizes.activation.packed()?,
            placement: match design.norm {
                Placement::After => cpu::Placement::After,
                Placement::Before => cpu::Placement::Before,
            },
        };
        let (embeddings, projection) = self::embeddings(&embeddings, shape.norm_eps, simd)?;
        let projection = projection.map(|projection| (sizes.embedding, projection));
        let mut layers = Layers::new(shape, arithmetic, simd)?;
        let table = table.map(|table| numbers(&table.rows()?)).transpose()?;
        let mut relations =
            Relations { table: table.unwrap_or_default(), sizes: &sizes, simd, made: Vec::new() };
        for (block, attention) in blocks.into_iter().zip(&design.attention) {
            push(&mut layers, &block, attention, &mut relations)?;
        }
        if let Some(norm) = &final_norm {
            let (weight, bias) = parts(norm)?;
            layers.finish(&Norm { weight: &weight, bias: &bias })?;
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

    /// Writes the embedded tokens of a sequence, `[length, hidden]`.
    fn embed(&self, tokens: &Tokens, rows: &mut [f32]) {
        let Some((width, projection)) = &self.projection else {
            return self.embeddings.write(&tokens.ids, &tokens.types, rows);
        };
        let mut narrow = vec![0.0; tokens.len() * width];
        self.embeddings.write(&tokens.ids, &tokens.types, &mut narrow);
        projection.apply(&narrow, cpu::Activation::Identity, rows);
    }
}

/// The tables of embeddings, and the layer to the hidden width if the embeddings are narrower.
fn embeddings(
    embeddings: &Embeddings,
    eps: f32,
    simd: Simd,
) -> Result<(cpu::Embeddings, Option<cpu::Linear>)> {
    let norm = embeddings.norm.as_ref().map(parts).transpose()?;
    let tables = Tables {
        word: numbers(&embeddings.word)?,
        position: embeddings.position.as_ref().map_or_else(|| Ok(Vec::new()), numbers)?,
        token_type: embeddings.token_type.as_ref().map_or_else(|| Ok(Vec::new()), numbers)?,
        first_position: embeddings.first_position,
    };
    let width = embeddings.word.dims()[1];
    let norm = norm.as_ref().map(|(weight, bias)| Norm { weight, bias });
    let norm = norm.as_ref().map(|norm| (norm, eps));
    // What goes into every block stays exact: the arithmetic of embeddings is always f32.
    let projection = embeddings.projection.as_ref();
    let projection = projection.map(|linear| pack(linear, Arithmetic::F32)).transpose()?;
    Ok((cpu::Embeddings::new(tables, width, norm, simd)?, projection))
}

fn push<'a>(
    layers: &mut Layers,
    block: &Block,
    attention: &'a Attention,
    relations: &mut Relations<'a>,
) -> Result<()> {
    let [query, key, value] = [&block.query, &block.key, &block.value].map(Weights::of);
    let [output, up, down] = [&block.attention_output, &block.up, &block.down].map(Weights::of);
    let (query, key, value, output, up, down) = (query?, key?, value?, output?, up?, down?);
    let gate = block.gate.as_ref().map(Weights::of).transpose()?;
    let attention_norm = block.attention_norm.as_ref().map(parts).transpose()?;
    let output_norm = parts(&block.output_norm)?;
    let weights = cpu::LayerWeights {
        query: query.dense(),
        key: key.dense(),
        value: value.dense(),
        output: output.dense(),
        attention_norm: attention_norm.as_ref().map(|(weight, bias)| Norm { weight, bias }),
        gate: gate.as_ref().map(Weights::dense),
        up: up.dense(),
        down: down.dense(),
        output_norm: Norm { weight: &output_norm.0, bias: &output_norm.1 },
        relation: relations.of(&attention.relation, &query.dense(), &key.dense())?,
        window: attention.window,
    };
    layers.push(&weights)?;
    Ok(())
}

/// What layers with the same relation share.
struct Relations<'a> {
    /// The numbers of the table of [`Trunk`].
    table: Vec<f32>,
    sizes: &'a Sizes,
    simd: Simd,
    made: Vec<(&'a Relation, cpu::Relation)>,
}

impl<'a> Relations<'a> {
    /// The packed form of the relation of a layer with these queries and keys.
    fn of(
        &mut self,
        relation: &'a Relation,
        query: &Dense<'_>,
        key: &Dense<'_>,
    ) -> Result<cpu::Relation> {
        if let Relation::Disentangled(buckets) = relation {
            return self.disentangled(*buckets, query, key);
        }
        if let Some((_, made)) = self.made.iter().find(|(like, _)| *like == relation) {
            return Ok(made.clone());
        }
        let made = self.shared(relation);
        self.made.push((relation, made.clone()));
        Ok(made)
    }

    /// The packed form of a relation that does not depend on a layer's own weights.
    fn shared(&self, relation: &Relation) -> cpu::Relation {
        let Sizes { heads, attention, positions, first_position, .. } = *self.sizes;
        let positions = positions.saturating_sub(first_position);
        let by_distance = |of: &dyn Fn(usize, i64) -> f32| {
            cpu::Relation::Distances(Arc::new(Distances::new(heads, positions, of)))
        };
        match relation {
            Relation::None | Relation::Disentangled(_) => cpu::Relation::None,
            Relation::Buckets(buckets) => {
                by_distance(&|head, distance| self.table[buckets.row(distance) * heads + head])
            }
            Relation::Alibi => {
                let slopes = slopes(heads);
                by_distance(&|head, distance| -slopes[head] * distance.abs() as f32)
            }
            Relation::Rotary(frequencies) => {
                let turns = frequencies.turns(0..positions);
                cpu::Relation::Rotary(Arc::new(Rotary::new(turns, attention / heads / 2)))
            }
        }
    }

    fn disentangled(
        &self,
        buckets: Buckets,
        query: &Dense<'_>,
        key: &Dense<'_>,
    ) -> Result<cpu::Relation> {
        let Sizes { heads, hidden, positions, .. } = *self.sizes;
        let rows = RowsByDistance::new(buckets.rows(), positions, |distance| buckets.row(distance));
        let sizes = (hidden, heads);
        let made = Disentangled::new(rows, &self.table, query, key, sizes, self.simd)?;
        Ok(cpu::Relation::Disentangled(Arc::new(made)))
    }
}

/// The numbers of a linear layer.
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

/// Packs a linear layer of an encoder or a head.
pub(crate) fn pack(linear: &Linear, arithmetic: Arithmetic) -> Result<cpu::Linear> {
    let inputs = linear.weight().dims()[1];
    let weights = Weights::of(linear)?;
    Ok(cpu::Linear::pack(&weights.dense(), inputs, arithmetic, Simd::get())?)
}

fn parts(norm: &LayerNorm) -> Result<(Vec<f32>, Vec<f32>)> {
    Ok((numbers(norm.weight())?, numbers(norm.bias())?))
}
