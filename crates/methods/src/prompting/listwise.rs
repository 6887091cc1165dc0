//! Listwise reranking by permutation: RankGPT, LRL, RankVicuna, RankZephyr.
//! Sun et al., EMNLP 2023 (`sun2023rankgpt`).
//!
//! The model sees some passages at once, each behind an identifier, and writes their identifiers in the order of relevance,
//! `[2] > [3] > [1]`. As a prompt holds only so many, a window of passages slides from the end of the candidates to their
//! beginning, and the better half of each window is seen again in the next: the best passages move to the front.
//!
//! ```text
//! windows of w passages, s apart, from the last:  [n - w, n), [n - w - s, n - s), …, [0, …)      (§3.2)
//! π = LLM(q, p_1 … p_w)           the passages of the window in the order of the answer
//! s(q, d) = n + 1 - rank(d)
//! ```
//!
//! | symbol | is |
//! |---|---|
//! | `n` | how many candidates are ranked (`depth`) |
//! | `w`, `s` | `window` and `step` |
//! | `π` | an order of the identifiers |
//!
//! An answer is read as rank_llm reads it (`response_utils.py`, `listwise_rankllm.py`): of an answer with reasoning only what
//! follows `</think>`; every run of digits is an identifier; one that was there already or names no passage is left out;
//! passages that are not named follow in the order in which they were shown. An identifier within a passage, `[12]`, is shown
//! as `(12)`. LRL asks the same; RankVicuna and RankZephyr are models that were trained to answer in this form.
//!
//! Try it: `nir run prompting/rankzephyr --on pocket` with vLLM at port 8000. Give `passes = 3`: how much is left to gain after the
//! first?

use std::borrow::Cow;
use std::ops::Range;

use nir_core::{DocNo, Query, Result};
use serde::{Deserialize, Serialize};

use super::{Asker, Asking, Judge, Wanted, scores_of};
use crate::language_model::{Asked, Question};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is asked, and whom: the table `[stage.ask]`.
    pub ask: Asking,
    /// How many passages the model sees at once.
    pub window: usize,
    /// How far the window moves.
    pub step: usize,
    /// How often the window passes over all candidates.
    pub passes: usize,
    /// How many candidates of each query are ranked; the others are dropped.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "listwise";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "sun2023rankgpt";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(self.ask.open(context)?.stage(self.depth, self.clone()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.ask.check(Wanted::Text)?;
        check_windows(self.window, self.step, self.passes)
    }

    fn asked(&self) -> Option<&Asked> {
        Some(&self.ask.model)
    }
}

/// Checks how windows slide; the error says what is wrong.
pub(crate) fn check_windows(
    window: usize,
    step: usize,
    passes: usize,
) -> std::result::Result<(), String> {
    match () {
        () if window < 2 => Err(format!("window = {window}: expected at least 2 passages")),
        () if step == 0 || step > window => {
            Err(format!("step = {step}: expected 1 to {window}, the window"))
        }
        () if passes == 0 => Err("passes = 0: expected at least 1".to_owned()),
        () => Ok(()),
    }
}

impl Judge for Config {
    fn scores(&self, asker: &Asker, query: &Query, docs: &[DocNo]) -> Result<Vec<f32>> {
        let order = slide(docs, (self.window, self.step, self.passes), |window| {
            let answer = asker.answer(query, question(asker, query, window))?;
            order(asker, query, &answer.text, window.len())
        })?;
        Ok(scores_of(&order))
    }
}

/// The order of all candidates after every window of every pass, as places of `docs`.
///
/// - `one`: the order of the passages of one window, as places in it
pub(crate) fn slide(
    docs: &[DocNo],
    (window, step, passes): (usize, usize, usize),
    one: impl Fn(&[DocNo]) -> Result<Vec<usize>>,
) -> Result<Vec<usize>> {
    let mut order: Vec<usize> = (0..docs.len()).collect();
    for _ in 0..passes {
        for window in windows(docs.len(), window, step) {
            let places = order[window.clone()].to_vec();
            let own: Vec<DocNo> = places.iter().map(|&place| docs[place]).collect();
            let permuted = one(&own)?.into_iter().map(|at| places[at]);
            order.splice(window, permuted);
        }
    }
    Ok(order)
}

/// The question for the order of some passages.
pub(crate) fn question(asker: &Asker, query: &Query, docs: &[DocNo]) -> Question {
    let passages = docs.iter().enumerate().map(|(place, &doc)| {
        let mut passage = asker.passage(doc, &(place + 1).to_string());
        passage.text = without_identifiers(&passage.text).into_owned().into();
        passage
    });
    asker.question(query, &passages.collect::<Vec<_>>(), &[])
}

