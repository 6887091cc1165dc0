//! What the tokens of a text see of it in a decoder, and where they stand.
//!
//! ```text
//! added(i, j) = number of the bucket of i - j, or 0      if j is not behind i, and not farther than a window
//!             = -∞                                        else
//! ```

use candle_core::{Device, Tensor};

use crate::architecture::{self, Attention, Buckets, Frequencies, Relation};
use crate::trunk::Table;
use crate::{Result, Tensors};

/// What the new tokens of one text see.
pub(super) struct Sight {
    /// What is added to scores, `[1 or heads, new, past + new]`; `None` where every token is seen.
    pub(super) added: Option<Tensor>,
    /// The cosines and sines by which queries and keys are rotated, `[1, new, width / 2]` each.
    pub(super) turns: Option<(Tensor, Tensor)>,
}

/// The kinds of attention of a decoder's blocks.
pub(super) struct Sights {
    kinds: Vec<Kind>,
    /// The kind of each block.
    of_block: Vec<usize>,
    device: Device,
}

/// What blocks with the same attention share.
struct Kind {
    distances: Option<Distances>,
    frequencies: Option<Frequencies>,
    window: Option<usize>,
}

/// The learned number for each head and distance, from 0 back.
struct Distances {
    buckets: Buckets,
    /// `[rows, heads]`
    table: Vec<f32>,
    heads: usize,
}

impl Sights {
    /// Takes the table of distances, where there is one.
    pub(super) fn load(
        of: &architecture::Decoder,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let mut different: Vec<&Attention> = Vec::new();
        let mut of_block = Vec::new();
        for attention in &of.blocks.design.attention {
            let found = different.iter().position(|other| *other == attention);
            of_block.push(found.unwrap_or(different.len()));
            if found.is_none() {
                different.push(attention);
            }
        }
        let kind = |attention: &&Attention| Kind::load(of, attention, prefix, tensors);
        let kinds = different.iter().map(kind).collect::<Result<_>>()?;
        Ok(Self { kinds, of_block, device: tensors.backend().device().clone() })
    }

    /// What the new tokens of every text see in blocks of each kind.
    ///
    /// - `texts`: for each text how many tokens it has so far, and how many new ones
    pub(super) fn of(&self, texts: &[(usize, usize)]) -> Result<Vec<Vec<Sight>>> {
        let sight = |kind: &Kind, (past, new)| kind.sight(past, new, &self.device);
        let kinds = self.kinds.iter();
        kinds.map(|kind| texts.iter().map(|&text| sight(kind, text)).collect()).collect()
    }

    /// The kind of a block.
    pub(super) fn kind(&self, block: usize) -> usize {
        self.of_block[block]
    }
}

impl Kind {
    fn load(
        of: &architecture::Decoder,
        Attention { relation, window }: &Attention,
        prefix: &str,
        tensors: &mut Tensors,
    ) -> Result<Self> {
        let mut kind = Self { distances: None, frequencies: None, window: *window };
        match relation {
            Relation::Buckets(buckets) => {
                let table = Table::load(&of.blocks, relation, prefix, tensors)?;
                let table = crate::numbers(&table.expect("buckets have a table").rows()?)?;
                let heads = of.blocks.sizes.heads;
                kind.distances = Some(Distances { buckets: *buckets, table, heads });
            }
            Relation::Rotary(frequencies) => kind.frequencies = Some(frequencies.clone()),
            Relation::None => {}
            Relation::Alibi | Relation::Disentangled(_) => {
                unreachable!("no decoder is described with this relation")
            }
        }
        Ok(kind)
    }

    fn sight(&self, past: usize, new: usize, device: &Device) -> Result<Sight> {
        let turns = match &self.frequencies {
            None => None,
            Some(frequencies) => {
                let [cosines, sines] = frequencies.turns(past..past + new).map(|turns| {
                    let half = turns.len() / new.max(1);
                    Tensor::from_vec(turns, (1, new, half), device)
                });
                Some((cosines?, sines?))
            }
        };
        Ok(Sight { added: self.added(past, new, device)?, turns })
    }

    /// What is added to the scores of `new` tokens behind `past` others.
    fn added(&self, past: usize, new: usize, device: &Device) -> Result<Option<Tensor>> {
        let keys = past + new;
        let sees_all = new == 1 && self.window.is_none_or(|window| past <= window);
        if sees_all && self.distances.is_none() {
            return Ok(None);
        }
        let heads = self.distances.as_ref().map_or(1, |distances| distances.heads);
        let mut scores = Vec::with_capacity(heads * new * keys);
        for head in 0..heads {
            for query in past..keys {
                scores.extend((0..keys).map(|key| self.score(head, query, key)));
            }
        }
        Ok(Some(Tensor::from_vec(scores, (heads, new, keys), device)?))
    }

    fn score(&self, head: usize, query: usize, key: usize) -> f32 {
        match query.checked_sub(key) {
            Some(back) if self.window.is_none_or(|window| back <= window) => {
                self.distances.as_ref().map_or(0.0, |distances| distances.at(head, back))
            }
            _ => f32::NEG_INFINITY,
        }
    }
}

impl Distances {
    /// The number of a head for a key that stands so far back.
    fn at(&self, head: usize, back: usize) -> f32 {
        self.table[self.buckets.row(-(back as i64)) * self.heads + head]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: f32 = f32::NEG_INFINITY;

    #[test]
    fn a_token_sees_itself_and_a_window_before_it() {
        let kind = |window| Kind { distances: None, frequencies: None, window };
        let added = |kind: Kind, past, new| {
            let added = kind.added(past, new, &Device::Cpu).unwrap();
            added.map(|added| crate::numbers(&added).unwrap())
        };
        // Two new tokens behind one: the first sees two, the second three.
        assert_eq!(added(kind(None), 1, 2).unwrap(), [0.0, 0.0, NO, 0.0, 0.0, 0.0]);
        assert_eq!(added(kind(Some(1)), 1, 2).unwrap(), [0.0, 0.0, NO, NO, 0.0, 0.0]);
        assert_eq!(added(kind(Some(1)), 2, 1).unwrap(), [NO, 0.0, 0.0]);
        // A single token sees everything before it.
        assert!(added(kind(None), 5, 1).is_none() && added(kind(Some(5)), 5, 1).is_none());
    }
}
