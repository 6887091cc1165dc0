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

use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Encode, Encoding, Form, Match, Query, Ranking, Reranker, Result,
    Scored,
};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::Vector;
use nir_nn::{Bound, Input, Model, Poolings, Role, Similarity, Tokens};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::{ModelSource, Way};
use crate::neural::{document_token, pieces};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of queries and documents.
    pub model: ModelSource,
    /// How many hidden states become one vector; the paper takes the first.
    pub pooling: Poolings,
    /// How two vectors are compared; the paper takes the cosine.
    pub similarity: Similarity,
    /// How a query is written.
    pub query: Input,
    /// How a document is written.
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
            encoder: Encoder::load(self, context)?,
            depth: self.depth,
            corpus: Arc::clone(&context.corpus),
        })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Encoder::load(self, context)?)))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.query.check(&["text"]).map_err(|problem| format!("`query`: {problem}"))?;
        self.document.check(&["title", "text"]).map_err(|problem| format!("`document`: {problem}"))
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

/// The encoder of both, with the ways of writing each.
struct Encoder {
    model: Arc<Model<Vector>>,
    queries: Side,
    documents: Side,
    similarity: Similarity,
}

/// A way of writing texts, of which so many tokens of the beginning do not count.
struct Side {
    tokens: Bound,
    prompt: usize,
}

impl Encoder {
    fn load(config: &Config, context: &Context<'_>) -> Result<Self> {
        let source = &config.model;
        let way = Way {
            pooling: &config.pooling,
            projection: None,
            similarity: config.similarity,
            dimensions: None,
        };
        let model = source.load_vector(context, &way)?;
        let queries = source.bind(context, &model, &config.query, Role::Query)?;
        let documents = source.bind(context, &model, &config.document, Role::Document)?;
        Ok(Self {
            queries: Side { prompt: source.uncounted(context, &queries)?, tokens: queries },
            documents: Side { prompt: source.uncounted(context, &documents)?, tokens: documents },
            model,
            similarity: config.similarity,
        })
    }

    /// `[texts, dim]`
    fn vectors(
        &self,
        side: &Side,
        tokens: &[Tokens],
        text: impl Fn(usize) -> String,
    ) -> Result<Vec<f32>> {
        let Model { encoder, head, .. } = &*self.model;
        Ok(head.table(encoder, tokens, side.prompt, self.similarity, text)?.rows)
    }

    fn encoding(&self, side: &Side, tokens: &Tokens, text: &str) -> Result<Encoding> {
        let vector = self.vectors(side, std::slice::from_ref(tokens), |_| text.to_owned())?;
        Ok(Encoding { tokens: pieces(&self.model.tokenizer, tokens), form: Form::Vector(vector) })
    }
}

impl Encode for Encoder {
    fn query(&self, query: &Query) -> Result<Encoding> {
        let tokens = self.queries.tokens.encode(|_| query.text.clone())?;
        self.encoding(&self.queries, &tokens, &query.text)
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        let tokens = document_token(&self.documents.tokens, corpus, doc)?;
        self.encoding(&self.documents, &tokens, corpus.contents(doc))
    }
}

struct Representation {
    encoder: Encoder,
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for Representation {
    fn depth(&self) -> usize {
        self.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        let side = &self.encoder.queries;
        let tokens = side.tokens.encode(|_| query.text.clone())?;
        let query = self.encoder.vectors(side, &[tokens], |_| query.text.clone())?;
        let docs: Vec<DocNo> = candidates.iter().take(self.depth).map(|hit| hit.doc).collect();
        let documents = self.documents(&docs)?;
        let scored = docs.iter().zip(documents.chunks_exact(query.len()));
        let scored =
            scored.map(|(&doc, document)| Scored { doc, score: dot(&query, document) }).collect();
        Ok(Ranking::top(self.depth, scored, &*self.corpus))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let Encoder { queries, documents, .. } = &self.encoder;
        let tokens = queries.tokens.encode(|_| query.text.clone())?;
        let query = self.encoder.vectors(queries, &[tokens], |_| query.text.clone())?;
        let tokens = document_token(&documents.tokens, &*self.corpus, doc)?;
        let text = |_| self.corpus.contents(doc).to_owned();
        let document = self.encoder.vectors(documents, &[tokens], text)?;
        Ok(vec![Contribution { of: Match::Texts, score: dot(&query, &document) }])
    }
}

impl Representation {
    /// The vectors of documents, `[documents, dim]`.
    fn documents(&self, docs: &[DocNo]) -> Result<Vec<f32>> {
        let side = &self.encoder.documents;
        let tokens = docs.par_iter().map(|&doc| document_token(&side.tokens, &*self.corpus, doc));
        let tokens: Vec<Tokens> = tokens.collect::<Result<_>>()?;
        let text = |i: usize| self.corpus.contents(docs[i]).to_owned();
        self.encoder.vectors(side, &tokens, text)
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
