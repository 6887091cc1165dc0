//! Tokens to the rows that enter the first layer.
//! Devlin et al., NAACL 2019, figure 2.
//!
//! ```text
//! row = norm(word[id] + position[first_position + i] + token_type[type])
//! ```

use super::norm::LayerNorm;
use super::{Norm, ShapeError, Simd, check};

/// The tables of embeddings and the layer norm after them.
pub struct Embeddings {
    simd: Simd,
    tables: Tables,
    width: usize,
    norm: Option<LayerNorm>,
}

/// The tables of embeddings, each row by row.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The embedding of each token, `[vocab, width]`.
    pub word: Vec<f32>,
    /// The embedding of each position, `[positions, width]`; without rows if the embeddings do not depend on positions.
    pub position: Vec<f32>,
    /// The embedding of each token type, `[types, width]`; without rows if the model has no token types.
    pub token_type: Vec<f32>,
    /// The row of `position` for the first token: 0 in BERT, 2 in RoBERTa, where it follows the row of the padding.
    pub first_position: usize,
}

impl Embeddings {
    /// Takes tables whose rows have `width` values, and a layer norm with its epsilon if there is one. Fails if a table
    /// or the norm does not fit `width`.
    pub fn new(
        tables: Tables,
        width: usize,
        norm: Option<(&Norm<'_>, f32)>,
        simd: Simd,
    ) -> Result<Self, ShapeError> {
        let Tables { word, position, token_type, .. } = &tables;
        for (place, table) in [
            ("table of words", word),
            ("table of positions", position),
            ("table of token types", token_type),
        ] {
            check("last row", place, table.len() % width.max(1), 0)?;
        }
        let norm = norm.map(|(norm, eps)| LayerNorm::new(norm, width, eps)).transpose()?;
        Ok(Self { simd, tables, width, norm })
    }

    /// The largest number of tokens of a sequence for which the tables have positions.
    pub fn longest(&self) -> usize {
        if self.tables.position.is_empty() {
            return usize::MAX;
        }
        let positions = self.tables.position.len() / self.width.max(1);
        positions.saturating_sub(self.tables.first_position)
    }

    /// Writes the embeddings of one sequence.
    ///
    /// - `types`: as many as `ids`; not read where the model has no token types
    /// - `rows`: `[ids, width]`
    ///
    /// # Panics
    ///
    /// On an id or a type beyond its table, and on more tokens than [`longest`](Self::longest).
    pub fn write(&self, ids: &[u32], types: &[u32], rows: &mut [f32]) {
        let Tables { word, position, token_type, first_position } = &self.tables;
        let width = self.width;
        let row_of = |row: usize| row * width..(row + 1) * width;
        let add = |to: &mut [f32], from: &[f32]| {
            to.iter_mut().zip(from).for_each(|(to, value)| *to += value);
        };
        for (at, (row, &id)) in rows.chunks_exact_mut(width).zip(ids).enumerate() {
            row.copy_from_slice(&word[row_of(id as usize)]);
            if !position.is_empty() {
                add(row, &position[row_of(first_position + at)]);
            }
            if !token_type.is_empty() {
                add(row, &token_type[row_of(types[at] as usize)]);
            }
        }
        if let Some(norm) = &self.norm {
            norm.apply(self.simd, rows);
        }
    }
}
