//! Setwise prompting: the model names the best of a few passages, and a sort asks it.
//! Zhuang, Zhuang, Koopman and Zuccon, SIGIR 2024 (`zhuang2023setwise`).
//!
//! A sort needs to know which of two things is larger, and a model that reads four passages can say which of four is the best: so a
//! tree of them is less deep, and a window that slides moves on by three. Only the best `k` are looked for; the candidates behind
//! them keep their order.
//!
//! ```text
//! best(S)  = argmax_{d ∈ S} P(label_d | prompt(q, S))             by likelihood, where nothing is written
//!          = the d whose label is written                         by generation
//! s(q, d)  = n + 1 - rank(d)                                      rank: of a sort that asks for best(S)
//! ```
//!
//! | symbol  | is |
//! |---|---|
//! | `S`     | `children + 1` passages: a node of the heap with its children, or a window |
//! | `label` | `A`, `B`, `C` … with `label_prefix` in front; its probability as the first token is compared |
//! | `n`     | how many candidates are ranked (`depth`) |
//!
//! As in the authors' code an answer that names no passage leaves the first of them in its place (`unreadable = "keep"`), and the same
//! few passages are asked about once.
//!
//! Try it: `nir run prompting/setwise-flan-t5-large --on beir-scifact`. How often is the model asked with
//! `sort = "bubble"`? The result tells the calls a query.

use nir_core::{DocNo, Query, Result};
use serde::{Deserialize, Serialize};

use super::sorting::Sort;
use super::{Asker, Asking, Judge, Wanted, likeliest, scores_of};
use crate::language_model::Asked;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is asked, and whom: the table `[stage.ask]`.
    pub ask: Asking,
    /// What stands in front of a label, as the model writes it: often a space, which belongs to the same token; nothing if absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label_prefix: String,
    /// How many passages are compared with one.
    pub children: usize,
    /// The sort that asks: `heap` or `bubble`.
    pub sort: Sort,
    /// How many of the best are looked for.
    pub k: usize,
    /// How many candidates of each query are ranked; the others are dropped.
    pub depth: usize,
}

/// The labels of passages.
const LABELS: &str = "ABCDEFGHIJKLMNOPQRSTUVW";

impl Algorithm for Config {
    const NAME: &'static str = "setwise";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "zhuang2023setwise";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(self.ask.open(context)?.stage(self.depth, self.clone()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.ask.check(Wanted::TextOrLabels)?;
        let most = LABELS.len() - 1;
        match self.children {
            0 => Err("children = 0: expected at least 1".to_owned()),
            children if children > most => Err(format!(
                "children = {children}: expected at most {most}, as labels are letters"
            )),
            _ if self.k == 0 => Err("k = 0: expected at least 1".to_owned()),
            _ => Ok(()),
        }
    }

    fn asked(&self) -> Option<&Asked> {
        Some(&self.ask.model)
    }
}

impl Judge for Config {
    fn scores(&self, asker: &Asker, query: &Query, docs: &[DocNo]) -> Result<Vec<f32>> {
        let mut best = |places: &[usize]| self.best(asker, query, places, docs);
        Ok(scores_of(&self.sort.top(docs.len(), (self.children, self.k), &mut best)?))
    }
}

impl Config {
    /// Which of these documents the model names.
    fn best(
        &self,
        asker: &Asker,
        query: &Query,
        places: &[usize],
        docs: &[DocNo],
    ) -> Result<usize> {
        let labels = &LABELS[..places.len()];
        let passages = places.iter().zip(labels.chars());
        let passages: Vec<_> = passages
            .map(|(&place, label)| asker.passage(docs[place], &label.to_string()))
            .collect();
        let choices: Vec<String> =
            labels.chars().map(|label| format!("{}{label}", self.label_prefix)).collect();
        let answer = asker.answer(query, asker.question(query, &passages, &choices))?;
        let read = match asker.compares_labels() {
            true => likeliest(&answer.choices),
            false => named(&answer.text, labels),
        };
        asker.read_or(read, 0, (query, "the label of a passage", &answer.text))
    }
}

