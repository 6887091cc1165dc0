//! duoT5: an encoder-decoder is asked which of two documents is more relevant.
//! Nogueira, Yang, Cho and Lin, 2019, and Pradeep, Nogueira and Lin, 2021 (`nogueira2020expandomonoduo`).
//!
//! A judgement of one document by itself needs a scale; which of two documents is better needs none. The model reads the query
//! with two documents and answers whether the first one is more relevant than the second. All ordered pairs of the best candidates
//! are compared, and the comparisons of a document are joined to its score. That is quadratic, so only a few candidates of another
//! reranker are compared.
//!
//! ```text
//! p_ij         = P(true)  of  prompt(q, d_i, d_j), as in monoT5
//! sum          s_i = Σ_j p_ij                              sum-log      s_i = Σ_j log p_ij
//! sym-sum      s_i = Σ_j (p_ij + 1 - p_ji)                 sym-sum-log  s_i = Σ_j (log p_ij + log(1 - p_ji))
//! binary       s_i = Σ_j [p_ij > 0.5]                      min, max     s_i = min_j p_ij, max_j p_ij
//! ```
//!
//! | symbol | is                                                                                              |
//! |--------|-------------------------------------------------------------------------------------------------|
//! | `p_ij` | the probability that `d_i` is more relevant than `d_j`, of the two tokens of `answers`             |
//! | `j`    | all candidates that are compared but `i`                                                          |
//!
//! The authors' code has `sym-sum`. The paper of 2019 also samples pairs, which is left out here.
//!
//! Try it: `nir run seq2seq/duot5-base --on beir-scifact`

use std::sync::Arc;

use nir_core::{Corpus, DocNo, Query, Ranking, Reranker, Result};
use nir_nn::checkpoint::Wanted;
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::prompted::{self, Answers, Fields, Prompted};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder-decoder.
    pub model: ModelSource,
    /// What it reads: a text with `{query}`, `{first}` and `{second}`, which stand for title and text of two documents.
    pub prompt: String,
    /// The tokens of the answer that the first document is more relevant, and that it is not.
    pub answers: Answers,
    /// The largest number of tokens of a prompt, including special ones.
    pub max_length: usize,
    /// How the comparisons of a document become its score.
    pub aggregate: Aggregate,
    /// How many candidates of each query are compared, each with each; the others are dropped.
    pub depth: usize,
}

/// How the comparisons of a document become its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregate {
    /// The sum of the probabilities that it is better.
    Sum,
    /// The sum of their logarithms.
    SumLog,
    /// The same sum in both orders of each pair.
    SymSum,
    /// The sum of logarithms in both orders of each pair.
    SymSumLog,
    /// How many others it beats.
    Binary,
    /// Its worst comparison.
    Min,
    /// Its best comparison.
    Max,
}

