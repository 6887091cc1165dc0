//! The weights that terms have: as a model gives them, counted, or as whole numbers.

use std::sync::Arc;

use nir_core::Result;
use nir_index::structure::SparseVector;
use nir_nn::{Input, Model, Role, Tokenizer, Tokens};
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::model::ModelSource;
use crate::reader::{Reader, count_tokens};

/// Weights as integers, as Anserini and Pyserini write them into an index and into queries.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// The weight that becomes `levels`.
    pub range: f32,
    /// The number of steps between 0 and `range`.
    pub levels: u16,
}

impl Quantisation {
    /// The weight as a whole number, `round(w / range · levels)`.
    fn of(self, weight: f32) -> f32 {
        (weight / self.range * f32::from(self.levels)).round()
    }
}

/// The weights that the terms of a query have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryWeighting {
    /// The weights that the model gives.
    Model,
    /// How often the tokenizer finds them: no model is run for a query.
    Tokens,
    /// 1 for each, however often the tokenizer finds it: likewise.
    Binary,
}

impl QueryWeighting {
    /// The readers of both roles; queries that are counted are read by no model.
    pub(crate) fn reader<H>(
        self,
        context: &Context<'_>,
        sources: (&ModelSource, Option<&ModelSource>),
        inputs: (&Input, &Input),
        load: impl Fn(&ModelSource) -> Result<Arc<Model<H>>>,
    ) -> Result<Reader<H>> {
        match self {
            Self::Model => Reader::load(context, sources, inputs, load),
            Self::Tokens | Self::Binary => Reader::counting_queries(context, sources, inputs, load),
        }
    }

    /// The vectors of texts that no model has to read: queries, but for `Model`. None where one has to.
    pub(crate) fn bags(
        self,
        role: Role,
        tokenizer: &Tokenizer,
        texts: &[Tokens],
    ) -> Option<Vec<SparseVector>> {
        let weight: fn(f32) -> f32 = match (role, self) {
            (Role::Document, _) | (_, Self::Model) => return None,
            (_, Self::Tokens) => |count| count,
            (_, Self::Binary) => |_| 1.0,
        };
        let bag = |tokens: &Tokens| {
            let counts = count_tokens(tokenizer, &tokens.ids).into_iter();
            counts.map(|(id, count)| (id, weight(count))).collect()
        };
        Some(texts.iter().map(bag).collect())
    }
}

/// Quantised where that is asked for; what becomes zero is left out, and so are terms of no weight.
pub(crate) fn quantised<Term>(
    vector: impl IntoIterator<Item = (Term, f32)>,
    quantisation: Option<Quantisation>,
) -> Vec<(Term, f32)> {
    let weight = |weight: f32| quantisation.map_or(weight, |quantisation| quantisation.of(weight));
    let terms = vector.into_iter().map(|(term, w)| (term, weight(w)));
    terms.filter(|&(_, weight)| weight > 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_quantised_as_anserini_does() {
        // 256 steps up to 5: 1 -> 51.2 -> 51; 0.009 -> 0.46 -> nothing; 5 -> 256.
        let quantisation = Some(Quantisation { range: 5.0, levels: 256 });
        let found = quantised([(1, 1.0), (2, 0.009), (3, 5.0)], quantisation);
        assert_eq!(found, [(1, 51.0), (3, 256.0)]);
        assert_eq!(quantised([(1, 0.25), (2, 0.0)], None), [(1, 0.25)]);
    }
}
