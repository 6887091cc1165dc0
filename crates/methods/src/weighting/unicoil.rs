//! uniCOIL: one number for each token of a text.
//! Lin and Ma, 2021 (`lin2021unicoil`).
//!
//! COIL keeps a short vector for each token and compares those of equal tokens. Cut the vector down to one number and it
//! is a weight of that token in that context; then an inverted index and an inner product are all that is needed. The
//! vocabulary of a text is not changed, so documents are usually expanded first with queries that a model predicts.
//!
//! ```text
//! w_i    = ReLU(v · h_i + b)                                                                     (§2)
//! d_t    = max of w_i over the places i of t in the document
//! q_t    = sum of w_i over the places i of t in the query
//! s(q,d) = Σ_t q_t · d_t                                                                        (eq. 5)
//! ```
//!
//! | symbol   | is                                                                        |
//! |----------|---------------------------------------------------------------------------|
//! | `h_i`    | the last hidden state of token `i`, `[hidden]`                            |
//! | `v`, `b` | the head: a linear layer with one output                                   |
//!
//! As the reference implementation does (Pyserini, `_unicoil.py`), `[CLS]` is left out and `[SEP]` is a term like any
//! other. TILDEv2 (Zhuang and Zuccon, 2021) is the same with `query_weighting = "tokens"`: a query's terms weigh what
//! they count, and no model runs when a query comes.
//!
//! Try it: `nir run weighting/unicoil-noexp --on pocket`.

use std::collections::BTreeMap;

use nir_core::{Encode, Encoding, Result, Version};
use nir_index::structure::{SparseStructure, SparseVector, Structure};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::PerToken;
use nir_nn::{Input, Role, Tokens};
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::reader::{Reader, Texts, check_inputs, per_token, piece};
use crate::retriever::{Encoder, Shown, encoding, retriever};
use crate::shards::Effort;
use crate::term_weights::{Quantisation, QueryWeighting, quantised};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of queries and documents.
    pub model: ModelSource,
    /// The name of the linear layer that gives a token its weight.
    pub head: String,
    /// Whether a query's weights come from the model.
    pub query_weighting: QueryWeighting,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// How weights become integers; if absent, they are not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
    /// The structure in which the documents' vectors are searched.
    pub index: SparseStructure,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "unicoil";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "lin2021unicoil";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let parts = (&self.head, &self.document, &self.quantisation);
        let encoding = encoding(context, &self.model, &parts)?;
        retriever(context, &encoding, self.load(context)?, &self.index, self.depth)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Shown(self.load(context)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.index.check()?;
        check_inputs(&self.query, &self.document)
    }

    fn parts(&self) -> Vec<Version> {
        self.index.versions()
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    fn load(&self, context: &Context<'_>) -> Result<UniCoil> {
        let load = |source: &ModelSource| {
            source.load(context, |architecture, tensors| {
                PerToken::load(architecture, tensors, &[&self.head])
            })
        };
        let inputs = (&self.query, &self.document);
        let reader = self.query_weighting.reader(context, (&self.model, None), inputs, load)?;
        Ok(UniCoil {
            first: reader.model().tokenizer.id("[CLS]")?,
            reader,
            query_weighting: self.query_weighting,
            quantisation: self.quantisation,
        })
    }
}

struct UniCoil {
    reader: Reader<PerToken>,
    /// The id of `[CLS]`, which is no term.
    first: u32,
    query_weighting: QueryWeighting,
    quantisation: Option<Quantisation>,
}

/// The weights of a text's terms, in ascending order of the terms.
///
/// - `terms`: for each place `i` of the text its term, and what the head gives there: `v · h_i + b`
///
/// Returns `d_t` for a document and `q_t` for a query.
pub fn weights(terms: impl Iterator<Item = (u32, f32)>, role: Role) -> BTreeMap<u32, f32> {
    let mut weights = BTreeMap::new();
    for (term, output) in terms {
        let w = output.max(0.0); // ReLU
        let join = |known: &mut f32| match role {
            Role::Document => *known = known.max(w),
            Role::Query => *known += w,
        };
        weights.entry(term).and_modify(join).or_insert(w);
    }
    weights
}

impl Encoder for UniCoil {
    type Vector = SparseVector;

    fn encode(&self, texts: Texts<'_>) -> Result<Vec<SparseVector>> {
        let (role, model) = (texts.role(), self.reader.model());
        let tokens = self.reader.of(role).tokens(texts)?;
        if let Some(bags) = self.query_weighting.bags(role, &model.tokenizer, &tokens) {
            return Ok(bags);
        }
        let outputs = per_token(model, &tokens, texts)?;
        let one = |(tokens, outputs): (&Tokens, &Vec<f32>)| {
            let terms = tokens.ids.iter().copied().zip(outputs.iter().copied());
            quantised(weights(terms.filter(|&(id, _)| id != self.first), role), self.quantisation)
        };
        Ok(tokens.iter().zip(&outputs).map(one).collect())
    }

    fn form(&self) {}

    fn effort(&self) -> Effort {
        self.reader.effort()
    }

    fn show(&self, text: Texts<'_>, vector: SparseVector) -> Result<Encoding> {
        self.reader.of(text.role()).weighted_pieces(text, vector)
    }

    fn piece(&self, number: u32) -> String {
        piece(&self.reader.model().tokenizer, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tokens_are_joined_after_the_relu() {
        let terms = || [(5, 0.5), (9, -1.0), (5, 2.0), (5, -3.0)].into_iter();
        let found = |role| weights(terms(), role).into_iter().collect::<Vec<_>>();
        assert_eq!(found(Role::Document), [(5, 2.0), (9, 0.0)]);
        assert_eq!(found(Role::Query), [(5, 2.5), (9, 0.0)]);
    }
}