/// The place of the first label that stands by itself in a text.
fn named(text: &str, labels: &str) -> Option<usize> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let single = words.filter_map(|word| {
        let mut letters = word.chars();
        letters.next().filter(|_| letters.next().is_none())
    });
    single.into_iter().find_map(|letter| labels.chars().position(|label| label == letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language_model::Answer;
    use crate::testing::{Lent, all};

    const CONFIG: &str = r#"
        ask = { model = { server = "http://localhost:8000/v1", name = "m" }, passage = "{label}: {text}", budget = { words = 9 },
                prompt = [{ role = "user", content = "{query}\n{passages}" }], unreadable = "refuse" }
        children = 2
        sort = "heap"
        k = 2
        depth = 9"#;

    fn config() -> Config {
        toml::from_str(CONFIG).unwrap()
    }

    fn written(config: Config) -> Config {
        let sampling = toml::from_str("temperature = 0.0\nmax_tokens = 5\nseed = 1").unwrap();
        Config { ask: Asking { sampling: Some(sampling), ..config.ask }, ..config }
    }

    fn names<'l>(lent: &'l Lent, found: &nir_core::Ranking) -> Vec<&'l str> {
        lent.named(found).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_heap_asks_for_the_best_of_a_node_and_its_children() {
        // Three passages are one node: C is the best of (one, two, three), then the better of (one, two) is B.
        let lent =
            Lent::new([("a", "one"), ("b", "two"), ("c", "three")]).answering(["C", "Passage B."]);
        let found = lent.rerank(&written(config()), "count", &all(&lent));
        assert_eq!(lent.named(&found), [("c", 3.0), ("b", 2.0), ("a", 1.0)]);
        let asked = lent.asked();
        assert_eq!(asked[0].messages[0].content, "count\nA: one\nB: two\nC: three");
        // The last came to the root: (one) at the end, so the node is `c` exchanged for `a`: a, b.
        assert_eq!(asked[1].messages[0].content, "count\nA: one\nB: two");
    }

    #[test]
    fn without_sampling_the_likeliest_label_is_taken() {
        let choices =
            |values: [f64; 2]| Answer { choices: values.map(Some).to_vec(), ..Answer::default() };
        let lent = Lent::new([("a", "one"), ("b", "two")]).answering_with([choices([-2.0, -0.5])]);
        let config = Config { label_prefix: " ".to_owned(), ..config() };
        let found = lent.rerank(&config, "count", &all(&lent));
        assert_eq!(lent.named(&found), [("b", 2.0), ("a", 1.0)]);
        assert_eq!(lent.asked()[0].choices, [" A", " B"]);
    }

    #[test]
    fn the_candidates_behind_the_best_k_keep_their_order() {
        let texts = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
        let config = written(Config { k: 1, sort: Sort::Bubble, ..config() });
        // Windows (b, c, d) and (a, d, …): D moves to the front of each.
        let lent = Lent::new(texts).answering(["C", "B"]);
        let found = lent.rerank(&config, "count", &all(&lent));
        assert_eq!(names(&lent, &found), ["d", "a", "b", "c"]);
    }

    #[test]
    fn a_label_is_a_letter_by_itself() {
        assert_eq!(named("Passage B", "ABC"), Some(1));
        assert_eq!(named("A good one is [C].", "ABC"), Some(0));
        assert_eq!(named("Best of all: D", "ABC"), None);
        assert_eq!(named("", "ABC"), None);
    }

    #[test]
    fn an_answer_without_a_label_is_refused_or_leaves_the_first() {
        let lent = Lent::new([("a", "1"), ("b", "2")]).answering(["none of them"]);
        let error = lent.try_rerank(&written(config()), "count", &all(&lent)).unwrap_err();
        assert!(error.to_string().contains("has not the label of a passage: found `none of them`"));
        let mut config = written(config());
        config.ask.unreadable = super::super::Unreadable::Keep;
        let lent = Lent::new([("a", "1"), ("b", "2")]).answering(["none of them"]);
        assert_eq!(names(&lent, &lent.rerank(&config, "count", &all(&lent))), ["a", "b"]);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert!(
            Config { children: 0, ..config() }.check().unwrap_err().starts_with("children = 0")
        );
        assert!(Config { children: 30, ..config() }.check().unwrap_err().contains("at most 22"));
        assert!(Config { k: 0, ..config() }.check().unwrap_err().starts_with("k = 0"));
        assert_eq!(config().check(), Ok(()));
    }
}
