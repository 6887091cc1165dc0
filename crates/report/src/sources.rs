//! Where a report finds what the cells do not hold: texts, judgements, run files, parts of scores.

use std::collections::{BTreeMap, HashMap};

use nir_core::{Corpus, Queries, TrecRun};
use nir_eval::Judged;
use serde::Serialize;

/// A dataset that is on this machine. A report uses it only if its digest is the one that the cells name.
pub struct AtHand<'a> {
    /// The digest of documents, queries, and judgements or answers.
    pub digest: String,
    /// The documents.
    pub corpus: &'a dyn Corpus,
    /// The queries.
    pub queries: &'a Queries,
    /// What documents are judged by: judgements or answers.
    pub judged: Judged<'a>,
    /// The labels of each query, by the query's name.
    pub labels: &'a BTreeMap<String, Vec<String>>,
}

/// Gives a report what the cells do not hold.
pub trait Sources {
    /// Calls `read` with the dataset `name` if it is on this machine; otherwise the error says how to get it.
    fn with_dataset(&self, name: &str, read: &mut dyn FnMut(&AtHand<'_>)) -> Result<(), String>;
    /// The run file with this digest, if there is still a copy.
    fn run(&self, digest: &str) -> Option<TrecRun>;
    /// The parts of the scores that a method gave the best `top` documents of some queries.
    /// Empty if only another run of the method could tell.
    fn parts(&self, method: &str, dataset: &str, query_ids: &[&str], top: usize) -> Parts;
}

/// The parts of scores by (`query_id`, `doc_id`), the largest part first.
pub type Parts = HashMap<(String, String), Vec<Part>>;

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// The name of the part: a term, a pair of similar tokens, or a rank in another run.
    pub what: String,
    /// The number that it adds to the score.
    pub score: f32,
}
