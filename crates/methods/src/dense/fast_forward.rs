//! Fast-Forward indexes: dense scores looked up for the candidates of a sparse search, and added to theirs.
//! Leonhardt, Rudra, Khosla, Anand and Anand, WWW 2022 (`leonhardt2022fastforward`).
//!
//! A cross-encoder reads every candidate after the query is known. A dense encoder has read all documents before, so that a
//! candidate costs one product of two vectors. Added to the score of the words, that product is nearly as good as reading, and
//! hundreds of times cheaper.
//!
//! ```text
//! φ(q, d) = α · φ_S(q, d) + (1 - α) · φ_D(q, d)
//! φ_D(q, d) = ζ(q) · η(d)            over passages of a long document the largest, with `passages`
//! ```
//!
//! | symbol   | is                                                                                            |
//! |----------|-----------------------------------------------------------------------------------------------|
//! | `φ_S`    | the score of the stage before, as it stands                                                     |
//! | `ζ`, `η` | the encoders of queries and documents: `encoder`, with the keys of `bi_encoder`                 |
//! | `α`      | `alpha`                                                                                         |
//!
//! `stop_at = k` stops early: candidates come in the order of `φ_S`, so that one of them can only be among the best `k` while
//! `α · φ_S + (1 - α) · s_D` is above the `k`-th best so far, where `s_D` is the largest dense score met. That is an estimate, as
//! a later candidate may have a larger one; what is not looked at is dropped. The whole ranking needs every candidate.
//!
//! Try it: `nir run efficient/fast-forward-pocket hybrid/rrf-bm25-dpr-pocket --on pocket`

use std::sync::Arc;

use nir_core::{
    Corpus, DocNo, Encode, Query, Ranking, Reranker, Result, Retriever, Scored, Version,
};
use nir_nn::checkpoint::Wanted;
use serde::{Deserialize, Serialize};

use super::bi_encoder;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The dense method whose vectors are looked up, with the keys of `bi_encoder`; its `index` keeps them, and its `depth` is
    /// how many documents are kept for each query.
    pub encoder: bi_encoder::Config,
    /// The weight of the score of the stage before, from 0 to 1; the rest is that of the dense score.
    pub alpha: f32,
    /// Look no further when no later candidate can be among the best so many; all candidates if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<usize>,
}

impl Algorithm for Config {
    const NAME: &'static str = "fast_forward";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "leonhardt2022fastforward";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let Stage::Retriever(dense) = self.encoder.build(context)? else {
            unreachable!("a bi-encoder is a retriever")
        };
        let corpus = Arc::clone(&context.corpus);
        Ok(Stage::Reranker(Box::new(FastForward { config: self.clone(), dense, corpus })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        self.encoder.encoder(context)
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.encoder.check()?;
        match (0.0..=1.0).contains(&self.alpha) {
            true if self.stop_at == Some(0) => {
                Err("`stop_at` = 0: expected at least 1, or leave it out".to_owned())
            }
            true => Ok(()),
            false => Err(format!("`alpha` must be from 0 to 1, found {}", self.alpha)),
        }
    }

    fn head_multiplies(&self) -> bool {
        self.encoder.head_multiplies()
    }

    fn parts(&self) -> Vec<Version> {
        [vec![Version::new("bi_encoder", bi_encoder::Config::VERSION)], self.encoder.parts()]
            .concat()
    }

    fn weights(&self) -> Vec<Wanted> {
        self.encoder.weights()
    }
}

