//! Pairwise ranking prompting (PRP): the model says which of two passages is the better, in both orders.
//! Qin, Jagerman, Hui, Zhuang, Wu, Yan, Shen, Liu, Liu, Metzler, Wang and Bendersky, NAACL Findings 2024 (`qin2023prp`).
//!
//! A choice of two is the easiest question there is, and a model that is too small for a list can answer it. But models prefer the
//! passage in one of the places, so each pair is shown in both orders: one is the better only if it is named both times. All pairs
//! give each passage a count; sorts ask for fewer.
//!
//! ```text
//! d_i > d_j  iff  the model names d_i of (d_i, d_j) and of (d_j, d_i)
//! all:            c_i = Σ_{j ≠ i} [d_i > d_j] + ½ [neither is the better],  rank by c_i
//! heap, bubble:   rank of a sort that asks for d_i > d_j
//! s(q, d_i)    =  n + 1 - rank(d_i)
//! ```
//!
//! | symbol | is |
//! |---|---|
//! | `n`    | how many candidates are ranked (`depth`) |
//! | `k`    | how many of the best a sort looks for; with `bubble` the number of its passes |
//!
//! Of equal counts the earlier candidate stays in front, as in the code of Zhuang et al., who ran it. By likelihood, where nothing is written, the passage with the likelier label is named.
//!
//! Try it: `nir run prompting/prp-flan-t5-large --on beir-scifact`. With `sort = "all"` and 20 candidates the model is asked 380
//! times a query: how much better is the order?

use nir_core::{DocNo, Query, Result};
use serde::{Deserialize, Serialize};

use super::sorting::Sort;
use super::{Asker, Asking, Judge, Wanted, likeliest, scores_of};
use crate::language_model::{Answer, Asked, Question};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is asked, and whom: the table `[stage.ask]`.
    pub ask: Asking,
    /// What the model writes for the first and for the second passage, such as `["Passage A", "Passage B"]`; without sampling each
    /// is one token.
    pub labels: [String; 2],
    /// Which pairs are asked about: `all`, or those that `heap` or `bubble` sort needs.
    pub sort: Pairs,
    /// How many of the best a sort looks for; `all` has no use for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<usize>,
    /// How many candidates of each query are ranked; the others are dropped.
    pub depth: usize,
}

/// Which pairs are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairs {
    /// All of them.
    All,
    /// Those that heap sort needs.
    Heap,
    /// Those that bubble sort needs.
    Bubble,
}

/// The outcome of a pair in both orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Better {
    First,
    Second,
    Neither,
}