/// The order of `n` passages that an answer gives.
pub(crate) fn order(asker: &Asker, query: &Query, answer: &str, n: usize) -> Result<Vec<usize>> {
    let shown = (0..n).collect();
    asker.read_or(permutation(answer, n), shown, (query, "one identifier of a passage", answer))
}

/// The windows over `n` candidates, the last candidates first; none of one candidate alone.
fn windows(n: usize, window: usize, step: usize) -> Vec<Range<usize>> {
    let ends = std::iter::successors(Some(n), |end| (*end > window).then(|| end - step));
    let windows = ends.map(|end| end.saturating_sub(window)..end);
    windows.filter(|window| window.len() > 1).collect()
}

/// The order of `n` passages that an answer gives, as places from 0; `None` if it names none of them.
fn permutation(answer: &str, n: usize) -> Option<Vec<usize>> {
    let answer = answer.rsplit("</think>").next().unwrap_or(answer);
    let mut order: Vec<usize> = Vec::with_capacity(n);
    for number in numbers(answer) {
        let place = number.wrapping_sub(1);
        if place < n && !order.contains(&place) {
            order.push(place);
        }
    }
    if order.is_empty() {
        return None;
    }
    let missing: Vec<usize> = (0..n).filter(|place| !order.contains(place)).collect();
    order.extend(missing);
    Some(order)
}

/// The numbers of a text: its runs of digits. One that is too long for a number names no passage and is 0.
fn numbers(text: &str) -> Vec<usize> {
    let plain: String = text
        .chars()
        .map(|c| digit(c).and_then(|d| char::from_digit(d, 10)).unwrap_or(' '))
        .collect();
    plain.split_whitespace().map(|number| number.parse().unwrap_or(0)).collect()
}

/// The value of a digit, also of one that is raised, lowered, encircled or of full width.
fn digit(c: char) -> Option<u32> {
    const FIRST: [(char, u32, u32); 6] =
        [('０', 0, 10), ('₀', 0, 10), ('⁴', 4, 6), ('①', 1, 9), ('❶', 1, 9), ('⁰', 0, 1)];
    let of = |&(first, value, count): &(char, u32, u32)| {
        let past = (c as u32).checked_sub(first as u32)?;
        (past < count).then_some(value + past)
    };
    let others = [('¹', 1), ('²', 2), ('³', 3)].into_iter();
    c.to_digit(10)
        .or_else(|| FIRST.iter().find_map(of))
        .or_else(|| others.clone().find(|(own, _)| *own == c).map(|(_, value)| value))
}

