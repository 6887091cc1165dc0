//! BM25.
//! Robertson, Walker, Jones, Hancock-Beaulieu and Gatford, TREC-3, 1994 (`robertson1994okapi`).
//!
//! A document is good if it has the query's terms, above all the rare ones; a second occurrence of a term says less
//! than the first; and a long document has every term more often for no merit of its own. `k1` sets how soon
//! occurrences saturate, `b` how much length counts.
//!
//! ```text
//! BM25(q, d) = Σ_{t in q} w_t · idf(t) · tf / (tf + k1 · (1 - b + b · |d| / avgdl))
//!     idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))
//! ```
//!
//! | symbol  | is                                                     |
//! |---------|--------------------------------------------------------|
//! | `tf`    | how often term `t` occurs in document `d`              |
//! | `df`    | how many documents have `t`                            |
//! | `N`     | how many documents have a term at all                  |
//! | `|d|`   | how many terms `d` has; `avgdl` is the mean            |
//! | `w_t`   | how often `t` occurs in the query, or what a rewriter gave it |
//!
//! The idf, and the absence of a factor `k1 + 1`, are Lucene's (Kamphuis et al., ECIR 2020, `kamphuis2020bm25`, compare
//! the variants). With `lengths = "lucene-byte"` a length is rounded to the 256 values that Lucene can store, which
//! makes the scores Lucene's; `exact` keeps it.
//!
//! Try it: `nir run lexical/bm25 --on pocket`. Change `b` to 0 and long passages win; `k1` to 0 and occurrences no
//! longer count.

use std::sync::Arc;

use nir_core::{
    Contribution, DocNo, Encode, Progress, Queries, Query, Ranking, Result, Retriever, Run, Version,
};
use nir_index::versions;
use nir_index::{Analyzer, Bm25, Lengths, Searcher, analyzer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Counted, query_terms};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of an analyzer in `nir_index::analyzer`, which cuts texts into terms.
    pub analyzer: String,
    /// How soon occurrences saturate; 0 counts only presence.
    pub k1: f32,
    /// How much a document's length counts, from 0 to 1.
    pub b: f32,
    /// Document lengths as Lucene rounds them, or exact.
    pub lengths: Lengths,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "bm25";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "robertson1994okapi";
    const SHAPE: Shape = Shape::Retriever;

    fn parts(&self) -> Vec<Version> {
        vec![versions::LEXICAL, versions::BM25]
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let analyzer = analyzer(&self.analyzer)?;
        let index = context.lexical_index(&analyzer)?;
        let weights = Bm25 { k1: self.k1, b: self.b, lengths: self.lengths };
        let searcher = Searcher::new(index, Arc::clone(&context.corpus), weights)?;
        let progress = Arc::clone(&context.progress);
        Ok(Stage::Retriever(Arc::new(Bm25Retriever {
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
        analyzer(&self.analyzer).map_err(|error| error.to_string())?;
        check_parameters(self.k1, self.b)
    }
}

/// `idf(t)` of a term that `df` of `n` documents have. The index computes it and [`saturation`] for whole lists of documents at
/// once (`nir_index::Bm25`).
pub fn idf(n: f32, df: f32) -> f32 {
    (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
}

/// The fraction in `BM25(q, d)`: what `tf` occurrences in a document are worth that is `length` times as long as the mean.
pub fn saturation(tf: f32, length: f32, k1: f32, b: f32) -> f32 {
    tf / (tf + k1 * (1.0 - b + b * length))
}

/// Checks the parameters; the error says what is wrong.
pub(super) fn check_parameters(k1: f32, b: f32) -> std::result::Result<(), String> {
    match (k1 >= 0.0 && k1.is_finite(), (0.0..=1.0).contains(&b)) {
        (false, _) => Err(format!("`k1` must be a number of at least 0, found {k1}")),
        (_, false) => Err(format!("`b` must lie between 0 and 1, found {b}")),
        _ => Ok(()),
    }
}

struct Bm25Retriever {
    analyzer: Arc<dyn Analyzer>,
    searcher: Searcher,
    depth: usize,
    progress: Arc<dyn Progress>,
}

impl Retriever for Bm25Retriever {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        let task = self.progress.begin("searching with BM25", "queries", queries.len() as u64);
        let rankings: Vec<Ranking> = queries
            .par_iter()
            .map(|query| {
                task.advance(1);
                self.searcher.search(&query_terms(query, &*self.analyzer), self.depth)
            })
            .collect();
        Ok(Run(rankings))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        Ok(self.searcher.explain(&query_terms(query, &*self.analyzer), doc))
    }
}