impl Algorithm for Config {
    const NAME: &'static str = "pairwise";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "qin2023prp";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(self.ask.open(context)?.stage(self.depth, self.clone()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.ask.check(Wanted::TextOrLabels)?;
        let [first, second] = &self.labels;
        if first.contains(second.as_str()) || second.contains(first.as_str()) {
            return Err(format!("labels: `{first}` and `{second}` cannot be told apart"));
        }
        match (self.sort, self.k) {
            (Pairs::All, Some(k)) => {
                Err(format!("k = {k} has no use with sort = \"all\": leave it out"))
            }
            (Pairs::Heap | Pairs::Bubble, None | Some(0)) => {
                Err("`k` is missing or 0: expected how many of the best are looked for".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn asked(&self) -> Option<&Asked> {
        Some(&self.ask.model)
    }
}

impl Judge for Config {
    fn scores(&self, asker: &Asker, query: &Query, docs: &[DocNo]) -> Result<Vec<f32>> {
        let (sort, children) = match self.sort {
            Pairs::All => return self.all(asker, query, docs),
            Pairs::Heap => (Sort::Heap, 2),
            Pairs::Bubble => (Sort::Bubble, 1),
        };
        let mut best = |places: &[usize]| self.champion(asker, query, places, docs);
        let k = self.k.expect("the config was checked");
        Ok(scores_of(&sort.top(docs.len(), (children, k), &mut best)?))
    }
}

impl Config {
    /// The scores by the counts of all pairs.
    fn all(&self, asker: &Asker, query: &Query, docs: &[DocNo]) -> Result<Vec<f32>> {
        let later = |i: usize| (i + 1..docs.len()).map(move |j| (i, j));
        let pairs: Vec<(usize, usize)> = (0..docs.len()).flat_map(later).collect();
        let both: Vec<(DocNo, DocNo)> = pairs.iter().map(|&(i, j)| (docs[i], docs[j])).collect();
        let mut counts = vec![0.0_f32; docs.len()];
        for ((i, j), better) in pairs.into_iter().zip(self.better(asker, query, &both)?) {
            let (of_i, of_j) = match better {
                Better::First => (1.0, 0.0),
                Better::Second => (0.0, 1.0),
                Better::Neither => (0.5, 0.5),
            };
            counts[i] += of_i;
            counts[j] += of_j;
        }
        let mut order: Vec<usize> = (0..docs.len()).collect();
        order.sort_by(|&i, &j| counts[j].total_cmp(&counts[i])); // stable
        Ok(scores_of(&order))
    }

    /// The first of some places, unless a later one is the better, and then a still later one.
    fn champion(
        &self,
        asker: &Asker,
        query: &Query,
        places: &[usize],
        docs: &[DocNo],
    ) -> Result<usize> {
        let mut best = 0;
        for other in 1..places.len() {
            let pair = (docs[places[other]], docs[places[best]]);
            if self.better(asker, query, &[pair])? == [Better::First] {
                best = other;
            }
        }
        Ok(best)
    }

    /// The outcomes of pairs.
    fn better(
        &self,
        asker: &Asker,
        query: &Query,
        pairs: &[(DocNo, DocNo)],
    ) -> Result<Vec<Better>> {
        let orders = pairs.iter().flat_map(|&(one, other)| [(one, other), (other, one)]);
        let questions: Vec<Question> =
            orders.map(|pair| self.question(asker, query, pair)).collect();
        let answers = asker.answers(query, &questions)?;
        answers.chunks(2).map(|both| self.outcome(asker, query, both)).collect()
    }

    fn question(&self, asker: &Asker, query: &Query, (one, other): (DocNo, DocNo)) -> Question {
        let passages = [asker.passage(one, "A"), asker.passage(other, "B")];
        asker.question(query, &passages, &self.labels)
    }

    fn outcome(&self, asker: &Asker, query: &Query, both: &[Answer]) -> Result<Better> {
        let read = |answer: &Answer| self.named(asker, query, answer);
        Ok(match (read(&both[0])?, read(&both[1])?) {
            (Some(0), Some(1)) => Better::First,
            (Some(1), Some(0)) => Better::Second,
            _ => Better::Neither,
        })
    }

    /// The label that stands first in a text.
    fn first_label(&self, text: &str) -> Option<usize> {
        let places = self.labels.each_ref().map(|label| text.find(label.trim()));
        (0..2).filter(|&label| places[label].is_some()).min_by_key(|&label| places[label])
    }

    /// Which of its two passages an answer names; `None` where it names none and that is allowed.
    fn named(&self, asker: &Asker, query: &Query, answer: &Answer) -> Result<Option<usize>> {
        let read = match asker.compares_labels() {
            true => likeliest(&answer.choices),
            false => self.first_label(&answer.text),
        };
        asker.read_or(read.map(Some), None, (query, "one of the two labels", &answer.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompting::Unreadable;
    use crate::testing::{Lent, all};

    const CONFIG: &str = r#"
        ask = { model = { server = "http://localhost:8000/v1", name = "m" }, passage = "{label}: {text}", budget = { words = 9 },
                prompt = [{ role = "user", content = "{query}\n{passages}" }], unreadable = "refuse",
                sampling = { temperature = 0.0, max_tokens = 5, seed = 1 } }
        labels = ["Passage A", "Passage B"]
        sort = "all"
        depth = 9"#;

    fn config() -> Config {
        toml::from_str(CONFIG).unwrap()
    }

    fn sorting(sort: Pairs, k: usize) -> Config {
        Config { sort, k: Some(k), ..config() }
    }

    const A: &str = "Passage A";
    const B: &str = "Passage B";

    #[test]
    fn all_pairs_are_counted_and_what_is_inconsistent_is_half() {
        // (a, b): A, B: a. (a, c): A, A: neither. (b, c): B, A: c. So a 1.5, b 0, c 1.5, and a was before c.
        let lent = Lent::new([("a", "1"), ("b", "2"), ("c", "3")]).answering([A, B, A, A, B, A]);
        let found = lent.rerank(&config(), "count", &all(&lent));
        assert_eq!(lent.named(&found), [("a", 3.0), ("c", 2.0), ("b", 1.0)]);
        let asked = lent.asked();
        assert_eq!(asked[0].messages[0].content, "count\nA: 1\nB: 2");
        assert_eq!(asked[1].messages[0].content, "count\nA: 2\nB: 1");
    }

    #[test]
    fn a_pass_of_bubble_sort_moves_the_best_to_the_front() {
        // (c, b): c is the better. (c, a): inconsistent, so a stays. Order a, c, b.
        let lent = Lent::new([("a", "1"), ("b", "2"), ("c", "3")]).answering([A, B, A, A]);
        let found = lent.rerank(&sorting(Pairs::Bubble, 1), "count", &all(&lent));
        assert_eq!(lent.named(&found), [("a", 3.0), ("b", 2.0), ("c", 1.0)], "only the best moves");
    }

    #[test]
    fn heap_sort_compares_each_child_with_the_best_so_far() {
        // b against a: b. c against b: no. So b is the root and a its child: b. Then (a, c): the last, c, came up: a against c.
        let lent = Lent::new([("a", "1"), ("b", "2"), ("c", "3")]);
        let lent = lent.answering([A, B, B, A, A, B]);
        let found = lent.rerank(&sorting(Pairs::Heap, 2), "count", &all(&lent));
        assert_eq!(lent.named(&found), [("b", 3.0), ("a", 2.0), ("c", 1.0)]);
        assert_eq!(lent.asked()[4].messages[0].content, "count\nA: 1\nB: 3");
    }

    #[test]
    fn the_label_that_comes_first_counts_and_none_is_refused() {
        let lent = Lent::new([("a", "1"), ("b", "2")]);
        let lent = lent.answering(["Passage B, not Passage A", "It is Passage A"]);
        let found = lent.rerank(&config(), "count", &all(&lent));
        assert_eq!(lent.named(&found), [("b", 2.0), ("a", 1.0)]);
        let silent = || Lent::new([("a", "1"), ("b", "2")]).answering(["?", A]);
        let lent = silent();
        let error = lent.try_rerank(&config(), "count", &all(&lent)).unwrap_err().to_string();
        assert!(error.contains("query `q`: the model's answer has not one of the two labels"));
        let mut config = config();
        config.ask.unreadable = Unreadable::Keep;
        let lent = silent();
        assert_eq!(
            lent.named(&lent.rerank(&config, "count", &all(&lent))),
            [("a", 2.0), ("b", 1.0)]
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        assert!(sorting(Pairs::All, 3).check().unwrap_err().contains("has no use"));
        assert!(
            Config { sort: Pairs::Heap, ..config() }
                .check()
                .unwrap_err()
                .contains("`k` is missing")
        );
        let labels = ["A".to_owned(), "A.".to_owned()];
        assert!(
            Config { labels, ..config() }.check().unwrap_err().contains("cannot be told apart")
        );
        assert_eq!(config().check(), Ok(()));
    }
}