/// The text with `(12)` in place of `[12]`, which would look like the identifier of a passage.
fn without_identifiers(text: &str) -> Cow<'_, str> {
    if !text.contains('[') {
        return text.into();
    }
    let mut parts = text.split('[');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part.find(']').map(|end| &part[..end]);
        match number.filter(|own| !own.is_empty() && own.bytes().all(|b| b.is_ascii_digit())) {
            Some(number) => plain.extend(["(", number, ")", &part[number.len() + 1..]]),
            None => plain.extend(["[", part]),
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompting::Unreadable;
    use crate::testing::{Lent, all};

    const CONFIG: &str = r#"
        ask = { model = { server = "http://localhost:8000/v1", name = "m" }, sampling = { temperature = 0.0, max_tokens = 50, seed = 1 },
                prompt = [{ role = "user", content = "{query}\n{passages}\n{num}" }], passage = "[{rank}] {text}",
                budget = { words = 3 }, unreadable = "refuse" }
        window = 2
        step = 1
        passes = 1
        depth = 9"#;

    fn config() -> Config {
        toml::from_str(CONFIG).unwrap()
    }

    #[test]
    fn windows_go_from_the_end_to_the_beginning() {
        assert_eq!(windows(5, 3, 2), [2..5, 0..3]);
        // As rank_llm: the last window begins at the first candidate and is shorter.
        assert_eq!(windows(25, 20, 10), [5..25, 0..15]);
        assert_eq!(windows(100, 20, 10).len(), 9);
        assert_eq!(windows(4, 20, 10), vec![0..4]);
        assert!(windows(1, 20, 10).is_empty() && windows(0, 20, 10).is_empty());
    }

    #[test]
    fn an_answer_is_read_as_rank_llm_reads_it() {
        let read = |answer: &str| permutation(answer, 4);
        assert_eq!(read("[2] > [4] > [1] > [3]").unwrap(), [1, 3, 0, 2]);
        assert_eq!(read("[3] > [3] > [1]").unwrap(), [2, 0, 1, 3], "repeated, and two missing");
        assert_eq!(read("[9] > [0] > [4] > [123456789012345678901234]").unwrap(), [3, 0, 1, 2]);
        assert_eq!(read("The best is ②, then ³ and ４.").unwrap(), [1, 2, 3, 0]);
        assert_eq!(read("<think>[1] is weak</think> [2]").unwrap(), [1, 0, 2, 3]);
        assert_eq!(read("I cannot rank these."), None);
        assert_eq!(read(""), None);
        assert_eq!(read("[7]"), None, "none of these passages");
    }

    #[test]
    fn digits_of_every_kind_have_their_value() {
        for kind in ["0123456789", "０１２３４５６７８９", "⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"]
        {
            let values: Vec<u32> = kind.chars().map(|c| digit(c).unwrap()).collect();
            assert_eq!(values, (0..10).collect::<Vec<_>>(), "{kind}");
        }
        let encircled: Vec<u32> = "①⑨❶❾".chars().map(|c| digit(c).unwrap()).collect();
        assert_eq!(encircled, [1, 9, 1, 9]);
        assert_eq!(digit('x'), None);
    }

    #[test]
    fn identifiers_within_a_passage_are_no_identifiers() {
        assert_eq!(without_identifiers("as [12] and [b] [] [3"), "as (12) and [b] [] [3");
        assert_eq!(without_identifiers("plain"), "plain");
    }

    #[test]
    fn the_best_moves_to_the_front_window_by_window() {
        // Windows of two over a, b, c: (b, c) becomes (c, b), then (a, c) becomes (c, a): c, a, b with 3, 2, 1.
        let lent = Lent::new([("a", "one [1]"), ("b", "two"), ("c", "three four five six")]);
        let lent = lent.answering(["[2] > [1]", "2, 1"]);
        let found = lent.rerank(&config(), "count", &all(&lent));
        assert_eq!(lent.named(&found), [("c", 3.0), ("a", 2.0), ("b", 1.0)]);
        let asked = lent.asked();
        assert_eq!(asked[0].messages[0].content, "count\n[1] two\n[2] three four five\n2");
        assert_eq!(asked[1].messages[0].content, "count\n[1] one (1)\n[2] three four five\n2");
        assert_eq!((asked[0].model.as_str(), asked.len()), ("m", 2));
    }

    #[test]
    fn passes_are_made_one_after_the_other() {
        // First pass: c, a, b as above; the second keeps (a, b) and turns (c, a): a, c, b.
        let lent = Lent::new([("a", "1"), ("b", "2"), ("c", "3")]);
        let lent = lent.answering(["[2] > [1]", "[2] > [1]", "[1] > [2]", "[2] > [1]"]);
        let found = lent.rerank(&Config { passes: 2, ..config() }, "count", &all(&lent));
        assert_eq!(lent.named(&found), [("a", 3.0), ("c", 2.0), ("b", 1.0)]);
    }

    #[test]
    fn an_answer_without_an_identifier_is_refused_or_keeps_the_order() {
        let lent = Lent::new([("a", "1"), ("b", "2")]).answering(["Sorry."]);
        let error = lent.try_rerank(&config(), "count", &all(&lent)).unwrap_err().to_string();
        let expected = "query `q`: the model's answer has not one identifier of a passage: found `Sorry.`; change the prompt, or write unreadable = \"keep\"";
        assert_eq!(error, expected);
        let lent = Lent::new([("a", "1"), ("b", "2")]).answering(["Sorry."]);
        let mut config = config();
        config.ask.unreadable = Unreadable::Keep;
        let found = lent.rerank(&config, "count", &all(&lent));
        assert_eq!(lent.named(&found), [("a", 2.0), ("b", 1.0)]);
    }

    #[test]
    fn one_candidate_and_none_are_not_asked_about() {
        let lent = Lent::new([("a", "1")]).answering([]);
        assert_eq!(lent.named(&lent.rerank(&config(), "count", &all(&lent))), [("a", 1.0)]);
        assert!(lent.rerank(&config(), "count", &nir_core::Ranking::default()).is_empty());
        assert!(lent.asked().is_empty());
    }

    #[test]
    fn a_wrong_window_is_refused() {
        let check = |config: Config| config.check().unwrap_err();
        assert_eq!(check(Config { step: 3, ..config() }), "step = 3: expected 1 to 2, the window");
        assert!(check(Config { window: 1, ..config() }).starts_with("window = 1"));
        assert!(check(Config { passes: 0, ..config() }).starts_with("passes = 0"));
        assert_eq!(config().check(), Ok(()));
    }
}
