//! Permutation self-consistency: listwise reranking of shuffled prompts, made into one order.
//! Tang, Zhang, Ma, Lin and Ture, NAACL 2024 (`tang2023psc`).
//!
//! A model that orders passages is swayed by where they stand in its prompt: what is in the middle is easily lost. So the same
//! passages are shown in several shuffled orders, and of the answers the order is taken that contradicts them least.
//!
//! ```text
//! π_1 … π_m = LLM(q, shuffled passages)
//! π         = argmin_π Σ_i d(π, π_i)        d: Kendall's tau distance, the pairs that stand in another order   (Kemeny, 1959)
//! s(q, d)   = n + 1 - rank(d)
//! ```
//!
//! | symbol | is |
//! |---|---|
//! | `m` | `shuffles` |
//! | `n` | how many candidates are ranked (`depth`) |
//!
//! Windows slide as in [`listwise`](super::listwise), and each is asked about `m` times. The order is the exact one, of at most 20
//! passages a window: the best order of every subset of them is found from those of its own subsets, which takes `2^w w` steps. Of
//! orders that are equally good the one is taken whose last passages stood last. The shuffles are drawn from the seed, the query's text
//! and the window's place alone.
//!
//! Try it: `nir run prompting/self-consistency-rankzephyr --on pocket`. How far are the `m` orders of one window apart?

use nir_core::{Digest, DocNo, Query, Result};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::listwise::{check_windows, order, question, slide};
use super::{Asker, Asking, Judge, Wanted, scores_of};
use crate::language_model::{Asked, Question};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is asked, and whom: the table `[stage.ask]`.
    pub ask: Asking,
    /// How many shuffled orders of a window are asked about.
    pub shuffles: usize,
    /// The seed of the shuffles.
    pub seed: u64,
    /// How many passages the model sees at once; at most 20.
    pub window: usize,
    /// How far the window moves.
    pub step: usize,
    /// How often the window passes over all candidates.
    pub passes: usize,
    /// How many candidates of each query are ranked; the others are dropped.
    pub depth: usize,
}

/// The largest window whose best order is found exactly: a table of 2^20 sets.
const LARGEST: usize = 20;

impl Algorithm for Config {
    const NAME: &'static str = "self_consistency";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "tang2023psc";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(self.ask.open(context)?.stage(self.depth, self.clone()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.ask.check(Wanted::Text)?;
        check_windows(self.window, self.step, self.passes)?;
        match (self.window, self.shuffles) {
            (window, _) if window > LARGEST => Err(format!(
                "window = {window}: expected at most {LARGEST}, as the best order is found exactly"
            )),
            (_, 0) => Err("shuffles = 0: expected at least 1".to_owned()),
            _ => Ok(()),
        }
    }

    fn asked(&self) -> Option<&Asked> {
        Some(&self.ask.model)
    }
}

impl Judge for Config {
    fn scores(&self, asker: &Asker, query: &Query, docs: &[DocNo]) -> Result<Vec<f32>> {
        let order = slide(docs, (self.window, self.step, self.passes), |window| {
            self.central(asker, query, window)
        })?;
        Ok(scores_of(&order))
    }
}

impl Config {
    /// The order of a window that contradicts the answers least.
    fn central(&self, asker: &Asker, query: &Query, window: &[DocNo]) -> Result<Vec<usize>> {
        let shuffled = self.shuffled(query, window);
        let questions = shuffled.iter().map(|places| {
            let docs: Vec<DocNo> = places.iter().map(|&place| window[place]).collect();
            question(asker, query, &docs)
        });
        let questions: Vec<Question> = questions.collect();
        let answers = asker.answers(query, &questions)?;
        let orders = answers.iter().zip(&shuffled).map(|(answer, places)| {
            let own = order(asker, query, &answer.text, window.len())?;
            Ok(own.into_iter().map(|at| places[at]).collect())
        });
        let orders: Vec<Vec<usize>> = orders.collect::<Result<_>>()?;
        Ok(kemeny(&orders, window.len()))
    }

    /// The orders in which a window is shown.
    fn shuffled(&self, query: &Query, window: &[DocNo]) -> Vec<Vec<usize>> {
        let rows: Vec<u32> = window.iter().map(|doc| doc.0).collect();
        let name = Digest::of(format!("{} {rows:?} {}", self.seed, query.text));
        let mut random = ChaCha8Rng::seed_from_u64(name.number());
        let one = |_| {
            let mut places: Vec<usize> = (0..window.len()).collect();
            places.shuffle(&mut random);
            places
        };
        (0..self.shuffles).map(one).collect()
    }
}