struct FastForward {
    config: Config,
    dense: Arc<dyn Retriever>,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for FastForward {
    fn depth(&self) -> usize {
        usize::MAX // all of them are looked up, and the best `depth` kept
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        let vectors = self.dense.query_vectors(std::slice::from_ref(query))?;
        let vector =
            vectors.and_then(|mut vectors| vectors.pop()).ok_or("a bi-encoder has vectors")?;
        let phi_d = |doc: DocNo| match self.dense.document_vector(doc) {
            Some(document) => Ok(dot(&vector, &document)),
            None => Err(format!(
                "the `index` of `{}` keeps no vectors to look up: take `flat`, or another that lends them",
                Config::NAME
            )),
        };
        let hits: Vec<(DocNo, f32)> = candidates.iter().map(|hit| (hit.doc, hit.score)).collect();
        let scored = interpolated(&hits, self.config.alpha, self.config.stop_at, phi_d)?;
        Ok(Ranking::top(self.config.encoder.depth, scored, &*self.corpus))
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `φ` of candidates in the order of their sparse scores, of all or until none can be among the best `stop_at`.
fn interpolated(
    candidates: &[(DocNo, f32)],
    alpha: f32,
    stop_at: Option<usize>,
    phi_d: impl Fn(DocNo) -> std::result::Result<f32, String>,
) -> Result<Vec<Scored>> {
    let mut scored: Vec<Scored> = Vec::new();
    let mut best: Vec<f32> = Vec::new(); // the best `stop_at` so far, falling
    let mut largest = f32::NEG_INFINITY; // s_D
    for &(doc, phi_s) in candidates {
        if let Some(k) = stop_at
            && best.len() == k
            && alpha * phi_s + (1.0 - alpha) * largest <= best[k - 1]
        {
            break;
        }
        let dense = phi_d(doc)?;
        largest = largest.max(dense);
        let score = alpha * phi_s + (1.0 - alpha) * dense;
        scored.push(Scored { doc, score });
        if let Some(k) = stop_at {
            let place = best.partition_point(|&other| other >= score);
            best.insert(place, score);
            best.truncate(k);
        }
    }
    Ok(scored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lent, fixture, sentence_and_word};

    /// Candidates with these sparse scores; the dense ones are looked up by row.
    fn scores(sparse: &[f32], dense: &[f32], stop_at: Option<usize>) -> Vec<f32> {
        let hits: Vec<(DocNo, f32)> =
            sparse.iter().enumerate().map(|(row, &score)| (DocNo(row as u32), score)).collect();
        let found = interpolated(&hits, 0.5, stop_at, |doc| Ok(dense[doc.0 as usize])).unwrap();
        found.into_iter().map(|hit| hit.score).collect()
    }

    #[test]
    fn matches_the_hand_computed_example() {
        // 0.5 · 4 + 0.5 · 0.2, 0.5 · 3 + 0.5 · 0.8, 0.5 · 1 + 0.5 · 0.4
        let found = scores(&[4.0, 3.0, 1.0], &[0.2, 0.8, 0.4], None);
        for (score, expected) in found.iter().zip([2.1, 1.9, 0.7]) {
            assert!((score - expected).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn a_search_stops_when_no_later_candidate_can_be_among_the_best() {
        // Best so far 2.1; the second could reach 0.5 · 3 + 0.5 · 0.2 = 1.6 by the largest dense score met.
        assert_eq!(scores(&[4.0, 3.0, 1.0], &[0.2, 0.8, 0.4], Some(1)).len(), 1);
        // With the best two: the third could reach 0.5 · 1 + 0.5 · 0.8 = 0.9 < 1.9.
        assert_eq!(scores(&[4.0, 3.0, 1.0], &[0.2, 0.8, 0.4], Some(2)).len(), 2);
        // Best two so far 2.45 and 2.0; the third could reach 0.5 · 3.8 + 0.5 · 0.9 = 2.35.
        assert_eq!(scores(&[4.0, 3.9, 3.8], &[0.9, 0.1, 0.5], Some(2)).len(), 3);
    }

    #[test]
    fn a_dense_score_is_the_one_that_the_dense_method_gives() {
        let (folder, _) = fixture("bert");
        let input = "{ template = [\"{text}\"], special_tokens = true, max_length = 40 }";
        let encoder = format!(
            "model = {{ weights = \"file:{folder}\", ignore = [\"pooler.*\"] }}, pooling = \"mean\", similarity = \"cosine\", query = {input}, \
             document = {input}, index = {{ use = \"flat\", storage = \"f32\" }}, depth = 10"
        );
        let config: Config =
            toml::from_str(&format!("encoder = {{ {encoder} }}\nalpha = 0.25")).unwrap();
        let lent = Lent::new(sentence_and_word());
        let dense = lent.retrieve(&config.encoder, "bread");
        let sparse: Vec<Scored> =
            dense.iter().map(|hit| Scored { doc: hit.doc, score: 2.0 }).collect();
        let found = lent.rerank(&config, "bread", &Ranking::top(2, sparse, lent.corpus()));
        for (found, dense) in found.iter().zip(dense.iter()) {
            assert_eq!(found.doc, dense.doc);
            assert!((found.score - (0.25 * 2.0 + 0.75 * dense.score)).abs() < 1e-6);
        }
    }
}
