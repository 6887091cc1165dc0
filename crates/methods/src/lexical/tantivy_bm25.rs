//! BM25 as tantivy computes it, to be held beside our own.
//! Robertson, Walker, Jones, Hancock-Beaulieu and Gatford, TREC-3, 1994 (`robertson1994okapi`).
//!
//! The same idea as `bm25`, with tantivy's constants: `k1 = 1.2` and `b = 0.75` are fixed in its code, a factor
//! `k1 + 1` multiplies every score, and pruning is block-max WAND. Documents of one score leave tantivy in the order of
//! its own rows, so which of them stands last before the cut is its choice; the order of the rest is made ours.
//!
//! ```text
//! BM25(q, d) = Σ_{t in q} w_t · idf(t) · 2.2 · tf / (tf + 1.2 · (0.25 + 0.75 · |d| / avgdl))
//!     idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))
//! ```
//!
//! | symbol  | is                                                                  |
//! |---------|---------------------------------------------------------------------|
//! | `tf`    | how often term `t` occurs in document `d`                           |
//! | `df`    | how many documents have `t`                                         |
//! | `N`     | how many documents there are                                        |
//! | `\|d\|` | how many terms `d` has, in the byte that tantivy keeps; `avgdl` is the mean |
//! | `w_t`   | how often `t` occurs in the query, or what a rewriter gave it       |
//!
//! Try it: `nir run lexical/bm25-tantivy --on pocket`, and compare with `lexical/bm25`.

use std::sync::Arc;

use nir_core::{
    Contribution, DocNo, Encode, Progress, Queries, Query, Ranking, Result, Retriever, Run, Version,
};
use nir_index::versions;
use nir_index::{Analyzer, TantivySearcher, analyzer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Counted, query_terms};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method, which are those that tantivy lets one choose.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of an analyzer in `nir_index::analyzer`, which cuts texts into terms.
    pub analyzer: String,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "tantivy-bm25";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "robertson1994okapi";
    const SHAPE: Shape = Shape::Retriever;

    fn parts(&self) -> Vec<Version> {
        vec![versions::LEXICAL, versions::TANTIVY]
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let analyzer = analyzer(&self.analyzer)?;
        let searcher =
            TantivySearcher::new(context.lexical_index(&analyzer)?, Arc::clone(&context.corpus))?;
        let progress = Arc::clone(&context.progress);
        Ok(Stage::Retriever(Arc::new(TantivyRetriever {
            analyzer,
            searcher,
            depth: self.depth,
            progress,
        })))
    }

    fn encoder(&self, _context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Counted(analyzer(&self.analyzer)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        analyzer(&self.analyzer).map(|_| ()).map_err(|error| error.to_string())
    }
}

struct TantivyRetriever {
    analyzer: Arc<dyn Analyzer>,
    searcher: TantivySearcher,
    depth: usize,
    progress: Arc<dyn Progress>,
}

impl Retriever for TantivyRetriever {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        let task = self.progress.begin("searching with tantivy", "queries", queries.len() as u64);
        let rankings: Result<Vec<Ranking>> = queries
            .par_iter()
            .map(|query| {
                task.advance(1);
                Ok(self.searcher.search(&query_terms(query, &*self.analyzer), self.depth)?)
            })
            .collect();
        Ok(Run(rankings?))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        Ok(self.searcher.explain(&query_terms(query, &*self.analyzer), doc)?)
    }
}
