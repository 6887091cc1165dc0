//! Whether a text has an answer in it.
//! Karpukhin et al., EMNLP 2020 (`karpukhin2020dpr`), by the rules of the program that measured their tables
//! (`dpr/data/qa_validation.py`, `dpr/utils/tokenizers.py`); Chen et al., ACL 2017, had them first (DrQA).
//!
//! Nobody judged 21 million passages for every question. A passage counts as relevant where one of the answers stands in it,
//! token by token. A token is a run of letters, digits and marks, or one other character that can be seen; text and answer are
//! taken apart by the same rules, after normal form D and before lower case.
//!
//! ```text
//! tokens(t) = lower(each match of [\p{L}\p{N}\p{M}]+ | [^\p{Z}\p{C}] in NFD(t))
//! rel(d)    = 1 where, for an answer a, tokens(a) is a contiguous part of tokens(text of d), else 0
//! ```
//!
//! What follows from the rules: `U.S.` is four tokens and does not stand in `US`; an accent is part of its word, so `Cafe` is not
//! `Café`; an answer without tokens stands in every text. The title of a document is not looked at.

use std::sync::LazyLock;

use nir_core::{Answers, Corpus, Judgements, Qrels, RankedList, TrecRun};
use rayon::prelude::*;
use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use crate::order::could_count;
use crate::{EvalError, Policy};

static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\p{L}\p{N}\p{M}]+|[^\p{Z}\p{C}]").expect("the expression is well formed")
});

/// The answers to one question, ready to be looked for.
#[derive(Debug, Clone)]
pub struct Wanted(Vec<String>);

impl Wanted {
    /// Takes the answers apart into tokens.
    pub fn new(answers: &[String]) -> Self {
        Self(answers.iter().map(|answer| tokens(answer)).collect())
    }

    /// Whether one of the answers stands in a text.
    pub fn are_in(&self, text: &str) -> bool {
        let text = tokens(text);
        self.0.iter().any(|answer| text.contains(answer))
    }
}

/// The tokens of a text in lower case, each with a line end behind it, and one before the first: as no token holds a line end,
/// a text contains another exactly where its tokens do.
fn tokens(text: &str) -> String {
    let text = normal_form(text);
    let mut lines = String::with_capacity(2 * text.len() + 1);
    lines.push('\n');
    for token in TOKEN.find_iter(&text) {
        // A final sigma depends on the letters before it: lower case is a matter of the token, not of the character.
        lines.push_str(&token.as_str().to_lowercase());
        lines.push('\n');
    }
    lines
}

fn normal_form(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() { text.into() } else { text.nfd().collect::<String>().into() }
}

/// Judges the documents of a run that can stand within the policy's depth: 1 for a document with an answer in it, else 0.
///
/// # Errors
///
/// Where the collection has no document of this name.
pub(crate) fn judge(
    answers: &Answers,
    corpus: &dyn Corpus,
    run: &TrecRun,
    policy: Policy,
) -> Result<Qrels, EvalError> {
    let nothing = RankedList::default();
    let asked: Vec<(&str, &[String])> = answers.iter().collect();
    let of_query = |&(query_id, answers): &(&str, &[String])| {
        let list = run.get(query_id).unwrap_or(&nothing);
        judge_list(query_id, &Wanted::new(answers), corpus, could_count(list, policy))
    };
    let judged = asked.par_iter().map(of_query).collect::<Result<Vec<_>, _>>()?;
    let mut qrels = Qrels::default();
    for ((query_id, _), judgements) in asked.into_iter().zip(judged) {
        qrels.insert_query(query_id, judgements);
    }
    Ok(qrels)
}

