//! Relevance by labels: the model says how relevant one passage is, in two steps or in more.
//! Zhuang, Qin, Hui, Wu, Yan, Wang and Bendersky, NAACL 2024 (`zhuang2023finegrained`).
//!
//! A model that may only say yes or no says yes to what is half an answer. With labels between the two it can say so, and the
//! probabilities of all labels together order passages that have the same label.
//!
//! ```text
//! p_k            = exp(z_k) / Σ_j exp(z_j)          z_k: the logarithm of the probability of label k
//! expected       s(q, d) = Σ_k p_k y_k
//! peak           s(q, d) = z_k of the first label
//! ```
//!
//! | symbol | is |
//! |---|---|
//! | `z_k`  | of label `k` as the first token of the answer; where the model writes, 0 for the label that it wrote and `-∞` for the others |
//! | `y_k`  | the `value` of label `k` |
//!
//! With the labels yes and no, of the values 1 and 0, `expected` is `P(yes)` among the two.
//!
//! Try it: `nir run prompting/relevance-labels-flan-t5-xl --on beir-scifact`

use nir_core::{DocNo, Query, Result};
use serde::{Deserialize, Serialize};

use super::{Asker, Asking, Judge, Wanted};
use crate::language_model::{Answer, Asked, Question};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is asked of each passage, and whom: the table `[stage.ask]`.
    pub ask: Asking,
    /// The labels with their values, the most relevant first: `[{ text = " Yes", value = 1.0 }, { text = " No", value = 0.0 }]`.
    /// Without sampling each text is one token.
    pub labels: Vec<Label>,
    /// How probabilities become a score: `expected` or `peak`.
    pub score: Score,
    /// How many candidates of each query are scored; the others are dropped.
    pub depth: usize,
}

/// A label with its value.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// What the model writes.
    pub text: String,
    /// How relevant that is.
    pub value: f64,
}

/// How probabilities of labels become a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Score {
    /// The mean of the labels' values, weighted by their probabilities.
    Expected,
    /// The logarithm of the probability of the first label.
    Peak,
}

