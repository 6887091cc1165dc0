//! Queries, as users typed them and as rewriters weigh them.

use std::collections::HashMap;

/// A term of the index with the weight it has in a query.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedTerm {
    /// The term as the index spells it, that is, after analysis.
    pub term: String,
    /// The weight of the term in the query; 1 for a term that the user typed once.
    pub weight: f32,
}

/// One query. A rewriter may change its text, or put terms or a vector beside it; what comes after reads what it can use.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The name of the query in files of queries, qrels and runs.
    pub query_id: String,
    /// What the user typed, or what a rewriter wrote in its place. Rerankers and encoders read this.
    pub text: String,
    /// The weighted terms that a rewriter put in place of the text, for a search for terms; `None` where no rewriter did.
    pub terms: Option<Vec<WeightedTerm>>,
    /// The vector that a rewriter put in place of what an encoder makes of the text, `[dim]`; `None` where no rewriter did.
    pub vector: Option<Vec<f32>>,
}

impl Query {
    /// Makes a query of its name and its text, without terms and without a vector.
    pub fn new(query_id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { query_id: query_id.into(), text: text.into(), terms: None, vector: None }
    }
}

/// The error of a set of queries in which two have the same `query_id`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{query_id}` names two queries (positions {first} and {second}): a query_id must be unique"
)]
pub struct DuplicateQueryId {
    /// The `query_id` that both queries have.
    pub query_id: String,
    /// The position of the first query with this `query_id`, from 0.
    pub first: usize,
    /// The position of the second query with this `query_id`, from 0.
    pub second: usize,
}

/// A set of queries with unique names, in the order of their file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queries(Vec<Query>);

impl Queries {
    /// Makes a set of `queries` and keeps their order.
    ///
    /// # Errors
    ///
    /// [`DuplicateQueryId`] where two of them have the same `query_id`.
    pub fn new(queries: Vec<Query>) -> Result<Self, DuplicateQueryId> {
        let mut seen = HashMap::new();
        for (second, query) in queries.iter().enumerate() {
            if let Some(first) = seen.insert(query.query_id.as_str(), second) {
                return Err(DuplicateQueryId { query_id: query.query_id.clone(), first, second });
            }
        }
        Ok(Self(queries))
    }

    /// The same queries with their weighted terms replaced: `terms[i]` belongs to query `i`.
    #[must_use]
    pub fn with_terms(&self, terms: Vec<Vec<WeightedTerm>>) -> Self {
        self.with(terms, |query, terms| Query { terms: Some(terms), ..query })
    }

    /// The same queries with other texts: `texts[i]` belongs to query `i`.
    #[must_use]
    pub fn with_texts(&self, texts: Vec<String>) -> Self {
        self.with(texts, |query, text| Query { text, ..query })
    }

    /// The same queries with vectors in place of what an encoder makes of them: `vectors[i]`, `[dim]`, belongs to query `i`.
    #[must_use]
    pub fn with_vectors(&self, vectors: Vec<Vec<f32>>) -> Self {
        self.with(vectors, |query, vector| Query { vector: Some(vector), ..query })
    }

    fn with<T>(&self, parts: Vec<T>, put: impl Fn(Query, T) -> Query) -> Self {
        assert_eq!(parts.len(), self.0.len(), "one part for each query");
        Self(self.0.iter().cloned().zip(parts).map(|(query, part)| put(query, part)).collect())
    }
}

impl std::ops::Deref for Queries {
    type Target = [Query];

    fn deref(&self) -> &[Query] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_query_id_is_refused() {
        let error =
            Queries::new(vec![Query::new("q", "tea"), Query::new("q", "coffee")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`q` names two queries (positions 0 and 1): a query_id must be unique"
        );
    }
}