fn judge_list(
    query_id: &str,
    wanted: &Wanted,
    corpus: &dyn Corpus,
    doc_ids: Vec<&str>,
) -> Result<Judgements, EvalError> {
    let grade = |doc_id: &str| {
        let doc = corpus.doc_no(doc_id).ok_or_else(|| EvalError::NoText {
            query_id: query_id.to_owned(),
            doc_id: doc_id.to_owned(),
        })?;
        Ok((doc_id.to_owned(), i32::from(wanted.are_in(corpus.text(doc)))))
    };
    doc_ids.into_iter().map(grade).collect()
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};

    use super::*;
    use crate::{Measure, evaluate};

    fn has(answer: &str, text: &str) -> bool {
        Wanted::new(&[answer.to_owned()]).are_in(text)
    }

    #[test]
    fn a_text_is_words_and_single_signs() {
        assert_eq!(tokens("The U.S., in 1976"), "\nthe\nu\n.\ns\n.\n,\nin\n1976\n");
        assert_eq!(tokens("can't\t\u{a0}x2"), "\ncan\n'\nt\nx2\n");
        assert_eq!(tokens(" \n"), "\n");
    }

    #[test]
    fn an_answer_stands_in_a_text_token_by_token() {
        assert!(has("new york", "He left New York."));
        assert!(!has("york", "He left Yorkshire."), "a part of a token is not enough");
        assert!(!has("new york", "a new, York"), "the comma is a token between");
        assert!(!has("US", "the U.S."), "three tokens more");
    }

    #[test]
    fn an_accent_is_part_of_its_word_however_it_is_written() {
        assert!(
            has("Caf\u{e9}", "a CAFE\u{301} at noon"),
            "composed, and a letter with a mark behind it"
        );
        assert!(!has("Cafe", "a caf\u{e9}"));
    }

    #[test]
    fn an_answer_without_tokens_stands_in_every_text_and_a_longer_one_in_none() {
        assert!(has(" ", "tea") && has("", ""));
        assert!(!has("green tea", "tea"));
    }

    /// A line of what `tests/fixtures/record_answers.py` wrote: by the published rules, with Python's own Unicode.
    #[derive(serde::Deserialize)]
    struct Recorded {
        answers: Vec<String>,
        text: String,
        tokens: Vec<String>,
        has_answer: bool,
    }

    #[test]
    fn equals_the_recorded_cases() {
        let mut with_answer = 0;
        for line in include_str!("../tests/fixtures/answers.jsonl").lines() {
            let case: Recorded = serde_json::from_str(line).unwrap();
            let ours = tokens(&case.text);
            let ours: Vec<&str> = ours.split_terminator('\n').skip(1).collect();
            assert_eq!(ours, case.tokens, "{line}");
            assert_eq!(Wanted::new(&case.answers).are_in(&case.text), case.has_answer, "{line}");
            with_answer += usize::from(case.has_answer);
        }
        assert_eq!(with_answer, 235, "of 678");
    }

    fn corpus() -> Documents {
        let texts = [("d1", "Rain."), ("d2", "It was 1911 in Paris."), ("d3", "Paris, 1912")];
        let document = |(doc_id, text): (&str, &str)| Document {
            doc_id: doc_id.into(),
            title: "1911".into(),
            text: text.into(),
        };
        Documents::new(texts.map(document)).unwrap()
    }

    fn run(lines: &[(&str, &str, f64)]) -> TrecRun {
        let mut run = TrecRun::default();
        for &(query_id, doc_id, score) in lines {
            run.list_mut(query_id).push(doc_id, score, 1);
        }
        run
    }

    fn accuracy(run: &TrecRun, measure: &str) -> Result<(f64, f64), EvalError> {
        let answers: Answers =
            [("q1", vec!["1911".to_owned(), "1910".to_owned()]), ("q2", vec!["rain".to_owned()])]
                .into_iter()
                .collect();
        let corpus = corpus();
        let measure: Measure = measure.parse().unwrap();
        let judged = crate::Judged::Answers(&answers, &corpus);
        let evaluation = evaluate(judged, run, &[measure], Policy::default())?;
        Ok((evaluation.measured[0].value, evaluation.measured[0].ties.worst))
    }

    #[test]
    fn the_share_of_questions_with_an_answer_among_the_first_k() {
        // q1 finds `1911` in the text of d2 at rank 2, the title of d1 does not count; q2 has no results and counts 0.
        let run = run(&[("q1", "d1", 2.0), ("q1", "d2", 1.0)]);
        assert_eq!(accuracy(&run, "Accuracy@1"), Ok((0.0, 0.0)));
        assert_eq!(accuracy(&run, "Accuracy@2"), Ok((0.5, 0.5)));
    }

    #[test]
    fn a_tie_at_the_last_rank_leaves_the_value_open() {
        // d2 and d3 share ranks 1 and 2; d3 is the larger name and stands first.
        let run = run(&[("q1", "d2", 1.0), ("q1", "d3", 1.0), ("q2", "d1", 1.0)]);
        assert_eq!(accuracy(&run, "Accuracy@1"), Ok((0.5, 0.5)));
        assert_eq!(accuracy(&run, "Accuracy@2"), Ok((1.0, 1.0)));
    }

    #[test]
    fn what_has_no_text_or_no_grade_is_refused() {
        let error = accuracy(&run(&[("q1", "d9", 1.0)]), "Accuracy@1").unwrap_err().to_string();
        assert!(error.starts_with("query `q1`: document `d9` is not in the collection"), "{error}");
        let error = accuracy(&run(&[]), "nDCG@10").unwrap_err().to_string();
        assert!(error.starts_with("nDCG@10 needs judgements"), "{error}");
        let measure: Measure = "Accuracy@5".parse().unwrap();
        let error = evaluate(&Qrels::default(), &run(&[]), &[measure], Policy::default());
        assert!(error.unwrap_err().to_string().starts_with("Accuracy@5 needs answers"));
    }
}
