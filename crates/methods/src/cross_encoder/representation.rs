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

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Encode, Encoding, Form, Match, Progress, Queries, Query, Ranking,
    Reranker, Result, Run, Scored,
};
use nir_nn::checkpoint::{Location, Wanted};
use nir_nn::heads::Vector;
use nir_nn::{Bound, Hidden, Input, Model, Pooling, Role, Similarity, Tokens, normalise};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::neural::{bind, check_weights, document_token, load, pieces, query_tokens, wanted};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the weights are: `hf:org/name` or `file:folder`.
    pub weights: Location,
    /// The commit of the weights on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Patterns of tensors that the checkpoint has and this method does not use.
    pub ignore: Vec<String>,
    /// How many hidden states become one vector; the paper takes the first.
    pub pooling: Pooling,
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
    const PAPER: &'static str = "qiao2019understanding";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(Stage::Reranker(Box::new(Representation {
            encoder: Encoder::load(self, context)?,
            depth: self.depth,
            corpus: Arc::clone(&context.corpus),
            progress: Arc::clone(&context.progress),
        })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Encoder::load(self, context)?)))
    }

    fn check(&self) -> std::result::Result<(), String> {
        check_weights(&self.weights, self.revision.as_ref())?;
        self.query.check(&["text"]).map_err(|problem| format!("`query`: {problem}"))?;
        self.document.check(&["title", "text"]).map_err(|problem| format!("`document`: {problem}"))
    }

    fn weights(&self) -> Vec<Wanted> {
        vec![wanted(&self.weights, self.revision.as_ref())]
    }
}

/// The encoder of both, with the ways of writing each.
struct Encoder {
    model: Arc<Model<Vector>>,
    queries: Bound,
    documents: Bound,
    similarity: Similarity,
}

impl Encoder {
    fn load(config: &Config, context: &Context<'_>) -> Result<Self> {
        let weights = &config.weights()[0];
        let model = load(context, weights, &config.ignore, |architecture, tensors| {
            Vector::load(architecture, tensors, config.pooling, None)
        })?;
        Ok(Self {
            queries: bind(context, weights, &model, &config.query, Role::Query)?,
            documents: bind(context, weights, &model, &config.document, Role::Document)?,
            model,
            similarity: config.similarity,
        })
    }

    /// `[texts, dim]`
    fn vectors(&self, tokens: &[Tokens], text: impl Fn(usize) -> String) -> Result<Vec<f32>> {
        let head = |hidden: &Hidden| {
            let vectors = self.model.head.forward(hidden)?; // [batch, dim]
            match self.similarity {
                Similarity::Dot => Ok(vectors),
                Similarity::Cosine => normalise(&vectors),
            }
        };
        let rows = self.model.head.rows();
        Ok(self.model.encoder.table(tokens, rows, head, text)?.rows)
    }

    fn encoding(&self, tokens: &Tokens, text: &str) -> Result<Encoding> {
        let vector = self.vectors(std::slice::from_ref(tokens), |_| text.to_owned())?;
        Ok(Encoding { tokens: pieces(&self.model.tokenizer, tokens), form: Form::Vector(vector) })
    }
}

impl Encode for Encoder {
    fn query(&self, query: &Query) -> Result<Encoding> {
        self.encoding(&self.queries.encode(|_| query.text.clone())?, &query.text)
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        self.encoding(&document_token(&self.documents, corpus, doc)?, corpus.contents(doc))
    }
}

struct Representation {
    encoder: Encoder,
    depth: usize,
    corpus: Arc<dyn Corpus>,
    progress: Arc<dyn Progress>,
}

impl Reranker for Representation {
    fn rerank(&self, queries: &Queries, candidates: &Run) -> Result<Run> {
        let query_vectors = query_tokens(&self.encoder.queries, queries)?;
        let query_vectors = self.encoder.vectors(&query_vectors, |i| queries[i].text.clone())?;
        let documents = self.encode(candidates)?;
        let dim = self.encoder.model.head.dim();
        let one = |(query, ranking): (&[f32], &Ranking)| {
            let score = |doc: DocNo| dot(query, &documents[&doc]);
            let hits = ranking.iter().take(self.depth);
            let scored = hits.map(|hit| Scored { doc: hit.doc, score: score(hit.doc) }).collect();
            Ranking::top(self.depth, scored, &*self.corpus)
        };
        Ok(query_vectors.chunks_exact(dim).zip(candidates.iter()).map(one).collect())
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let tokens = [
            self.encoder.queries.encode(|_| query.text.clone())?,
            document_token(&self.encoder.documents, &*self.corpus, doc)?,
        ];
        let vectors = self.encoder.vectors(&tokens, |_| query.text.clone())?; // [2, dim]
        let (query, document) = vectors.split_at(self.encoder.model.head.dim());
        Ok(vec![Contribution { of: Match::Texts, score: dot(query, document) }])
    }
}

impl Representation {
    /// The vectors of all candidates, each encoded once.
    fn encode(&self, candidates: &Run) -> Result<HashMap<DocNo, Vec<f32>>> {
        let hits = candidates.iter().flat_map(|ranking| ranking.iter().take(self.depth));
        let docs: BTreeSet<DocNo> = hits.map(|hit| hit.doc).collect();
        let docs: Vec<DocNo> = docs.into_iter().collect();
        let task = self.progress.begin("encoding candidates", "documents", docs.len() as u64);
        let tokens =
            docs.par_iter().map(|&doc| document_token(&self.encoder.documents, &*self.corpus, doc));
        let tokens: Vec<Tokens> = tokens.collect::<Result<_>>()?;
        let vectors =
            self.encoder.vectors(&tokens, |i| self.corpus.contents(docs[i]).to_owned())?;
        task.advance(docs.len() as u64);
        let rows = vectors.chunks_exact(self.encoder.model.head.dim()).map(<[f32]>::to_vec);
        Ok(docs.into_iter().zip(rows).collect())
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