impl Algorithm for Config {
    const NAME: &'static str = "duot5";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "nogueira2020expandomonoduo";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let prompt = (self.prompt.as_str(), self.max_length);
        // The second document is cut before the first loses a word.
        let gives_way = ["second", "first", "query"];
        let reader = Prompted::load(context, &self.model, prompt, &gives_way)?;
        let answers = self.answers.ids(reader.model.tokenizer())?;
        let (config, corpus) = (self.clone(), Arc::clone(&context.corpus));
        Ok(Stage::Reranker(Box::new(DuoT5 { config, reader, answers, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        prompted::check(&self.prompt, &["query", "first", "second"], self.max_length)
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

struct DuoT5 {
    config: Config,
    reader: Prompted,
    answers: [u32; 2],
    corpus: Arc<dyn Corpus>,
}

impl Reranker for DuoT5 {
    fn depth(&self) -> usize {
        self.config.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        candidates.rescored(self.depth(), &*self.corpus, |docs| {
            let mut p = vec![vec![0.0; docs.len()]; docs.len()];
            for (i, p_i) in p.iter_mut().enumerate() {
                self.compare(query, docs, i, p_i)?;
            }
            Ok((0..docs.len()).map(|i| self.config.aggregate.of(&p, i)).collect())
        })
    }
}

impl DuoT5 {
    /// Writes `p_ij` of document `i` and every other.
    fn compare(&self, query: &Query, docs: &[DocNo], i: usize, p_i: &mut [f32]) -> Result<()> {
        let others: Vec<usize> = (0..docs.len()).filter(|&j| j != i).collect();
        let text = |at: usize| self.corpus.contents(docs[at]);
        let prompt = |&j: &usize| -> Fields<'_> {
            vec![("query", &query.text), ("first", text(i)), ("second", text(j))]
        };
        let prompts: Vec<Fields<'_>> = others.iter().map(prompt).collect();
        let logits = self.reader.first(&prompts, self.answers)?; // [docs - 1, 2]
        for (j, logits) in others.into_iter().zip(logits) {
            p_i[j] = prompted::probability(logits);
        }
        Ok(())
    }
}

impl Aggregate {
    /// The score of document `i`.
    ///
    /// - `p`: `[docs, docs]`, the probability that the row's document is better than the column's; the diagonal is not read
    fn of(self, p: &[Vec<f32>], i: usize) -> f32 {
        let others = || (0..p.len()).filter(move |&j| j != i);
        // A probability that is rounded to 0 must not make a sum of logarithms infinite.
        let log = |p: f32| p.max(f32::MIN_POSITIVE).ln();
        match self {
            Self::Sum => others().map(|j| p[i][j]).sum(),
            Self::SumLog => others().map(|j| log(p[i][j])).sum(),
            Self::SymSum => others().map(|j| p[i][j] + 1.0 - p[j][i]).sum(),
            Self::SymSumLog => others().map(|j| log(p[i][j]) + log(1.0 - p[j][i])).sum(),
            Self::Binary => others().filter(|&j| p[i][j] > 0.5).count() as f32,
            Self::Min => others().map(|j| p[i][j]).reduce(f32::min).unwrap_or_default(),
            Self::Max => others().map(|j| p[i][j]).reduce(f32::max).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use nir_core::Scored;

    use super::*;
    use crate::testing::{Lent, fixture};

    /// Three documents; the first beats the second with .9, and with .6 the third.
    fn compared() -> Vec<Vec<f32>> {
        vec![vec![0.0, 0.9, 0.6], vec![0.2, 0.0, 0.4], vec![0.5, 0.7, 0.0]]
    }

    fn of(aggregate: Aggregate, i: usize) -> f32 {
        aggregate.of(&compared(), i)
    }

    #[test]
    fn every_aggregation_matches_the_hand_computed_example() {
        let near = |found: f32, expected: f32| (found - expected).abs() < 1e-5;
        assert!(near(of(Aggregate::Sum, 0), 1.5)); // .9 + .6
        assert!(near(of(Aggregate::SumLog, 0), (0.9_f32 * 0.6).ln()));
        // (.9 + 1 - .2) + (.6 + 1 - .5) = 1.7 + 1.1
        assert!(near(of(Aggregate::SymSum, 0), 2.8));
        // ln .9 + ln .8 + ln .6 + ln .5
        assert!(near(of(Aggregate::SymSumLog, 0), (0.9_f32 * 0.8 * 0.6 * 0.5).ln()));
        assert!(near(of(Aggregate::Binary, 0), 2.0) && near(of(Aggregate::Binary, 2), 1.0));
        assert!(near(of(Aggregate::Min, 1), 0.2) && near(of(Aggregate::Max, 1), 0.4));
    }

    #[test]
    fn a_certain_comparison_keeps_logarithms_finite() {
        let certain = vec![vec![0.0, 1.0], vec![0.0, 0.0]];
        assert!(Aggregate::SumLog.of(&certain, 1).is_finite());
        assert!(Aggregate::SymSumLog.of(&certain, 1).is_finite());
    }

    fn config(aggregate: &str) -> Config {
        let (folder, _) = fixture("writers/t5");
        toml::from_str(&format!(
            "model = {{ weights = \"file:{folder}\" }}\n\
             prompt = \"Query: {{query}} Document0: {{first}} Document1: {{second}} Relevant:\"\n\
             answers = {{ relevant = \"▁true\", other = \"▁false\" }}\nmax_length = 60\naggregate = \"{aggregate}\"\ndepth = 3"
        ))
        .unwrap()
    }

    fn rerank(aggregate: &str, texts: [(&'static str, &'static str); 3]) -> Vec<(String, f32)> {
        let lent = Lent::new(texts);
        let all = (0..3).map(|row| Scored { doc: DocNo(row), score: 1.0 }).collect();
        let candidates = Ranking::top(3, all, lent.corpus());
        let found = lent.rerank(&config(aggregate), "how long to bake bread", &candidates);
        let mut named: Vec<(String, f32)> =
            lent.named(&found).into_iter().map(|(name, score)| (name.to_owned(), score)).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    }

    const TEXTS: [(&str, &str); 3] = [("a", "Bread rises."), ("b", "A ship."), ("c", "The stars.")];

    #[test]
    fn comparisons_in_both_orders_add_up_to_the_number_of_pairs() {
        // Σ_i Σ_j (p_ij + 1 - p_ji) = the number of ordered pairs, whatever the model says: 3 · 2.
        let symmetric: f32 = rerank("sym-sum", TEXTS).iter().map(|(_, score)| score).sum();
        assert!((symmetric - 6.0).abs() < 1e-4, "{symmetric}");
        assert_ne!(rerank("sum", TEXTS), rerank("sym-sum", TEXTS));
    }

    #[test]
    fn the_order_of_the_candidates_does_not_decide() {
        let turned = [TEXTS[2], TEXTS[0], TEXTS[1]];
        assert_eq!(rerank("sum", TEXTS), rerank("sum", turned));
    }

    #[test]
    fn a_prompt_without_both_documents_is_refused() {
        let config = Config { prompt: "{query} {first}".to_owned(), ..config("sum") };
        assert!(config.check().unwrap_err().contains("without `{second}`"));
    }
}
