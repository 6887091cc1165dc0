//! The shapes of a stage. A pipeline is a list of stages run in order.
//!
//! A value of these traits is *bound*: it was built from a config and a corpus and is ready to work. Everything the
//! config says (depths, weights, models) is inside it, so that the shape is all that is left.
//!
//! | shape     | reads            | gives   | for example               |
//! |-----------|------------------|---------|---------------------------|
//! | expander  | documents        | documents | doc2query               |
//! | retriever | queries          | a run   | BM25, DPR, a run file     |
//! | reranker  | queries, a run   | a run   | monoBERT                  |
//! | rewriter  | queries, a run   | queries | RM3, Rocchio              |
//! | fuser     | several runs     | a run   | reciprocal rank fusion    |

use std::ops::Range;

use crate::{Contribution, Corpus, DocNo, Document, Queries, Query, Ranking, Run};

/// The error of a stage. Each algorithm has an error type of its own, and the harness only prints it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The result of a stage: a value, or a [`BoxError`].
pub type Result<T> = std::result::Result<T, BoxError>;

/// A stage that changes documents before they are indexed.
///
/// The caller keeps the changed documents in the cache, block by block. They are made once, and a run that was stopped
/// continues with the first block that is missing.
pub trait Expander: Send + Sync {
    /// The changed documents of these rows, in the same order, each with the `doc_id` it had.
    ///
    /// # Errors
    ///
    /// Any error of the algorithm, such as one of its model.
    fn expand(&self, corpus: &dyn Corpus, rows: Range<u32>) -> Result<Vec<Document>>;
}

/// A stage that searches the collection: it takes queries and gives one ranking for each.
pub trait Retriever: Send + Sync {
    /// Searches for every query and gives one ranking for each, in the order of the queries.
    ///
    /// # Errors
    ///
    /// Any error of the algorithm, such as one of its model.
    fn retrieve(&self, queries: &Queries) -> Result<Run>;

    /// Whether the search is exact: every document is compared, or left out because a bound on its score proves that it cannot
    /// be in the ranking.
    fn is_exact(&self) -> bool {
        true
    }

    /// The vectors of the queries, `[dim]` each. The inner product of one with the vector of a document is the document's score.
    /// `None` where the method does not represent a text by one vector.
    ///
    /// # Errors
    ///
    /// Any error of the encoder.
    fn query_vectors(&self, _queries: &[Query]) -> Result<Option<Vec<Vec<f32>>>> {
        Ok(None)
    }

    /// The vector of a document, `[dim]`, as the search compares it; `None` where the method does not represent a text by one
    /// vector. Feedback in vector space moves the vector of a query towards it.
    fn document_vector(&self, _doc: DocNo) -> Option<Vec<f32>> {
        None
    }

    /// Encodes the queries once and gives the same search over them, so that the search structure can be timed without the
    /// encoder. `None` where the method does not search an index of vectors.
    ///
    /// # Errors
    ///
    /// Any error of the encoder or of the index.
    fn prepare<'a>(&'a self, _queries: &Queries) -> Result<Option<Box<dyn Search + 'a>>> {
        Ok(None)
    }

    /// The parts of the score that a document has for a query, where this search found it. The list is empty where the score has
    /// no parts.
    ///
    /// # Errors
    ///
    /// Any error of the encoder or of the index.
    fn explain(&self, _query: &Query, _doc: DocNo) -> Result<Vec<Contribution>> {
        Ok(Vec::new())
    }
}

/// A search for queries that are already encoded, over an index that is already open.
pub trait Search: Sync {
    /// The rankings of the queries at these positions, in order. They are equal to those of [`Retriever::retrieve`].
    fn search(&self, queries: Range<usize>) -> Vec<Ranking>;

    /// Whether the search is exact, as in [`Retriever::is_exact`].
    fn is_exact(&self) -> bool;

    /// The rankings of all queries, at the same depth, when every document is compared. This is slow, and is used to measure the
    /// recall of an approximate search.
    fn exhaust(&self) -> Vec<Ranking>;

    /// The size of the index in bytes on disk. The index is mapped, so it takes no more than this in memory.
    fn bytes(&self) -> u64;
}

/// A stage that gives new scores to the documents that an earlier stage found, and orders them by these.
///
/// A reranker may take minutes for one query. So the caller decides how many queries it passes at once, shows the progress, and
/// keeps the rankings that are done; a run that was stopped continues after them.
pub trait Reranker: Send + Sync {
    /// The largest number of candidates that are read for a query, from the best one.
    fn depth(&self) -> usize;

    /// The number of queries that it works on at the same time. More than one where it waits for something else than this
    /// machine, such as a server; the caller then passes at least so many at once.
    fn at_once(&self) -> usize {
        1
    }

    /// What its work has cost so far beside time, each fact with its name.
    fn facts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Ranks the candidates of one query anew.
    ///
    /// # Errors
    ///
    /// Any error of the model or its tokenizer.
    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking>;

    /// Ranks the candidates of several queries: one ranking for each, in order, equal to that of [`Reranker::rerank`]. A
    /// reranker implements it where several queries together are faster.
    ///
    /// # Errors
    ///
    /// As [`Reranker::rerank`].
    fn rerank_all(&self, queries: &[Query], candidates: &[Ranking]) -> Result<Vec<Ranking>> {
        queries.iter().zip(candidates).map(|(query, own)| self.rerank(query, own)).collect()
    }

    /// The parts of the score that this reranker gives a document, as [`Retriever::explain`] gives them for a search.
    ///
    /// # Errors
    ///
    /// Any error of the model or its tokenizer.
    fn explain(&self, _query: &Query, _doc: DocNo) -> Result<Vec<Contribution>> {
        Ok(Vec::new())
    }
}

/// A stage that rewrites the queries before anything is searched, for example into a passage that would answer them.
pub trait Writer: Send + Sync {
    /// The rewritten queries: the same `query_id`s in the same order, with another text, or with terms or a vector beside it.
    ///
    /// # Errors
    ///
    /// Any error of the algorithm, such as one of its model.
    fn write(&self, queries: &Queries) -> Result<Queries>;
}

/// A stage that rewrites the queries with the help of the documents that an earlier stage found for them.
pub trait Rewriter: Send + Sync {
    /// The rewritten queries: the same `query_id`s in the same order, with another text, or with terms or a vector beside it.
    /// `feedback` has one ranking for each query.
    ///
    /// # Errors
    ///
    /// Any error of the algorithm, such as one of its model.
    fn rewrite(&self, queries: &Queries, feedback: &Run) -> Result<Queries>;
}

/// A stage that joins the runs of several methods, over the same queries, into one run.
pub trait Fuser: Send + Sync {
    /// Joins the runs: one ranking for each query, in order. Every run has one ranking for each query.
    ///
    /// # Errors
    ///
    /// Any error of the algorithm.
    fn fuse(&self, runs: &[Run]) -> Result<Run>;

    /// The amount that each of the rankings of one query adds to the fused score of a document.
    fn explain(&self, _rankings: &[Ranking], _doc: DocNo) -> Vec<Contribution> {
        Vec::new()
    }
}
