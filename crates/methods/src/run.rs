//! A run made elsewhere: any system's results, in TREC's six columns, enter a comparison or are reranked.
//!
//! Scores and order are the file's: the best `depth` by score, ties to the larger `doc_id`. Queries that the file does
//! not name find nothing. A `doc_id` that the collection does not have is an error: the file belongs to another
//! collection.
//!
//! ```toml
//! [[stage]]
//! use   = "run"
//! path  = "runs/bm25.dl19.trec.gz"
//! depth = 100
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{Corpus, Queries, RankedList, Ranking, Result, Retriever, Run, Scored, TrecRun};
use serde::{Deserialize, Serialize};

use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A run file: six columns, plain, gzip or zstd. A relative path starts in the folder of the config, or for a config below
    /// `configs/` in the folder that holds `configs/`.
    #[serde(skip_serializing)] // what the file holds is in every key, wherever it lies
    pub path: PathBuf,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "run";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let run = context.resources.run_file(&self.path)?;
        Ok(Stage::Retriever(Arc::new(RunFile {
            run,
            depth: self.depth,
            corpus: Arc::clone(&context.corpus),
        })))
    }

    fn files(&self) -> Vec<&Path> {
        vec![&self.path]
    }
}

/// The run names a document that the collection does not have.
#[derive(Debug, thiserror::Error)]
#[error(
    "query `{query_id}` of the run finds `{doc_id}`, which is not a document of this collection"
)]
struct ForeignDocument {
    query_id: String,
    doc_id: String,
}

/// A run that is searched by looking it up.
pub(crate) struct RunFile {
    pub(crate) run: TrecRun,
    pub(crate) depth: usize,
    pub(crate) corpus: Arc<dyn Corpus>,
}

impl Retriever for RunFile {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        queries.iter().map(|query| self.ranking(&query.query_id)).collect()
    }
}

impl RunFile {
    fn ranking(&self, query_id: &str) -> Result<Ranking> {
        let Some(list) = self.run.get(query_id) else { return Ok(Ranking::default()) };
        Ok(Ranking::top(self.depth, self.rows(query_id, list)?, &*self.corpus))
    }

    fn rows(&self, query_id: &str, list: &RankedList) -> Result<Vec<Scored>> {
        let row = |(doc_id, entry): (&str, nir_core::Entry)| match self.corpus.doc_no(doc_id) {
            Some(doc) => Ok(Scored { doc, score: entry.score as f32 }),
            None => {
                Err(ForeignDocument { query_id: query_id.to_owned(), doc_id: doc_id.to_owned() }
                    .into())
            }
        };
        list.iter().map(row).collect()
    }
}
