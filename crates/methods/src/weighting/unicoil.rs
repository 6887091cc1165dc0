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
use std::ops::Range;
use std::sync::Arc;

use nir_core::{Corpus, DocNo, Encode, Encoding, Query, Result, Version};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::PerToken;
use nir_nn::{Bound, Input, Model, Role, Tokens};
use serde::{Deserialize, Serialize};

use crate::impacts::{
    Index, Quantisation, QueryWeighting, SparseVector, Weigh, WeighQueries, quantised, retriever,
};
use crate::model::ModelSource;
use crate::neural::{
    Effort, document_token, document_tokens, per_token, piece, query_tokens, weighted_pieces,
};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of queries and documents.
    pub model: ModelSource,
    /// The name of the linear layer that gives a token its weight.
    pub head: String,
    /// Whether a query's weights are the model's.
    pub query_weighting: QueryWeighting,
    /// How a query is written.
    pub query: Input,
    /// How a document is written.
    pub document: Input,
    /// Weights as integers; as they are if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
    /// How the documents' vectors are searched.
    pub index: Index,
    /// How many documents are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "unicoil";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "lin2021unicoil";
    const SHAPE: Shape = Shape::Retriever;

    fn parts(&self) -> Vec<Version> {
        self.index.versions()
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let unicoil = self.load(context)?;
        let checkpoint = self.model.digest(context)?;
        let parts = (&self.head, &self.document, &self.quantisation);
        let parts = serde_json::to_string(&parts).expect("a config is plain data");
        let encoding = context.encoding(&format!("{checkpoint} {parts}"));
        retriever(context, &encoding, unicoil, &self.index, self.depth)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(self.load(context)?)))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.index.check()?;
        self.query.check(&["text"]).map_err(|problem| format!("`query`: {problem}"))?;
        self.document.check(&["title", "text"]).map_err(|problem| format!("`document`: {problem}"))
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    fn load(&self, context: &Context<'_>) -> Result<UniCoil> {
        let model = self.model.load(context, |architecture, tensors| {
            PerToken::load(architecture, tensors, &[&self.head])
        })?;
        Ok(UniCoil {
            query_tokens: self.model.bind(context, &model, &self.query, Role::Query)?,
            document_tokens: self.model.bind(context, &model, &self.document, Role::Document)?,
            first: model.tokenizer.id("[CLS]")?,
            model,
            query_weighting: self.query_weighting,
            quantisation: self.quantisation,
        })
    }
}

struct UniCoil {
    model: Arc<Model<PerToken>>,
    document_tokens: Bound,
    query_tokens: Bound,
    /// `[CLS]`, which is no term.
    first: u32,
    query_weighting: QueryWeighting,
    quantisation: Option<Quantisation>,
}

impl WeighQueries for UniCoil {
    fn queries(&self, queries: &[Query]) -> Result<Vec<SparseVector>> {
        let tokens = query_tokens(&self.query_tokens, queries)?;
        match self.query_weighting.bags(&self.model.tokenizer, &tokens) {
            Some(bags) => Ok(bags),
            None => self.weigh(&tokens, |a, b| a + b, |i| queries[i].text.clone()),
        }
    }

    fn term(&self, number: u32) -> String {
        piece(&self.model.tokenizer, number)
    }
}

impl Weigh for UniCoil {
    fn effort(&self) -> Effort {
        Effort::new(&self.model.encoder, &self.document_tokens)
    }

    fn documents(&self, corpus: &dyn Corpus, rows: Range<u32>) -> Result<Vec<SparseVector>> {
        let tokens = document_tokens(&self.document_tokens, corpus, rows.clone())?;
        let text = |i: usize| corpus.contents(DocNo(rows.start + i as u32)).to_owned();
        self.weigh(&tokens, f32::max, text)
    }
}

impl Encode for UniCoil {
    fn query(&self, query: &Query) -> Result<Encoding> {
        let tokens = self.query_tokens.encode(|_| query.text.clone())?;
        let vector = self.queries(std::slice::from_ref(query))?.swap_remove(0);
        Ok(weighted_pieces(&self.model.tokenizer, &tokens, vector))
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        let tokens = document_token(&self.document_tokens, corpus, doc)?;
        let vector = self.documents(corpus, doc.0..doc.0 + 1)?.swap_remove(0);
        Ok(weighted_pieces(&self.model.tokenizer, &tokens, vector))
    }
}

impl UniCoil {
    /// The weights of each text's tokens; `join` makes one of those of equal tokens.
    fn weigh(
        &self,
        tokens: &[Tokens],
        join: impl Fn(f32, f32) -> f32,
        text: impl Fn(usize) -> String,
    ) -> Result<Vec<SparseVector>> {
        let weights = per_token(&self.model, tokens, text)?;
        let one = |(tokens, weights): (&Tokens, &Vec<f32>)| {
            let terms = tokens.ids.iter().zip(weights).filter(|&(&id, _)| id != self.first);
            quantised(joined(terms, &join), self.quantisation)
        };
        Ok(tokens.iter().zip(&weights).map(one).collect())
    }
}

/// One weight for each term, by rising term.
fn joined<'a>(
    terms: impl Iterator<Item = (&'a u32, &'a f32)>,
    join: impl Fn(f32, f32) -> f32,
) -> BTreeMap<u32, f32> {
    let mut joined = BTreeMap::new();
    for (&term, &weight) in terms {
        let weight = weight.max(0.0); // ReLU
        joined.entry(term).and_modify(|known| *known = join(*known, weight)).or_insert(weight);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tokens_are_joined_after_the_relu() {
        let terms = || [5, 9, 5, 5].iter().zip(&[0.5, -1.0, 2.0, -3.0]);
        let found =
            |join: fn(f32, f32) -> f32| joined(terms(), join).into_iter().collect::<Vec<_>>();
        assert_eq!(found(f32::max), [(5, 2.0), (9, 0.0)]);
        assert_eq!(found(|a, b| a + b), [(5, 2.5), (9, 0.0)]);
    }
}
