//! Candidates that are handed out with a dataset: a published reranker is measured over the list that its paper reranked.
//!
//! MS MARCO and the TREC Deep Learning track give out the first 1,000 passages of their own BM25, and most figures of
//! cross-encoders are over those. Other candidates give other figures, however good the reranker. `nir fetch DATASET
//! --candidates` brings the lists that a dataset's manifest names.
//!
//! The files give no scores and no order that means anything, so the score is minus the place in the file: it keeps that order,
//! and says nothing more. Queries that the list does not name find nothing.
//!
//! ```toml
//! [[stage]]
//! use   = "candidates"
//! name  = "top-1000"
//! depth = 1000
//! ```

use std::sync::Arc;

use nir_core::Result;
use serde::{Deserialize, Serialize};

use crate::run::RunFile;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of the candidates in the dataset's manifest (`[[candidates]]`), such as `top-1000`.
    pub name: String,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "candidates";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let (run, corpus) =
            (context.resources.candidates(&self.name)?, Arc::clone(&context.corpus));
        Ok(Stage::Retriever(Arc::new(RunFile { run, depth: self.depth, corpus })))
    }

    fn candidates(&self) -> Option<&str> {
        Some(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lent;

    #[test]
    fn the_order_of_the_list_is_kept_to_its_depth() {
        // The list of a test names all documents in their order, for the query that has its name.
        let lent = Lent::new([("d1", "tea"), ("d2", "coffee"), ("d3", "water")]);
        let config = Config { name: "q".into(), depth: 2 };
        let ranking = lent.retrieve(&config, "anything");
        let found: Vec<(u32, f32)> = ranking.iter().map(|hit| (hit.doc.0, hit.score)).collect();
        assert_eq!(found, [(0, 0.0), (1, -1.0)]);
    }
}
