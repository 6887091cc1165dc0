//! Feedback in vector space: the query moves towards the vectors of the best documents.
//! Li, Mourad, Zhuang, Koopman and Zuccon, TOIS 41(3), 2023 (`li2023vectorprf`).
//!
//! A dense retriever needs no terms for pseudo-relevance feedback. The documents of a first search have vectors already, and
//! Rocchio's idea works on them as it is: take the best few as relevant, and look for what is near the query and near them.
//! Nothing is encoded again.
//!
//! ```text
//! E(q') = α · E(q) + β · 1/k Σ_{i ≤ k} E(p_i)
//! ```
//!
//! | symbol   | is                                                                                    |
//! |----------|---------------------------------------------------------------------------------------|
//! | `E(q)`   | the query's vector, `[dim]`, as the retriever before this stage makes it               |
//! | `E(p_i)` | the vector of its `i`-th document, `[dim]`, as that retriever compares it              |
//! | `k`      | `documents`; fewer where fewer were found                                              |
//! | `α, β`   | `original_weight`, `feedback_weight`                                                   |
//!
//! The paper's *Rocchio* is this; its *average* over the query and `k` documents is `α = 1 / (k + 1)`, `β = k / (k + 1)`. A
//! query that found nothing keeps its own vector.
//!
//! Try it: `nir run feedback/vector-prf-pocket dense/dpr-pocket --on pocket`

use std::sync::Arc;

use nir_core::{Queries, Ranking, Result, Retriever, Rewriter, Run};
use serde::{Deserialize, Serialize};

use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many documents of the first search are taken as relevant.
    pub documents: usize,
    /// The weight of the query's own vector.
    pub original_weight: f32,
    /// The weight of the mean of the documents' vectors.
    pub feedback_weight: f32,
}

impl Algorithm for Config {
    const NAME: &'static str = "vector_prf";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "li2023vectorprf";
    const SHAPE: Shape = Shape::Rewriter;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let Some(retriever) = context.found_by.clone() else {
            return Err(
                "feedback in vector space needs a retriever before it: put a `bi_encoder` there"
                    .into(),
            );
        };
        Ok(Stage::Rewriter(Box::new(VectorPrf { config: self.clone(), retriever })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        let Self { documents, original_weight: alpha, feedback_weight: beta } = *self;
        match documents > 0 && alpha >= 0.0 && beta >= 0.0 && alpha + beta > 0.0 {
            true => Ok(()),
            false => Err(format!(
                "expected at least one document, and weights of at least 0 that are not both 0; found {documents}, {alpha}, {beta}"
            )),
        }
    }
}

struct VectorPrf {
    config: Config,
    retriever: Arc<dyn Retriever>,
}

impl Rewriter for VectorPrf {
    fn rewrite(&self, queries: &Queries, feedback: &Run) -> Result<Queries> {
        let Some(vectors) = self.retriever.query_vectors(queries)? else {
            return Err(
                "the retriever before this stage has no vectors of texts: put a `bi_encoder` there"
                    .into(),
            );
        };
        let moved =
            vectors.iter().zip(feedback.iter()).map(|(query, found)| self.moved(query, found));
        Ok(queries.with_vectors(moved.collect()))
    }
}

impl VectorPrf {
    /// The new vector of the query `E(q')`, `[dim]`.
    fn moved(&self, query: &[f32], found: &Ranking) -> Vec<f32> {
        let best = found.iter().take(self.config.documents);
        let best: Vec<Vec<f32>> =
            best.filter_map(|hit| self.retriever.document_vector(hit.doc)).collect();
        match best.is_empty() {
            true => query.to_vec(),
            false => {
                rocchio(query, &best, self.config.original_weight, self.config.feedback_weight)
            }
        }
    }
}

/// `α · q + β · 1/k Σ p_i`, `[dim]`.
fn rocchio(query: &[f32], documents: &[Vec<f32>], alpha: f32, beta: f32) -> Vec<f32> {
    let k = documents.len() as f32;
    let mean = |i: usize| documents.iter().map(|document| document[i]).sum::<f32>() / k;
    query.iter().enumerate().map(|(i, number)| alpha * number + beta * mean(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // 0.5 · (2, 0) + 0.25 · ((4, 8) + (0, 4)) / 2 = (1, 0) + 0.25 · (2, 6)
        let moved = rocchio(&[2.0, 0.0], &[vec![4.0, 8.0], vec![0.0, 4.0]], 0.5, 0.25);
        assert_eq!(moved, [1.5, 1.5]);
        // The average over the query and two documents: a third of each.
        let average = rocchio(&[3.0], &[vec![0.0], vec![6.0]], 1.0 / 3.0, 2.0 / 3.0);
        assert!((average[0] - 3.0).abs() < 1e-6);
    }

    #[test]
    fn weights_that_leave_no_query_are_refused() {
        let config = Config { documents: 3, original_weight: 0.0, feedback_weight: 0.0 };
        assert!(config.check().unwrap_err().contains("not both 0"));
    }
}
