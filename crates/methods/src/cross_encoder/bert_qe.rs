//! BERT-QE: pieces of the best documents are queries too.
//! Zheng, Hui, He, Han, Sun and Yates, Findings of EMNLP 2020 (`zheng2020bertqe`).
//!
//! Feedback by words brings in what has nothing to do with the query. Here a cross-encoder chooses what to feed back: it reads
//! small pieces of the best documents beside the query and keeps the most relevant ones. Every candidate is then read beside
//! each of these pieces, as it was read beside the query.
//!
//! ```text
//! phase 1   rel(q, d)                                for every candidate d
//! phase 2   C = the k_c pieces c of the k_d best documents with the largest rel(q, c)
//! phase 3   rel(C, d)    = Σ_{c ∈ C} softmax_{c ∈ C}(rel(q, c)) · rel(c, d)
//!           rel(q, C, d) = (1 - α) · rel(q, d) + α · rel(C, d)                                    (eq. 5)
//! ```
//!
//! | symbol      | is                                                                                           |
//! |-------------|----------------------------------------------------------------------------------------------|
//! | `rel(a, b)` | the probability that `b` is relevant to `a`, by one cross-encoder; the sigmoid where it has one logit |
//! | `k_d`, `k_c`| `documents`, `chunks`                                                                          |
//! | `α`         | `weight`                                                                                       |
//!
//! The pieces are `chunk_words` words long, and one begins every `chunk_stride` words. The authors' code takes 10 documents, 10
//! pieces, 10 words and a stride of 5, and chooses α on validation queries. Their three phases may use cross-encoders of different
//! sizes; here one does all. With `k_c` pieces a candidate is read `k_c + 1` times.
//!
//! Try it: `nir run feedback/bert-qe-pocket cross_encoder/monobert-pocket --on pocket`

use std::sync::Arc;

use nir_core::{Corpus, Query, Ranking, Reranker, Result, Unit, Windows};
use nir_nn::checkpoint::Wanted;
use serde::{Deserialize, Serialize};

use super::pointwise::{self, Scorer};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cross-encoder, with the keys of `pointwise`; its `depth` is how many candidates of each query are reranked.
    pub reader: pointwise::Config,
    /// How many of the best documents pieces are taken from.
    pub documents: usize,
    /// Words of a piece.
    pub chunk_words: usize,
    /// Words between the beginnings of two pieces.
    pub chunk_stride: usize,
    /// How many pieces are read beside every candidate.
    pub chunks: usize,
    /// The weight of what the pieces say, from 0 to 1; the rest is the weight of what the query says.
    pub weight: f32,
}

