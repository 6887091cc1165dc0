//! Failure analysis: the queries on which two methods differ most, and what each put on top.

use std::collections::HashSet;

use nir_core::TrecRun;
use serde::Serialize;

use crate::row::{QueryDifference, Row};
use crate::sources::{AtHand, Part, Parts, Sources};

/// One query that two methods answer differently.
#[derive(Debug, Clone, Serialize)]
pub struct Disagreement {
    /// The id of the query.
    pub query_id: String,
    /// The text of the query.
    pub text: String,
    /// The difference in the first measure: the right method less the left one.
    pub difference: f64,
    /// The baseline's answer.
    pub left: Side,
    /// The other method's answer.
    pub right: Side,
}

/// The documents that one method ranked highest.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// The name of the method to show.
    pub name: String,
    /// The best documents of the method, in the order of its ranking.
    pub documents: Vec<Shown>,
}

/// One document of a ranking.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The rank, counted from 1.
    pub rank: usize,
    /// The `doc_id`.
    pub doc_id: String,
    /// The score that the method gave it.
    pub score: f64,
    /// The grade that assessors gave it; `None` for a document that nobody judged.
    pub grade: Option<i32>,
    /// The beginning of its text.
    pub text: String,
    /// Whether the other method has it among those shown.
    pub is_shared: bool,
    /// What the method saw in it, where that can be told; the largest parts of the score first.
    pub parts: Vec<Part>,
}

/// The number of queries that are shown in each direction.
pub(crate) const QUERIES: usize = 3;
/// The number of documents that are shown for each query and method.
pub(crate) const DOCUMENTS: usize = 5;
/// The number of parts of a score that are shown for each document.
const PARTS: usize = 6;
/// The number of characters that are shown of a document.
const CHARACTERS: usize = 220;

/// Where the baseline and the best other row differ most; nothing if a run file of theirs is gone.
pub(crate) fn disagreements(
    dataset: &str,
    rows: &[Row],
    at_hand: &AtHand<'_>,
    sources: &dyn Sources,
) -> Vec<Disagreement> {
    let best = |a: &&Row, b: &&Row| a.values[0].value.total_cmp(&b.values[0].value);
    let baseline = rows.iter().find(|row| row.is_baseline);
    let other = rows.iter().filter(|row| !row.differences.is_empty()).max_by(best);
    let (Some(left), Some(right)) = (baseline, other) else { return Vec::new() };
    let run = |row: &Row| sources.run(&row.provenance.run);
    let (Some(left_run), Some(right_run)) = (run(left), run(right)) else { return Vec::new() };
    let queries = extremes(&right.differences, QUERIES);
    let query_ids: Vec<&str> = queries.iter().map(|query| query.query_id.as_str()).collect();
    let parts = |row: &Row| sources.parts(&row.method, dataset, &query_ids, DOCUMENTS);
    let sides = [(left, left_run, parts(left)), (right, right_run, parts(right))];
    let show = |query: &QueryDifference| {
        let mut sides = [&sides[0], &sides[1]]
            .map(|(row, run, parts)| side(&row.name, run, parts, &query.query_id, at_hand));
        mark_shared(&mut sides);
        let [left, right] = sides;
        let text = query.text.clone().unwrap_or_default();
        Disagreement {
            query_id: query.query_id.clone(),
            text,
            difference: query.difference,
            left,
            right,
        }
    };
    queries.into_iter().map(show).collect()
}

/// The first `count` that got better and the last `count` that got worse, worst first.
pub(crate) fn extremes(sorted: &[QueryDifference], count: usize) -> Vec<&QueryDifference> {
    let better = sorted.iter().take_while(|one| one.difference > 0.0).take(count);
    let worse = sorted.iter().rev().take_while(|one| one.difference < 0.0).take(count);
    better.chain(worse).collect()
}

fn side(name: &str, run: &TrecRun, parts: &Parts, query_id: &str, at_hand: &AtHand<'_>) -> Side {
    let list = run.get(query_id);
    // A run file of ours is written in the order of its ranking.
    let top = list.into_iter().flat_map(|list| list.iter().take(DOCUMENTS)).enumerate();
    let documents = top.map(|(i, (doc_id, entry))| {
        let parts = parts.get(&(query_id.to_owned(), doc_id.to_owned()));
        Shown {
            rank: i + 1,
            doc_id: doc_id.to_owned(),
            score: entry.score,
            grade: at_hand.judged.grade(query_id, doc_id),
            text: text(doc_id, at_hand),
            is_shared: false,
            parts: parts.into_iter().flatten().take(PARTS).cloned().collect(),
        }
    });
    Side { name: name.to_owned(), documents: documents.collect() }
}

pub(crate) fn text(doc_id: &str, at_hand: &AtHand<'_>) -> String {
    let corpus = at_hand.corpus;
    corpus.doc_no(doc_id).map(|doc| beginning(corpus.contents(doc))).unwrap_or_default()
}

/// The first characters of a text, to the end of a word.
fn beginning(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(CHARACTERS) else { return text.to_owned() };
    let end = text[..end].rfind(' ').unwrap_or(end);
    format!("{} …", &text[..end])
}

fn mark_shared([left, right]: &mut [Side; 2]) {
    let names = |side: &Side| -> HashSet<String> {
        side.documents.iter().map(|document| document.doc_id.clone()).collect()
    };
    let shared: HashSet<String> = names(left).intersection(&names(right)).cloned().collect();
    for document in left.documents.iter_mut().chain(&mut right.documents) {
        document.is_shared = shared.contains(&document.doc_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_with_a_word() {
        assert_eq!(beginning("short"), "short");
        let long = "wörter ".repeat(60);
        let cut = beginning(&long);
        assert!(cut.ends_with("wörter …") && cut.chars().count() <= CHARACTERS + 2, "{cut}");
    }

    #[test]
    fn only_what_moved_is_shown_and_the_worst_comes_first() {
        let moved = |query_id: &str, difference| QueryDifference {
            query_id: query_id.into(),
            difference,
            text: None,
        };
        let sorted =
            [moved("a", 0.5), moved("b", 0.0), moved("c", 0.0), moved("d", -0.1), moved("e", -0.4)];
        let shown = extremes(&sorted, 3);
        assert_eq!(shown.iter().map(|one| &*one.query_id).collect::<Vec<_>>(), ["a", "e", "d"]);
    }
}
