//! Relevance judgements.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

/// The judgements of one query: a grade for each judged `doc_id`.
pub type Judgements = FxHashMap<String, i32>;

/// Judgements: for each query, a grade for each judged document.
///
/// Grades may be negative: such a document is judged, and never relevant. Queries iterate in byte order of their
/// `query_id`, so that anything summed over them is summed in one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qrels(BTreeMap<String, Judgements>);

impl Qrels {
    /// Adds a judgement; returns the earlier grade if this pair was judged before.
    pub fn insert(&mut self, query_id: &str, doc_id: &str, grade: i32) -> Option<i32> {
        if !self.0.contains_key(query_id) {
            self.0.insert(query_id.to_owned(), Judgements::default());
        }
        self.0.get_mut(query_id).and_then(|docs| docs.insert(doc_id.to_owned(), grade))
    }

    /// Gives a query all of its judgements; returns those that it had. A query with no judgement counts in every mean, as one
    /// whose documents are all unjudged.
    pub fn insert_query(&mut self, query_id: &str, judgements: Judgements) -> Option<Judgements> {
        self.0.insert(query_id.to_owned(), judgements)
    }

    /// The grades of one query by `doc_id`, or `None` where the query is not judged.
    pub fn get(&self, query_id: &str) -> Option<&Judgements> {
        self.0.get(query_id)
    }

    /// All queries with their judgements, in order of `query_id`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Judgements)> {
        self.0.iter().map(|(query_id, docs)| (query_id.as_str(), docs))
    }

    /// The number of queries that are judged.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no judgements at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of judged pairs of a query and a document, over all queries.
    pub fn judgements(&self) -> usize {
        self.0.values().map(Judgements::len).sum()
    }
}

impl<Q: AsRef<str>, D: AsRef<str>> FromIterator<(Q, D, i32)> for Qrels {
    fn from_iter<I: IntoIterator<Item = (Q, D, i32)>>(judgements: I) -> Self {
        let mut qrels = Self::default();
        for (query_id, doc_id, grade) in judgements {
            qrels.insert(query_id.as_ref(), doc_id.as_ref(), grade);
        }
        qrels
    }
}