impl Algorithm for Config {
    const NAME: &'static str = "bert_qe";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "zheng2020bertqe";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let (scorer, corpus) = (self.reader.scorer(context)?, Arc::clone(&context.corpus));
        Ok(Stage::Reranker(Box::new(BertQe { config: self.clone(), scorer, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        let Self { documents, chunk_words, chunk_stride, chunks, weight, .. } = *self;
        self.reader.check()?;
        match [documents, chunk_words, chunk_stride, chunks].contains(&0)
            || chunk_stride > chunk_words
        {
            true => Err(format!(
                "expected at least 1 of `documents`, `chunk_words`, `chunk_stride` and `chunks`, and a stride of at most the words; \
                 found {documents}, {chunk_words}, {chunk_stride}, {chunks}"
            )),
            false if !(0.0..=1.0).contains(&weight) => {
                Err(format!("`weight` must be from 0 to 1, found {weight}"))
            }
            false => Ok(()),
        }
    }

    fn weights(&self) -> Vec<Wanted> {
        self.reader.weights()
    }
}

struct BertQe {
    config: Config,
    scorer: Scorer,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for BertQe {
    fn depth(&self) -> usize {
        self.config.reader.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        candidates.rescored(self.depth(), &*self.corpus, |docs| {
            let texts: Vec<&str> = docs.iter().map(|&doc| self.corpus.contents(doc)).collect();
            let by_query = self.relevance(&query.text, &texts)?; // phase 1: [docs]
            let chunks = self.chunks(&query.text, &texts, &by_query)?; // phase 2
            let mut by_chunk = Vec::new(); // phase 3: [chunks, docs]
            for (chunk, _) in &chunks {
                by_chunk.push(self.relevance(chunk, &texts)?);
            }
            let rel_qc: Vec<f32> = chunks.iter().map(|&(_, relevance)| relevance).collect();
            Ok(combined(&by_query, &rel_qc, &by_chunk, self.config.weight))
        })
    }
}

impl BertQe {
    /// `rel(a, b)` of one text and each of many.
    fn relevance(&self, one: &str, many: &[&str]) -> Result<Vec<f32>> {
        let pairs: Vec<(&str, &str)> = many.iter().map(|&text| (one, text)).collect();
        self.scorer.probabilities(&pairs)
    }

    /// The pieces of the best documents that are most relevant to the query, each with its relevance; of equals the earlier.
    fn chunks<'t>(
        &self,
        query: &str,
        texts: &[&'t str],
        relevance: &[f32],
    ) -> Result<Vec<(&'t str, f32)>> {
        let Config { documents, chunk_words: words, chunk_stride: stride, chunks, .. } =
            self.config;
        let windows = Windows { unit: Unit::Words, length: words, stride, most: None };
        let pieces: Vec<&'t str> = best(relevance, documents)
            .into_iter()
            .flat_map(|doc| windows.cut(texts[doc]).into_iter().map(move |at| &texts[doc][at]))
            .filter(|piece| !piece.is_empty())
            .collect();
        let relevance = self.relevance(query, &pieces)?;
        Ok(best(&relevance, chunks).into_iter().map(|at| (pieces[at], relevance[at])).collect())
    }
}

/// The places of the `most` largest values, largest first; of equals the earlier.
fn best(values: &[f32], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a])); // stable
    order.truncate(most);
    order
}

/// `rel(q, C, d)` of every document (eq. 5); `rel(q, d)` where there is no piece.
///
/// - `by_query`: `[docs]`, `rel_qc`: `[chunks]`, `by_chunk`: `[chunks, docs]`
fn combined(by_query: &[f32], rel_qc: &[f32], by_chunk: &[Vec<f32>], alpha: f32) -> Vec<f32> {
    if rel_qc.is_empty() {
        return by_query.to_vec();
    }
    let exps: Vec<f32> = rel_qc.iter().map(|relevance| relevance.exp()).collect();
    let total: f32 = exps.iter().sum();
    let by_pieces = |doc: usize| {
        exps.iter().zip(by_chunk).map(|(exp, relevance)| exp / total * relevance[doc]).sum::<f32>()
    };
    let one = |(doc, rel_qd): (usize, &f32)| (1.0 - alpha) * rel_qd + alpha * by_pieces(doc);
    by_query.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use nir_core::{DocNo, Scored};

    use super::*;
    use crate::testing::{Lent, fixture};

    #[test]
    fn matches_the_hand_computed_example() {
        // softmax(0.7, 0.7) = (0.5, 0.5); rel(C, d) = 0.5 · 0.2 + 0.5 · 0.6 = 0.4 and 0.5 · 0.8 + 0.5 · 0.4 = 0.6
        let by_chunk = [vec![0.2, 0.8], vec![0.6, 0.4]];
        let found = combined(&[0.9, 0.5], &[0.7, 0.7], &by_chunk, 0.25);
        // 0.75 · 0.9 + 0.25 · 0.4 and 0.75 · 0.5 + 0.25 · 0.6
        assert!((found[0] - 0.775).abs() < 1e-6 && (found[1] - 0.525).abs() < 1e-6, "{found:?}");
        // A piece that is more relevant counts more: softmax(1, 0) = (0.7311, 0.2689).
        let found = combined(&[0.0], &[1.0, 0.0], &[vec![1.0], vec![0.0]], 1.0);
        assert!((found[0] - 0.7311).abs() < 1e-4, "{found:?}");
        assert_eq!(combined(&[0.9], &[], &[], 0.5), [0.9]);
    }

    #[test]
    fn the_best_are_the_largest_and_of_equals_the_earlier() {
        assert_eq!(best(&[0.1, 0.9, 0.9, 0.5], 3), [1, 2, 3]);
    }

    fn config(folder: &str, weight: f32) -> Config {
        toml::from_str(&format!(
            "reader = {{ model = {{ weights = \"file:{folder}\" }}, template = [\"{{query}}\", \"{{document}}\"], truncation = \"longest\", \
             max_length = 40, score = \"logit\", depth = 10 }}\ndocuments = 2\nchunk_words = 3\nchunk_stride = 2\nchunks = 2\nweight = {weight}"
        ))
        .unwrap()
    }

    const QUERY: &str = "Why do clocks run slower?";

    fn rerank(weight: f32) -> Vec<(String, f32)> {
        let (folder, _) = fixture("bert-relevance-1");
        let lent = Lent::new([("a", "Metal expands in summer."), ("b", "Bread rises on yeast.")]);
        let scored = [0, 1].map(|row| Scored { doc: DocNo(row), score: 1.0 });
        let candidates = Ranking::top(2, scored.to_vec(), lent.corpus());
        let found = lent.rerank(&config(&folder, weight), QUERY, &candidates);
        lent.named(&found).into_iter().map(|(name, score)| (name.to_owned(), score)).collect()
    }

    #[test]
    fn without_weight_the_query_alone_decides_and_scores_are_probabilities() {
        let (_, expected) = fixture("bert-relevance-1");
        let logit = expected("pair", "logits")[0]; // PyTorch's, of the query and document a
        let alone = rerank(0.0);
        let of_a = alone.iter().find(|(name, _)| name == "a").unwrap().1;
        assert!((of_a - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-5, "{alone:?}");
        assert_ne!(rerank(0.5), alone, "the pieces have a say");
    }

    #[test]
    fn parameters_that_leave_nothing_to_read_are_refused() {
        let (folder, _) = fixture("bert-relevance-1");
        let refused = |change: fn(&mut Config)| {
            let mut config = config(&folder, 0.4);
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(refused(|config| config.chunks = 0).contains("at least 1"));
        assert!(refused(|config| config.chunk_stride = 4).contains("at most the words"));
        assert!(refused(|config| config.weight = 1.5).contains("from 0 to 1"));
    }
}
