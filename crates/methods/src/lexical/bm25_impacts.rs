//! BM25 from impacts: every part of the sum computed before there is a query.
//! Robertson, Walker, Jones, Hancock-Beaulieu and Gatford, TREC-3, 1994 (`robertson1994okapi`); the impacts are Anh and
//! Moffat's, SIGIR 2006.
//!
//! What a term adds to a score depends on the term and the document alone. So it can be kept in the index in place of the
//! frequency, and a search has only to add: BM25 becomes a learned sparse method that has learned nothing. The index is
//! larger than that of `bm25`, and long rankings are found faster.
//!
//! ```text
//! BM25(q, d) = Σ_{t in q} w_t · i(t, d)
//!    i(t, d) = idf(t) · tf / (tf + k1 · (1 - b + b · |d| / avgdl))
//! ```
//!
//! | symbol    | is                                                                          |
//! |-----------|-----------------------------------------------------------------------------|
//! | `i(t, d)` | the impact of term `t` in document `d`; the symbols within are those of `bm25` |
//! | `w_t`     | how often `t` occurs in the query, or what a rewriter gave it               |
//!
//! With `storage = "u8"` an impact is rounded to one of 255 steps up to the largest of the collection.
//!
//! Try it: `nir run lexical/bm25-impacts --on pocket`, and compare with `lexical/bm25`. Take `u8` for `f32` and see what
//! a quarter of the weights' bytes costs.

use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Encode, Key, Progress, Queries, Query, Result, Retriever, Run,
    Version,
};
use nir_index::impacts::{ImpactIndex, Precision};
use nir_index::structure::WeightStorage;
use nir_index::versions;
use nir_index::{Analyzer, Bm25, Lengths, LexicalIndex, analyzer};
use serde::{Deserialize, Serialize};

use super::bm25::check_parameters;
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
    /// The number format of an impact.
    pub storage: WeightStorage,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

const FILE: &str = "bm25.impacts";

impl Config {
    fn index(&self, context: &Context<'_>, lexical: &LexicalIndex) -> Result<ImpactIndex> {
        let weights = Bm25 { k1: self.k1, b: self.b, lengths: self.lengths };
        let precision = match self.storage {
            WeightStorage::F32 => Precision::F32,
            WeightStorage::U8 => Precision::U8,
        };
        let built = Self { depth: 0, ..self.clone() };
        let key = Key::of(&self.parts()).input(context.corpus_digest);
        let key = key.param(analyzer(&self.analyzer)?.name()).param(serde_json::to_string(&built)?);
        let folder = context.resources.artifact("indexes", &key, &mut |folder| {
            ImpactIndex::from_bm25(&folder.join(FILE), lexical, weights, precision)?;
            Ok(())
        })?;
        Ok(ImpactIndex::open(&folder.join(FILE))?)
    }
}

impl Algorithm for Config {
    const NAME: &'static str = "bm25_impacts";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "robertson1994okapi";
    const SHAPE: Shape = Shape::Retriever;

    fn parts(&self) -> Vec<Version> {
        vec![versions::LEXICAL, versions::BM25, versions::IMPACTS]
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let analyzer = analyzer(&self.analyzer)?;
        let lexical = context.lexical_index(&analyzer)?;
        let index = self.index(context, &lexical)?;
        context.resources.note("impacts", "bytes", &index.bytes().to_string());
        Ok(Stage::Retriever(Arc::new(Bm25Impacts {
            analyzer,
            lexical,
            index,
            depth: self.depth,
            corpus: Arc::clone(&context.corpus),
            progress: Arc::clone(&context.progress),
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

struct Bm25Impacts {
    analyzer: Arc<dyn Analyzer>,
    /// The index that gives the numbers of terms.
    lexical: Arc<LexicalIndex>,
    index: ImpactIndex,
    depth: usize,
    corpus: Arc<dyn Corpus>,
    progress: Arc<dyn Progress>,
}

impl Bm25Impacts {
    /// The terms of a query that the collection has, by number and by name, with their weights.
    fn terms(&self, query: &Query) -> impl Iterator<Item = (u32, String, f32)> {
        query_terms(query, &*self.analyzer).into_iter().filter_map(|weighted| {
            let number = self.lexical.term_number(&weighted.term)?;
            Some((number, weighted.term, weighted.weight))
        })
    }
}

impl Retriever for Bm25Impacts {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        let task = self.progress.begin("searching impacts", "queries", queries.len() as u64);
        let numbers = |query| self.terms(query).map(|(number, _, weight)| (number, weight));
        let vectors: Vec<Vec<(u32, f32)>> =
            queries.iter().map(|query| numbers(query).collect()).collect();
        let rankings = self.index.search_many(&vectors, self.depth, &*self.corpus);
        task.advance(queries.len() as u64);
        Ok(Run(rankings))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let part = |(number, term, weight): (u32, String, f32)| {
            Some(Contribution::product(term, weight, self.index.weight(number, doc)?))
        };
        Ok(self.terms(query).filter_map(part).collect())
    }
}
