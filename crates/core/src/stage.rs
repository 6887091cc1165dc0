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

/// Any error of a stage: each algorithm has its own type, the harness only prints it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a stage returns.
pub type Result<T> = std::result::Result<T, BoxError>;

/// Documents in, documents out, before anything is indexed.
///
/// The caller keeps what comes out, block by block, so that it is made once and a run that was stopped goes on.
pub trait Expander: Send + Sync {
    /// The documents of these rows as they are searched, in order, each under its own `doc_id`.
    fn expand(&self, corpus: &dyn Corpus, rows: Range<u32>) -> Result<Vec<Document>>;
}

/// Queries in, one ranking each out.
pub trait Retriever: Send + Sync {
    /// One ranking for each query, in order.
    fn retrieve(&self, queries: &Queries) -> Result<Run>;

    /// Whether nothing is missed: every document is compared, or passed over for a bound that holds.
    fn is_exact(&self) -> bool {
        true
    }

    /// The vectors of queries, `[dim]` each, whose inner product with a document's is its score; none where a text is not one
    /// vector.
    fn query_vectors(&self, _queries: &[Query]) -> Result<Option<Vec<Vec<f32>>>> {
        Ok(None)
    }

    /// The vector of a document as it is compared, `[dim]`; none where a text is not one vector. Feedback in vector space moves
    /// a query towards it.
    fn document_vector(&self, _doc: DocNo) -> Option<Vec<f32>> {
        None
    }

    /// The same search over queries that are encoded once, so that the structure can be measured alone; none where no
    /// structure of vectors is searched.
    fn prepare<'a>(&'a self, _queries: &Queries) -> Result<Option<Box<dyn Search + 'a>>> {
        Ok(None)
    }

    /// The parts of the score that a document it found has for a query; none where a score has no parts.
    fn explain(&self, _query: &Query, _doc: DocNo) -> Result<Vec<Contribution>> {
        Ok(Vec::new())
    }
}

/// Encoded queries over an open index.
pub trait Search: Sync {
    /// One ranking for each query in these places, in order: what [`Retriever::retrieve`] gives.
    fn search(&self, queries: Range<usize>) -> Vec<Ranking>;

    /// Whether nothing is missed: every document was compared, or passed over for a bound that holds.
    fn is_exact(&self) -> bool;

    /// What comparing every document finds, for all queries at the same depth. Slow: for a report, not for a user who
    /// waits.
    fn exhaust(&self) -> Vec<Ranking>;

    /// What the index takes on disk; mapped, it takes no more in memory.
    fn bytes(&self) -> u64;
}

/// Orders the candidates of an earlier stage anew, one query at a time.
///
/// The caller decides how many queries it hands over at once, shows how far it is, and keeps what is done: a reranker may take
/// minutes for a query, and is stopped and started again.
pub trait Reranker: Send + Sync {
    /// How many candidates of a query it reads at most.
    fn depth(&self) -> usize;

    /// The candidates of one query in their new order.
    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking>;

    /// Several queries at once, one ranking each, in order: those of [`Reranker::rerank`], made sooner where queries share
    /// work or fill all cores.
    fn rerank_all(&self, queries: &[Query], candidates: &[Ranking]) -> Result<Vec<Ranking>> {
        queries.iter().zip(candidates).map(|(query, own)| self.rerank(query, own)).collect()
    }

    /// As [`Retriever::explain`].
    fn explain(&self, _query: &Query, _doc: DocNo) -> Result<Vec<Contribution>> {
        Ok(Vec::new())
    }
}

/// Writes the queries anew before anything is searched: in more words, in a passage that would answer them.
pub trait Writer: Send + Sync {
    /// The same queries, by `query_id` and order, in another text or with terms or a vector beside it.
    fn write(&self, queries: &Queries) -> Result<Queries>;
}

/// Writes the queries anew from what an earlier stage found for them.
pub trait Rewriter: Send + Sync {
    /// The same queries, by `query_id` and order, in another text or with terms or a vector beside it.
    fn rewrite(&self, queries: &Queries, feedback: &Run) -> Result<Queries>;
}

/// Makes one run of several over the same queries.
pub trait Fuser: Send + Sync {
    /// One ranking for each query, in order.
    fn fuse(&self, runs: &[Run]) -> Result<Run>;

    /// As [`Retriever::explain`], for one query: what each of its rankings adds for a document.
    fn explain(&self, _rankings: &[Ranking], _doc: DocNo) -> Vec<Contribution> {
        Vec::new()
    }
}
