//! BERT (Rep): two vectors made apart, compared for the candidates of an earlier stage.
//! Qiao, Xiong, Liu and Liu, 2019 (`qiao2019understanding`).
//!
//! The paper asks what BERT does in ranking and answers by comparison: the same encoder that reads query and document
//! together (`pointwise`) is a strong reranker, and one that reads them apart and compares their first tokens' states is
//! a weak one, unless it was trained for that. The candidates are those of an earlier stage, so that the two differ in
//! nothing else.
//!
//! ```text
//! BERT(Rep)(q, d) = cos(h_[CLS](q), h_[CLS](d))                                                 (eq. 1)
//! ```
//!
//! | symbol    | is                                                                     |
//! |-----------|------------------------------------------------------------------------|
//! | `h_[CLS]` | the first token's last hidden state, `[hidden]`, or another `pooling`'s |
//!
//! Try it: `nir run cross_encoder/bert-rep --on pocket`, beside `cross_encoder/minilm-l6`.

use std::slice;
use std::sync::Arc;

use nir_core::{Contribution, Corpus, DocNo, Encode, Match, Query, Ranking, Reranker, Result};
use nir_nn::checkpoint::Wanted;
use nir_nn::{Input, Poolings, Similarity};
use serde::{Deserialize, Serialize};

use crate::model::{ModelSource, Way};
use crate::reader::{Texts, check_inputs};
use crate::retriever::{Encoder, Shown};
use crate::text_vector::TextEncoder;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of queries and documents.
    pub model: ModelSource,
    /// How many hidden states become one vector; the paper takes the first.
    pub pooling: Poolings,
    /// How two vectors are compared; the paper takes the cosine.
    pub similarity: Similarity,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// How many candidates of each query are scored; the others are dropped.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "representation";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "qiao2019understanding";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(Stage::Reranker(Box::new(Representation {
            encoder: self.load(context)?,
            depth: self.depth,
            corpus: Arc::clone(&context.corpus),
        })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Shown(self.load(context)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        check_inputs(&self.query, &self.document)
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    fn load(&self, context: &Context<'_>) -> Result<TextEncoder> {
        let Self { pooling, similarity, .. } = self;
        let way = Way { pooling, projection: None, similarity: *similarity, dimensions: None };
        TextEncoder::load(context, (&self.model, None), (&self.query, &self.document), &way)
    }
}

struct Representation {
    encoder: TextEncoder,
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for Representation {
    fn depth(&self) -> usize {
        self.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        let query = self.encoder.encode(Texts::Queries(slice::from_ref(query)))?.swap_remove(0);
        candidates.rescored(self.depth, &*self.corpus, |docs| {
            let documents = self.encoder.encode(Texts::Documents(&*self.corpus, docs))?;
            Ok(documents.iter().map(|document| dot(&query, document)).collect())
        })
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let query = self.encoder.encode(Texts::Queries(slice::from_ref(query)))?;
        let document = self.encoder.encode(Texts::Documents(&*self.corpus, &[doc]))?;
        Ok(vec![Contribution { of: Match::Texts, score: dot(&query[0], &document[0]) }])
    }
}

/// The inner product: the cosine of vectors that the encoder has given length 1.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
