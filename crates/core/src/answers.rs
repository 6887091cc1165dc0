//! The answers to questions.

use std::collections::BTreeMap;

/// For each query the texts of which any one answers it.
///
/// They stand in the place of judgements where nobody judged passages: a passage that has an answer in it counts as relevant.
/// Queries iterate in byte order of their `query_id`, as those of [`Qrels`](crate::Qrels) do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<String, Vec<String>>);

impl Answers {
    /// Gives a query its answers; returns those that it had.
    pub fn insert(&mut self, query_id: &str, answers: Vec<String>) -> Option<Vec<String>> {
        self.0.insert(query_id.to_owned(), answers)
    }

    /// The answers to one query, or `None` where the query has none.
    pub fn get(&self, query_id: &str) -> Option<&[String]> {
        self.0.get(query_id).map(Vec::as_slice)
    }

    /// All queries with their answers, in order of `query_id`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(query_id, answers)| (query_id.as_str(), answers.as_slice()))
    }

    /// The number of queries that have answers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no query has answers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<Q: Into<String>> FromIterator<(Q, Vec<String>)> for Answers {
    fn from_iter<I: IntoIterator<Item = (Q, Vec<String>)>>(answers: I) -> Self {
        Self(answers.into_iter().map(|(query_id, answers)| (query_id.into(), answers)).collect())
    }
}