/// The order of `n` things with the smallest sum of Kendall's tau distances to some orders.
///
/// `cost(S) = min_{last ∈ S} cost(S - last) + Σ_{i ∈ S - last} #orders that have last before i`
fn kemeny(orders: &[Vec<usize>], n: usize) -> Vec<usize> {
    let before = preferences(orders, n);
    // The cost of the best order of each set of things, and the thing that is last in it.
    let mut best = vec![(0_u32, 0_u8); 1 << n];
    for set in 1..1_usize << n {
        let members = (0..n).filter(|thing| set >> thing & 1 == 1);
        let with_last = |last: usize| {
            let others = set & !(1 << last);
            let against = (0..n).filter(|thing| others >> thing & 1 == 1);
            let against: u32 = against.map(|thing| before[last * n + thing]).sum();
            (best[others].0 + against, last as u8)
        };
        // Of equals the larger place: what stood last stays last.
        best[set] = members
            .map(with_last)
            .min_by_key(|&(cost, last)| (cost, u8::MAX - last))
            .expect("no set here is empty");
    }
    let mut order = Vec::with_capacity(n);
    let mut set = (1_usize << n) - 1;
    while set != 0 {
        let last = best[set].1 as usize;
        order.push(last);
        set &= !(1 << last);
    }
    order.reverse();
    order
}

/// For each two things, how many orders have the first before the second, `[n, n]`.
fn preferences(orders: &[Vec<usize>], n: usize) -> Vec<u32> {
    let mut before = vec![0; n * n];
    for order in orders {
        for (at, &first) in order.iter().enumerate() {
            order[at + 1..].iter().for_each(|&second| before[first * n + second] += 1);
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lent, all};

    #[test]
    fn the_order_contradicts_the_others_least() {
        // 0 > 1 twice of three, 1 > 2 twice, 0 > 2 twice: the majorities agree.
        let orders = [vec![0, 1, 2], vec![2, 0, 1], vec![1, 0, 2]];
        assert_eq!(kemeny(&orders, 3), [0, 1, 2]);
        // A circle, 0 > 1 > 2 > 0, each by two of three: (0, 1, 2), (1, 2, 0) and (2, 0, 1) cost 4 each.
        let circle = [vec![0, 1, 2], vec![1, 2, 0], vec![2, 0, 1]];
        assert_eq!(kemeny(&circle, 3), [0, 1, 2]);
        assert_eq!(kemeny(&[vec![3, 1, 0, 2]], 4), [3, 1, 0, 2]);
        assert_eq!(kemeny(&[vec![1, 0], vec![0, 1]], 2), [0, 1], "undecided: as they stood");
    }

    /// Against every permutation, for orders that are drawn.
    #[test]
    fn no_permutation_is_nearer() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..40 {
            let mut drawn = || {
                let mut order: Vec<usize> = (0..5).collect();
                order.shuffle(&mut random);
                order
            };
            let orders = [drawn(), drawn(), drawn(), drawn()];
            let before = preferences(&orders, 5);
            let cost = |order: &[usize]| {
                let pairs = (0..5).flat_map(|i| (i + 1..5).map(move |j| (i, j)));
                pairs.map(|(i, j)| before[order[j] * 5 + order[i]]).sum::<u32>()
            };
            let mut all = vec![vec![]];
            for _ in 0..5 {
                let longer = all.iter().flat_map(|order: &Vec<usize>| {
                    let rest = (0..5).filter(|thing| !order.contains(thing));
                    rest.map(|thing| [&order[..], &[thing]].concat()).collect::<Vec<_>>()
                });
                all = longer.collect();
            }
            assert_eq!(all.len(), 120);
            let least = all.iter().map(|order| cost(order)).min().unwrap();
            assert_eq!(cost(&kemeny(&orders, 5)), least);
        }
    }

    const CONFIG: &str = r#"
        ask = { model = { server = "http://localhost:8000/v1", name = "m" }, sampling = { temperature = 0.0, max_tokens = 50, seed = 1 },
                prompt = [{ role = "user", content = "{query}\n{passages}" }], passage = "[{rank}] {text}",
                budget = { words = 3 }, unreadable = "refuse" }
        shuffles = 3
        seed = 1
        window = 3
        step = 2
        passes = 1
        depth = 9"#;

    fn config() -> Config {
        toml::from_str(CONFIG).unwrap()
    }

    #[test]
    fn passages_are_shuffled_and_answers_read_in_the_order_in_which_they_were_shown() {
        // The model always names them by their text: three, one, two.
        let texts = [("a", "one"), ("b", "two"), ("c", "three")];
        let probe = Lent::new(texts).answering(["[1]"; 3]);
        probe.rerank(&config(), "count", &all(&probe));
        let shown: Vec<String> =
            probe.asked().iter().map(|question| question.messages[0].content.clone()).collect();
        assert!(shown.iter().any(|prompt| prompt != &shown[0]), "{shown:?}");
        let place = |prompt: &str, text: &str| {
            let line = prompt.lines().find(|line| line.ends_with(text)).unwrap();
            line[..3].to_owned()
        };
        let answers = shown
            .iter()
            .map(|prompt| ["three", "one", "two"].map(|text| place(prompt, text)).join(" > "));
        let answers: Vec<String> = answers.collect();
        let lent = Lent::new(texts).answering(answers.iter().map(String::as_str));
        let found = lent.rerank(&config(), "count", &all(&lent));
        assert_eq!(lent.named(&found), [("c", 3.0), ("a", 2.0), ("b", 1.0)]);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let window = Config { window: 21, ..config() };
        assert!(window.check().unwrap_err().contains("at most 20"));
        assert!(Config { shuffles: 0, ..config() }.check().unwrap_err().contains("shuffles = 0"));
        assert_eq!(config().check(), Ok(()));
    }
}
