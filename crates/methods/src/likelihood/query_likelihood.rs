//! Query likelihood: the probability that a language model would write the query for a document.
//! Sachan, Lewis, Joshi, Aghajanyan, Yih, Pineau and Zettlemoyer, EMNLP 2022 (`sachan2022upr`).
//!
//! The oldest language model of retrieval asks for `P(q | d)` with counts of words. A model that writes can be asked directly: it
//! reads the document, and the probability that it gives to each token of the query, one after the other, is multiplied. UPR does
//! so with models that never saw a judgement and a prompt that asks for a question; ranking by generation (dos Santos et al.,
//! EMNLP 2020, `dossantos2020generation`) with one that was trained to write queries, and no words around the document.
//!
//! ```text
//! log P(q | d) = Σ_t log P(q_t | q_<t, prompt(d))                                               (UPR, eq. 2)
//! mean         = log P(q | d) / |q|
//! ```
//!
//! | symbol | is                                                                                              |
//! |--------|-------------------------------------------------------------------------------------------------|
//! | `q_t`  | the tokens of the query; with an encoder-decoder the token that ends a text is one of them, as in the authors' code |
//!
//! Within a query, sum and mean order alike; only where queries are compared, or scores are fused, do they differ.
//!
//! Try it: `nir run prompting/upr-t5-large-lm-adapt --on beir-scifact`

use std::sync::Arc;

use nir_core::{Corpus, DocNo, Query, Ranking, Reranker, Result};
use nir_nn::check_finite;
use nir_nn::checkpoint::Wanted;
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::prompted::{self, Prompted};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The model: an encoder-decoder, or a decoder, which goes on behind the prompt.
    pub model: ModelSource,
    /// What it reads: a text with `{document}`, which stands for title and text.
    pub prompt: String,
    /// The largest number of tokens of a prompt, including special ones.
    pub max_length: usize,
    /// The largest number of tokens of a query, including one at its end.
    pub query_length: usize,
    /// How the tokens' log-probabilities become the score.
    pub score: Score,
    /// How many candidates of each query are scored; the others are dropped.
    pub depth: usize,
}

/// How the log-probabilities of a query's tokens become the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Score {
    /// Their sum, the logarithm of the query's probability.
    Sum,
    /// Their mean.
    Mean,
}

impl Algorithm for Config {
    const NAME: &'static str = "query_likelihood";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "sachan2022upr";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let prompt = (self.prompt.as_str(), self.max_length);
        let reader = Prompted::load(context, &self.model, prompt, &["document"])?;
        let (config, corpus) = (self.clone(), Arc::clone(&context.corpus));
        Ok(Stage::Reranker(Box::new(QueryLikelihood { config, reader, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        prompted::check(&self.prompt, &["document"], self.max_length)?;
        match self.query_length {
            0 | 1 => Err(format!(
                "`query_length` must be at least 2, a token and the one at the end, found {}",
                self.query_length
            )),
            _ => Ok(()),
        }
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

struct QueryLikelihood {
    config: Config,
    reader: Prompted,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for QueryLikelihood {
    fn depth(&self) -> usize {
        self.config.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        candidates.rescored(self.depth(), &*self.corpus, |docs| {
            let inputs = self.reader.tokens(&prompted::documents(docs, &*self.corpus))?;
            let target = self.reader.model.target(&query.text, self.config.query_length)?;
            let targets = vec![target; docs.len()];
            let logs = self.reader.model.log_likelihoods(&inputs, &targets)?; // [docs, |q|]
            let score = |(&doc, logs): (&DocNo, &Vec<f32>)| {
                check_finite(logs, || format!("{} / {}", query.text, self.corpus.contents(doc)))?;
                Ok(self.config.score.of(logs))
            };
            docs.iter().zip(&logs).map(score).collect()
        })
    }
}

impl Score {
    fn of(self, logs: &[f32]) -> f32 {
        let sum: f32 = logs.iter().sum();
        match self {
            Self::Sum => sum,
            Self::Mean => sum / logs.len() as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use nir_core::Scored;

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, recorded};

    #[test]
    fn matches_the_hand_computed_example() {
        // Tokens with .5, .25 and .5: P = 1/16. ln(1/16) = -2.772589, a third of it -.924196.
        let logs = [0.5_f32.ln(), 0.25_f32.ln(), 0.5_f32.ln()];
        assert!((Score::Sum.of(&logs) + 2.772_589).abs() < 1e-6);
        assert!((Score::Mean.of(&logs) + 0.924_196).abs() < 1e-6);
    }

    fn config(score: &str, query_length: usize) -> Config {
        let (folder, _) = fixture("writers/t5-v1.1");
        toml::from_str(&format!(
            "model = {{ weights = \"file:{folder}\" }}\nprompt = \"{{document}}\"\nmax_length = 300\n\
             query_length = {query_length}\nscore = \"{score}\"\ndepth = 10"
        ))
        .unwrap()
    }

    fn scored(config: &Config, query: &str) -> f32 {
        let lent = Lent::new([("d", "bread")]);
        let all = vec![Scored { doc: DocNo(0), score: 1.0 }];
        let candidates = Ranking::top(1, all, lent.corpus());
        lent.rerank(config, query, &candidates)[0].score
    }

    #[test]
    fn the_score_is_made_of_the_reference_s_likelihoods() {
        // The case `word`: `bread` is read, `why bread` and the end of the text are scored.
        let (_, expected) = fixture("writers/t5-v1.1");
        let logs = expected("word", "log_likelihoods");
        let sum: f32 = logs.iter().sum();
        let found = [("sum", scored(&config("sum", 50), "why bread"))];
        assert_ranked(&found, &[("sum", sum)]);
        let found = [("mean", scored(&config("mean", 50), "why bread"))];
        assert_ranked(&found, &[("mean", sum / logs.len() as f32)]);
    }

    #[test]
    fn a_decoder_goes_on_behind_the_document() {
        // The case `first` of the tiny LLaMA: its text is the prompt, and ` [2] > [1]` what is scored.
        let (folder, expected) = fixture("decoders/llama");
        let sum: f32 = expected("first", "log_likelihoods").iter().sum();
        let text: &str = recorded("decoders/llama", "first").0.leak();
        let lent = Lent::new([("d", text)]);
        let mut config = config("sum", 50);
        config.model.weights = format!("file:{folder}").parse().unwrap();
        let all = vec![Scored { doc: DocNo(0), score: 1.0 }];
        let found = lent.rerank(&config, " [2] > [1]", &Ranking::top(1, all, lent.corpus()));
        assert_ranked(&[("sum", found[0].score)], &[("sum", sum)]);
    }

    #[test]
    fn a_prompt_without_a_document_is_refused() {
        let config = Config { prompt: "Write.".to_owned(), ..config("sum", 10) };
        assert!(config.check().unwrap_err().contains("without `{document}`"));
        assert!(self::config("sum", 1).check().unwrap_err().contains("query_length"));
    }
}