impl Algorithm for Config {
    const NAME: &'static str = "relevance_labels";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "zhuang2023finegrained";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(self.ask.open(context)?.stage(self.depth, self.clone()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.ask.check(Wanted::TextOrLabels)?;
        if self.labels.len() < 2 {
            return Err(format!("labels: {} of them: expected at least 2", self.labels.len()));
        }
        match (self.score, &self.ask.sampling) {
            (Score::Peak, Some(_)) => Err(
                "score = \"peak\" needs probabilities: leave `sampling` out, or take \"expected\""
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn asked(&self) -> Option<&Asked> {
        Some(&self.ask.model)
    }
}

impl Judge for Config {
    fn scores(&self, asker: &Asker, query: &Query, docs: &[DocNo]) -> Result<Vec<f32>> {
        let texts: Vec<String> = self.labels.iter().map(|label| label.text.clone()).collect();
        let question = |&doc: &DocNo| asker.question(query, &[asker.passage(doc, "1")], &texts);
        let questions: Vec<Question> = docs.iter().map(question).collect();
        let answers = asker.answers(query, &questions)?;
        answers.iter().map(|answer| self.score_of(asker, query, answer)).collect()
    }
}

impl Config {
    fn score_of(&self, asker: &Asker, query: &Query, answer: &Answer) -> Result<f32> {
        if asker.compares_labels() {
            let read = self.of_probabilities(&answer.choices);
            return asker.read_or(read, 0.0, (query, "the probability of a label", &answer.text));
        }
        let read = self.written(&answer.text).map(|label| self.labels[label].value as f32);
        asker.read_or(read, 0.0, (query, "one of the labels", &answer.text))
    }

    /// The score of the logarithms of the labels' probabilities; `None` where none is known.
    fn of_probabilities(&self, logs: &[Option<f64>]) -> Option<f32> {
        if self.score == Score::Peak {
            return logs[0].map(|log| log as f32);
        }
        let most = logs.iter().flatten().copied().reduce(f64::max)?;
        let share = |log: &Option<f64>| log.map_or(0.0, |log| (log - most).exp());
        let total: f64 = logs.iter().map(share).sum();
        let expected = self.labels.iter().zip(logs).map(|(label, log)| label.value * share(log));
        Some((expected.sum::<f64>() / total) as f32)
    }

    /// The label that a text begins with, or else has first; of labels at the same place the longest. Letters count as equal in
    /// both cases.
    fn written(&self, text: &str) -> Option<usize> {
        let text = text.to_lowercase();
        let places = self.labels.iter().enumerate().filter_map(|(number, label)| {
            let label = label.text.trim().to_lowercase();
            text.find(&label).map(|at| (at, std::cmp::Reverse(label.len()), number))
        });
        places.min().map(|(.., number)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompting::Unreadable;
    use crate::testing::{Lent, all, assert_ranked};

    const CONFIG: &str = r#"
        ask = { model = { server = "http://localhost:8000/v1", name = "m" }, passage = "{text}", budget = { words = 9 },
                prompt = [{ role = "user", content = "{query}\n{passages}" }], unreadable = "refuse" }
        labels = [{ text = "Relevant", value = 2.0 }, { text = "Somewhat Relevant", value = 1.0 }, { text = "Not Relevant", value = 0.0 }]
        score = "expected"
        depth = 9"#;

    fn config() -> Config {
        toml::from_str(CONFIG).unwrap()
    }

    fn probabilities(values: [f64; 3]) -> Answer {
        let choices = values.iter().map(|p| (*p > 0.0).then(|| p.ln())).collect();
        Answer { choices, ..Answer::default() }
    }

    #[test]
    fn the_expected_value_weighs_labels_by_their_probabilities() {
        // (.1 · 2 + .2 · 1 + .1 · 0) / .4 = 1, and (.3 · 1 + .1 · 0) / .4 = .75 where the first is not told
        let answers = [probabilities([0.1, 0.2, 0.1]), probabilities([0.0, 0.3, 0.1])];
        let lent = Lent::new([("a", "1"), ("b", "2")]).answering_with(answers.clone());
        let found = lent.rerank(&config(), "q?", &all(&lent));
        assert_ranked(&lent.named(&found), &[("a", 1.0), ("b", 0.75)]);
        assert_eq!(lent.asked()[1].messages[0].content, "q?\n2");
        let peak = Config { score: Score::Peak, ..config() };
        assert!((peak.of_probabilities(&answers[0].choices).unwrap() - 0.1_f32.ln()).abs() < 1e-6);
        assert_eq!(peak.of_probabilities(&answers[1].choices), None);
    }

    #[test]
    fn the_label_that_is_written_has_its_value() {
        let found = |text: &str| config().written(text);
        assert_eq!(found("Relevant."), Some(0));
        assert_eq!(found("not relevant, I think; maybe Relevant"), Some(2));
        assert_eq!(found("It is somewhat relevant"), Some(1));
        assert_eq!(found("Yes"), None);
    }

    #[test]
    fn an_answer_without_a_label_is_refused_or_is_not_relevant() {
        let mut config = config();
        config.ask.sampling =
            Some(toml::from_str("temperature = 0.0\nmax_tokens = 5\nseed = 1").unwrap());
        let lent = || Lent::new([("a", "1"), ("b", "2")]).answering(["Yes", "Somewhat Relevant"]);
        let own = lent();
        let error = own.try_rerank(&config, "q?", &all(&own)).unwrap_err().to_string();
        assert!(error.contains("has not one of the labels: found `Yes`"), "{error}");
        config.ask.unreadable = Unreadable::Keep;
        let own = lent();
        assert_eq!(own.named(&own.rerank(&config, "q?", &all(&own))), [("b", 1.0), ("a", 0.0)]);
        config.score = Score::Peak;
        assert!(config.check().unwrap_err().contains("needs probabilities"));
    }
}
