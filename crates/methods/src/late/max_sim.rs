//! ColBERT as a reranker: MaxSim over the candidates of an earlier stage.
//! Khattab and Zaharia, SIGIR 2020 (`khattab2020colbert`).
//!
//! Where another method finds candidates, there is no need to compare every document. The vectors of all documents are
//! encoded beforehand all the same, so that a query costs one run of the encoder and as many products as its candidates
//! have tokens.
//!
//! ```text
//! s(q, d) = Σ_{i ∈ E_q} max_{j ∈ E_d} E_q,i · E_d,j                                             (§3.3, eq. 3)
//! ```
//!
//! | symbol       | is                                                                             |
//! |--------------|--------------------------------------------------------------------------------|
//! | `E_q`, `E_d` | the vectors of the tokens of query and document, as `colbert` makes them        |
//!
//! The parameters are those of `colbert` without `plaid`; vectors are shared with it. `depth` is how many candidates stay.
//!
//! Try it: `nir run late/colbert-v2-rerank --on pocket`, beside `late/colbert-v2`: what did BM25 not find?

use std::slice;
use std::sync::Arc;

use nir_core::{Contribution, Corpus, DocNo, Encode, Query, Ranking, Reranker, Result, Version};
use nir_index::structure::{Index, Structure, TokenIndex};
use nir_index::versions;
use nir_nn::checkpoint::Wanted;
use serde::{Deserialize, Serialize};

use super::colbert::{self, ColBert};
use crate::reader::Texts;
use crate::retriever::{Encoder, contributions, encoded};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method, which are those of `colbert`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Config(pub(super) colbert::Config);

impl Algorithm for Config {
    const NAME: &'static str = "max_sim";
    const VERSION: u32 = 1;
    const PAPER: &'static str = colbert::Config::PAPER;
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let (encoding, encoder) = (self.0.encoding(context)?, self.0.load(context)?);
        let documents =
            encoded(context, &encoding, &encoder.effort(), &encoder.form(), &|texts| {
                encoder.encode(texts)
            })?;
        let index = self.0.structure().open(None, documents)?;
        for (fact, value) in index.facts() {
            context.resources.note("vectors", fact, &value);
        }
        Ok(Stage::Reranker(Box::new(MaxSim {
            encoder,
            index,
            depth: self.0.depth,
            corpus: Arc::clone(&context.corpus),
        })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        self.0.encoder(context)
    }

    fn check(&self) -> std::result::Result<(), String> {
        match self.0.plaid {
            None => self.0.check(),
            Some(_) => {
                Err("`plaid` prunes a collection, and this scores candidates: leave it out"
                    .to_owned())
            }
        }
    }

    fn parts(&self) -> Vec<Version> {
        vec![versions::TOKENS]
    }

    fn weights(&self) -> Vec<Wanted> {
        self.0.weights()
    }
}

struct MaxSim {
    encoder: ColBert,
    index: TokenIndex,
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for MaxSim {
    fn depth(&self) -> usize {
        usize::MAX // all of them are scored, and the best `depth` kept
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        let vectors = self.encoder.encode(Texts::Queries(slice::from_ref(query)))?;
        let mut docs: Vec<DocNo> = candidates.iter().map(|hit| hit.doc).collect();
        docs.sort_unstable();
        Ok(self.index.best(&vectors[0], &docs, self.depth, &*self.corpus))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        contributions(&self.encoder, &self.index, &*self.corpus, query, doc)
    }
}
