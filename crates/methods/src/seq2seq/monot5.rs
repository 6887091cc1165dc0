//! monoT5: an encoder-decoder is asked whether a document is relevant.
//! Nogueira, Jiang, Pradeep and Lin, Findings of EMNLP 2020 (`nogueira2020monot5`).
//!
//! The model reads a prompt that holds query and document and ends in a question. It was fine-tuned to answer with one of two
//! words, so the first token that it would write is looked at, and of that only these two words: how much more likely is one of
//! them? Nothing is written, so a document costs one pass of the encoder and one step of the decoder.
//!
//! ```text
//! s(q, d) = log P(true)        P(true) = e^z_true / (e^z_true + e^z_false)                          (section 3)
//! ```
//!
//! | symbol    | is                                                                                     |
//! |-----------|----------------------------------------------------------------------------------------|
//! | `z_true`  | the logit of the token `answers.relevant` at the first position of the answer           |
//! | `z_false` | the logit of the token `answers.other`                                                  |
//!
//! A prompt that is too long loses the end of its document, so that the question behind it stays; the authors' code cuts the end of
//! the prompt. On passages that are shorter than the limit the two are the same.
//!
//! Try it: `nir run seq2seq/monot5-base --on beir-scifact`

use std::sync::Arc;

use nir_core::{Corpus, Query, Ranking, Reranker, Result};
use nir_nn::checkpoint::Wanted;
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::prompted::{self, Answers, Prompted};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder-decoder.
    pub model: ModelSource,
    /// What it reads: a text with `{query}` and `{document}`, which stands for title and text.
    pub prompt: String,
    /// The two tokens that it may answer with.
    pub answers: Answers,
    /// The largest number of tokens of a prompt, including special ones.
    pub max_length: usize,
    /// How many candidates of each query are scored; the others are dropped.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "monot5";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "nogueira2020monot5";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let prompt = (self.prompt.as_str(), self.max_length);
        let reader = Prompted::load(context, &self.model, prompt, &["document", "query"])?;
        let answers = self.answers.ids(reader.model.tokenizer())?;
        let (depth, corpus) = (self.depth, Arc::clone(&context.corpus));
        Ok(Stage::Reranker(Box::new(MonoT5 { reader, answers, depth, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        prompted::check(&self.prompt, &["query", "document"], self.max_length)
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

struct MonoT5 {
    reader: Prompted,
    /// The ids of the two answers, that for relevant first.
    answers: [u32; 2],
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for MonoT5 {
    fn depth(&self) -> usize {
        self.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        candidates.rescored(self.depth, &*self.corpus, |docs| {
            let prompts = prompted::pairs(query, docs, &*self.corpus);
            let logits = self.reader.first(&prompts, self.answers)?; // [docs, 2]
            Ok(logits.into_iter().map(log_probability).collect())
        })
    }
}

/// `log P(true)`, the logarithm of the first token's probability among the two.
fn log_probability([z_true, z_false]: [f32; 2]) -> f32 {
    // ln(e^t / (e^t + e^f)) = -ln(1 + e^(f - t)); of a large difference the exponential would be infinite.
    let behind = z_false - z_true;
    -(behind.max(0.0) + (-behind.abs()).exp().ln_1p())
}

#[cfg(test)]
mod tests {
    use nir_core::{DocNo, Scored};

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, recorded};

    #[test]
    fn matches_the_hand_computed_example() {
        // e^2 / (e^2 + e^1) = 1 / (1 + e^-1) = .731059; ln = -.313262
        assert!((log_probability([2.0, 1.0]) + 0.313_262).abs() < 1e-6);
        assert!((log_probability([1.0, 2.0]) + 1.313_262).abs() < 1e-6);
        assert!((log_probability([0.0, 0.0]) - 0.5_f32.ln()).abs() < 1e-6);
        // Logits that are far apart: no infinity, and no zero that would tie.
        assert_eq!(log_probability([-300.0, 300.0]), -600.0);
        assert!(log_probability([300.0, -300.0]).abs() < 1e-30);
    }

    fn config(max_length: usize) -> Config {
        let (folder, _) = fixture("writers/t5");
        toml::from_str(&format!(
            "model = {{ weights = \"file:{folder}\" }}\nprompt = \"Query: {{query}} Document: {{document}} Relevant:\"\n\
             answers = {{ relevant = \"▁true\", other = \"▁false\" }}\nmax_length = {max_length}\ndepth = 10"
        ))
        .unwrap()
    }

    const QUERY: &str = "how long to bake bread";
    const DOCUMENT: &str = "Bread rises faster in warm rooms.";

    #[test]
    fn the_score_is_made_of_the_reference_s_logits() {
        // The case `prompt` of the fixture is this query and this document in the prompt.
        let (case, logits) = recorded("writers/t5", "prompt");
        assert_eq!(case, format!("Query: {QUERY} Document: {DOCUMENT} Relevant:"));
        let lent = Lent::new([("other", "A ship follows the stars."), ("d", DOCUMENT)]);
        let candidates = [0, 1].map(|row| Scored { doc: DocNo(row), score: 1.0 });
        let candidates = Ranking::top(2, candidates.to_vec(), lent.corpus());
        let found = lent.rerank(&config(100), QUERY, &candidates);
        let found: Vec<_> =
            lent.named(&found).into_iter().filter(|(name, _)| *name == "d").collect();
        let [z_true, z_false] = ["▁true", "▁false"].map(logits);
        let expected = z_true - (z_true.exp() + z_false.exp()).ln();
        assert_ranked(&found, &[("d", expected)]);
    }

    #[test]
    fn only_as_many_as_the_depth_are_scored() {
        let lent = Lent::new([("a", "bread"), ("b", "ship"), ("c", "stars")]);
        let candidates =
            (0..3).map(|row| Scored { doc: DocNo(row), score: 3.0 - row as f32 }).collect();
        let candidates = Ranking::top(3, candidates, lent.corpus());
        let found = lent.rerank(&Config { depth: 2, ..config(100) }, QUERY, &candidates);
        let mut names: Vec<&str> = lent.named(&found).iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn prompts_and_answers_that_cannot_be_are_refused() {
        let prompt = |text: &str| Config { prompt: text.to_owned(), ..config(100) }.check();
        assert!(prompt("Query: {query}").unwrap_err().contains("without `{document}`"));
        assert!(prompt("{query} {document} {title}").unwrap_err().contains("names `{title}`"));
        assert!(config(0).check().unwrap_err().contains("max_length"));
        let mut wrong = config(100);
        wrong.answers.relevant = "▁yes".to_owned();
        let error = Lent::new([("d", "bread")]).try_build(&wrong).err().unwrap().to_string();
        assert!(error.contains("has no token `▁yes`"), "{error}");
    }
}
