//! Pointwise cross-encoders: monoBERT and its smaller descendants.
//! Nogueira, Yang, Cho and Lin, 2019 (`nogueira2019monobert`).
//!
//! Query and document go through one encoder together, so that every word of one can look at every word of the other.
//! The first token's last state says how relevant the document is. That is far more exact than comparing two vectors
//! made apart, and far dearer: nothing can be computed before the query is known, so only the candidates of an earlier
//! stage are scored.
//!
//! ```text
//! s(q, d) = W · f(h_[CLS]) + b        of  [CLS] q [SEP] d [SEP]                                (§3.1)
//! log-softmax:  log P(relevant | q, d) = s_1 - log(e^s_0 + e^s_1)                              (eq. 1)
//! ```
//!
//! | symbol    | is                                                                                  |
//! |-----------|-------------------------------------------------------------------------------------|
//! | `h_[CLS]` | the first token's last hidden state, `[hidden]`                                     |
//! | `f`       | the dense layer that the checkpoint's architecture has before its classifier: BERT's pooler with tanh |
//! | `W`, `b`  | `[classes, hidden]` and `[classes]`; one class gives a logit, two a probability      |
//!
//! Checkpoints differ in size, in architecture and in whether they have one class or two; a config says which.
//!
//! Try it: `nir run cross_encoder/minilm-l6 --on pocket`. Give `depth = 10` and the run is a hundred times cheaper: how
//! much does nDCG@10 lose?

use std::sync::Arc;

use candle_core::{D, Tensor};
use candle_nn::ops::log_softmax;
use nir_core::{Corpus, DocNo, Query, Ranking, Reranker, Result};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::Classifier;
use nir_nn::{Bound, Contract, Hidden, Input, Model, Tokens, Truncation, check_pair_prompt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder that reads query and document together.
    pub model: ModelSource,
    /// The pair as the model reads it; `{query}`, and `{document}` for title and text.
    pub template: Vec<String>,
    /// Which of the two texts is cut if the pair is too long.
    pub truncation: Truncation,
    /// The largest number of tokens of a pair, including special ones.
    pub max_length: usize,
    /// How the logits of the classes become the score.
    pub score: Score,
    /// How many candidates of each query are scored; the others are dropped.
    pub depth: usize,
}

/// How the logits of the classes become the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// The one class's logit. Its sigmoid, which model cards show, would order the same and tie sooner.
    Logit,
    /// The logarithm of the second of two classes' probability.
    LogSoftmax,
}

impl Score {
    /// The score of each pair.
    ///
    /// - `logits`: `[batch, classes]`
    fn of(self, logits: &Tensor) -> nir_nn::Result<Tensor> {
        Ok(match self {
            Self::Logit => logits.clone(),
            Self::LogSoftmax => log_softmax(logits, D::Minus1)?.narrow(1, 1, 1)?,
        })
    }
}

impl Algorithm for Config {
    const NAME: &'static str = "pointwise";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "nogueira2019monobert";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let (scorer, corpus) = (self.scorer(context)?, Arc::clone(&context.corpus));
        Ok(Stage::Reranker(Box::new(Pointwise { scorer, depth: self.depth, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.input().check(&["query", "document"])
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    /// The model, ready to score pairs of texts.
    pub(crate) fn scorer(&self, context: &Context<'_>) -> Result<Scorer> {
        let checkpoint = self.model.checkpoint(context)?;
        let (contract, overrides) = (Contract::read(&checkpoint)?, context.overrides);
        contract.hold_length(self.max_length, true, overrides)?;
        contract.hold_pair()?;
        check_pair_prompt(&checkpoint, &contract, &self.template, overrides)?;
        let model = self.model.load(context, Classifier::load)?;
        self.check_classes(model.head.classes())?;
        let input = self.input();
        model.tokenizer.hold_special_tokens(&input, overrides)?;
        let pair = model.tokenizer.bind(&input, self.truncation)?;
        Ok(Scorer { model, pair, score: self.score })
    }

    fn input(&self) -> Input {
        let (template, max_length) = (self.template.clone(), self.max_length);
        Input { template, lower_case: false, special_tokens: true, max_length, fill: None }
    }

    fn check_classes(&self, found: usize) -> Result<()> {
        let expected = match self.score {
            Score::Logit => 1,
            Score::LogSoftmax => 2,
        };
        match found == expected {
            true => Ok(()),
            false => Err(format!(
                "{}: has {found} classes, and this `score` needs {expected}: write `logit` for one class, `log-softmax` for two",
                self.model.weights
            )
            .into()),
        }
    }
}

struct Pointwise {
    scorer: Scorer,
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for Pointwise {
    fn depth(&self) -> usize {
        self.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        candidates.rescored(self.depth, &*self.corpus, |docs| {
            let pair = |&doc: &DocNo| (query.text.as_str(), self.corpus.contents(doc));
            self.scorer.scores(&docs.iter().map(pair).collect::<Vec<_>>())
        })
    }
}

/// A cross-encoder that scores pairs of texts.
pub(crate) struct Scorer {
    model: Arc<Model<Classifier>>,
    pair: Bound,
    score: Score,
}

impl Scorer {
    /// The score of each pair of a query and a document, in order.
    pub(crate) fn scores(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>> {
        let tokens = pairs.par_iter().map(|pair| self.tokens(pair));
        let tokens: Vec<Tokens> = tokens.collect::<Result<_>>()?;
        let head = |hidden: &Hidden| self.score.of(&self.model.head.forward(hidden)?);
        let text = |i: usize| format!("{} / {}", pairs[i].0, pairs[i].1);
        Ok(self.model.encoder.table(&tokens, self.model.head.rows(), head, text)?.rows)
    }

    /// `P(relevant)` of each pair, in order.
    pub(crate) fn probabilities(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>> {
        let probability = |score: f32| match self.score {
            Score::Logit => 1.0 / (1.0 + (-score).exp()),
            Score::LogSoftmax => score.exp(),
        };
        Ok(self.scores(pairs)?.into_iter().map(probability).collect())
    }

    fn tokens(&self, &(query, document): &(&str, &str)) -> Result<Tokens> {
        let field = |name: &str| match name {
            "query" => query.to_owned(),
            _ => document.to_owned(),
        };
        Ok(self.pair.encode(field)?)
    }
}

#[cfg(test)]
mod tests {
    use nir_core::Scored;

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture};

    fn config(folder: &str, score: &str) -> Config {
        toml::from_str(&format!(
            "model = {{ weights = \"file:{folder}\" }}\ntemplate = [\"{{query}}\", \"{{document}}\"]\n\
             truncation = \"longest\"\nmax_length = 40\nscore = \"{score}\"\ndepth = 10"
        ))
        .unwrap()
    }

    /// The pair of texts for which the fixtures hold PyTorch's logits.
    const PAIR: (&str, &str) = ("Why do clocks run slower?", "Metal expands in summer.");

    #[test]
    fn scores_are_those_of_the_reference_for_every_architecture() {
        for name in ["bert-relevance-1", "electra-relevance-1", "xlm-roberta-relevance-1"] {
            let (folder, expected) = fixture(name);
            let lent = Lent::new([("d", PAIR.1)]);
            let candidates = vec![Scored { doc: DocNo(0), score: 1.0 }];
            let candidates = Ranking::top(1, candidates, lent.corpus());
            let found = lent.rerank(&config(&folder, "logit"), PAIR.0, &candidates);
            assert_ranked(&lent.named(&found), &[("d", expected("pair", "logits")[0])]);
        }
    }

    #[test]
    fn two_classes_give_the_logarithm_of_a_probability() {
        let (folder, expected) = fixture("roberta-relevance-2");
        let logits = expected("pair", "logits");
        let lent = Lent::new([("d", PAIR.1)]);
        let candidates = Ranking::top(1, vec![Scored { doc: DocNo(0), score: 1.0 }], lent.corpus());
        let found = lent.rerank(&config(&folder, "log-softmax"), PAIR.0, &candidates);
        let log_sum = (logits[0].exp() + logits[1].exp()).ln();
        assert_ranked(&lent.named(&found), &[("d", logits[1] - log_sum)]);
    }

    #[test]
    fn a_score_that_the_classes_cannot_give_is_refused() {
        let (folder, _) = fixture("roberta-relevance-2");
        let error = config(&folder, "logit").check_classes(2).unwrap_err().to_string();
        assert!(error.contains("has 2 classes, and this `score` needs 1"), "{error}");
    }

    /// The fixture of that name with more files in it.
    fn with_files(name: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(fixture(name).0).unwrap().map(|file| file.unwrap()) {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn what_the_checkpoint_says_of_pairs_is_held() {
        const CARD: &str = "config_sentence_transformers.json";
        const PROMPTS: &str =
            r#"{"prompts": {"web": "Question: ", "query": "q: "}, "default_prompt_name": "web"}"#;
        const LIMITS: &str = "sentence_bert_config.json";
        let name = "bert-relevance-1";
        let built = |files: &[(&str, &str)], overrides: &[&str], query: &str| {
            let folder = with_files(name, files);
            let mut config = config(folder.path().to_str().unwrap(), "logit");
            config.template[0] = query.to_owned();
            let mut lent = Lent::new([("d", PAIR.1)]);
            lent.overrides = overrides.iter().map(ToString::to_string).collect();
            lent.try_build(&config).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(built(&[], &[], "{query}"), Ok(()));
        let error = built(&[(CARD, PROMPTS)], &[], "{query}").unwrap_err();
        assert!(error.contains("the prefix `Question: ` before pairs"), "{error}");
        assert_eq!(built(&[(CARD, PROMPTS)], &[], "Question: {query}"), Ok(()));
        assert_eq!(built(&[(CARD, PROMPTS)], &["prompt"], "{query}"), Ok(()));
        let error = built(&[(LIMITS, r#"{"max_seq_length": 30}"#)], &[], "{query}").unwrap_err();
        assert!(error.contains("says max_length = 30"), "{error}");
        let modules = r#"{"pooling_mode": "mean"}"#;
        let error = built(&[("1_Pooling/config.json", modules)], &[], "{query}").unwrap_err();
        assert!(error.contains("is of an encoder of single texts"), "{error}");
    }

    /// sentence-transformers' `do_lower_case` is applied to pairs too.
    #[test]
    fn lower_case_of_the_checkpoint_is_applied() {
        let name = "roberta-relevance-2";
        let settings = [("sentence_bert_config.json", r#"{"do_lower_case": true}"#)];
        let folder = with_files(name, &settings);
        let score = |folder: &str, query: &str| {
            let lent = Lent::new([("d", PAIR.1)]);
            let candidates = vec![Scored { doc: DocNo(0), score: 1.0 }];
            let candidates = Ranking::top(1, candidates, lent.corpus());
            lent.rerank(&config(folder, "log-softmax"), query, &candidates)[0].score
        };
        let (lower, kept) = (folder.path().to_str().unwrap(), fixture(name).0);
        assert_eq!(score(lower, "WHY DO CLOCKS RUN"), score(lower, "why do clocks run"));
        assert_ne!(score(&kept, "WHY DO CLOCKS RUN"), score(&kept, "why do clocks run"));
    }
}
