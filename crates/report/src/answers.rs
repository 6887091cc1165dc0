//! What every row answered to the queries on which some two rows differ most: the page shows any two of them side by side.

use std::collections::{BTreeSet, HashMap};

use nir_core::TrecRun;
use serde::Serialize;

use crate::disagreement::{DOCUMENTS, QUERIES, text};
use crate::measured::Measured;
use crate::sources::{AtHand, Sources};

/// The answers of all rows to some queries.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Answers {
    /// The name of the measure by which the rows differ.
    measure: String,
    /// The names of the rows.
    rows: Vec<String>,
    /// Which rows have rankings to show.
    has_run: Vec<bool>,
    /// The documents that are shown, each once: `doc_id` and the beginning of the text.
    documents: Vec<(String, String)>,
    /// The queries.
    queries: Vec<Answered>,
}

/// One query and what the rows made of it.
#[derive(Debug, Clone, Serialize)]
struct Answered {
    query_id: String,
    text: String,
    /// The value of each row.
    values: Vec<f64>,
    /// The best documents of each row: the place in `documents`, and the grade if it is judged.
    best: Vec<Vec<(usize, Option<i32>)>>,
}

/// The answers of all rows, if they were measured over the same queries and there is a ranking of at least two of them.
pub(crate) fn answers(
    measure: &str,
    rows: &[&Measured],
    at_hand: &AtHand<'_>,
    sources: &dyn Sources,
) -> Option<Answers> {
    let first = rows.first()?;
    if rows.len() < 2 || !rows.iter().all(|row| row.is_paired(first)) {
        return None;
    }
    let run = |row: &&Measured| sources.run(&row.cell.provenance.run);
    let runs: Vec<Option<TrecRun>> = rows.iter().map(run).collect();
    if runs.iter().flatten().count() < 2 {
        return None;
    }
    let values: Vec<&[f64]> = rows.iter().map(|row| row.values(measure)).collect();
    let mut shown = Documents { at_hand, places: HashMap::new(), found: Vec::new() };
    let texts: HashMap<&str, &str> = at_hand
        .queries
        .iter()
        .map(|query| (query.query_id.as_str(), query.text.as_str()))
        .collect();
    let answered = |query: usize| {
        let query_id = &first.per_query.queries[query];
        Answered {
            query_id: query_id.clone(),
            text: texts.get(query_id.as_str()).copied().unwrap_or_default().to_owned(),
            values: values.iter().map(|values| values[query]).collect(),
            best: runs.iter().map(|run| shown.best(run.as_ref(), query_id)).collect(),
        }
    };
    let queries = moved_most(&values).into_iter().map(answered).collect();
    Some(Answers {
        measure: measure.to_owned(),
        rows: rows.iter().map(|row| row.cell.label()).collect(),
        has_run: runs.iter().map(Option::is_some).collect(),
        documents: shown.found,
        queries,
    })
}

/// The queries that are among the [`QUERIES`] of largest gain or loss between any two rows, in their order.
fn moved_most(values: &[&[f64]]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (i, left) in values.iter().enumerate() {
        for right in &values[i + 1..] {
            let difference = |&query: &usize| right[query] - left[query];
            let mut moved: Vec<usize> =
                (0..left.len()).filter(|query| difference(query) != 0.0).collect();
            moved.sort_by(|a, b| difference(b).total_cmp(&difference(a)));
            found.extend(moved.iter().take(QUERIES).chain(moved.iter().rev().take(QUERIES)));
        }
    }
    found
}

/// The documents that are shown, each stored once.
struct Documents<'a> {
    at_hand: &'a AtHand<'a>,
    places: HashMap<String, usize>,
    found: Vec<(String, String)>,
}

impl Documents<'_> {
    fn best(&mut self, run: Option<&TrecRun>, query_id: &str) -> Vec<(usize, Option<i32>)> {
        let list = run.and_then(|run| run.get(query_id)).into_iter();
        // A run file of ours is written in the order of its ranking.
        let best = list.flat_map(|list| list.iter().take(DOCUMENTS));
        let judged = self.at_hand.judged;
        best.map(|(doc_id, _)| (self.place(doc_id), judged.grade(query_id, doc_id))).collect()
    }

    fn place(&mut self, doc_id: &str) -> usize {
        if let Some(&place) = self.places.get(doc_id) {
            return place;
        }
        let place = self.found.len();
        self.places.insert(doc_id.to_owned(), place);
        self.found.push((doc_id.to_owned(), text(doc_id, self.at_hand)));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_any_two_rows_answer_differently_is_kept() {
        // Rows 0 and 1 differ on query 1 alone, row 2 on 4 from both; query 0 is the same for all.
        let (a, b, c) =
            ([0.5, 0.0, 0.2, 0.2, 0.1], [0.5, 1.0, 0.2, 0.2, 0.1], [0.5, 0.0, 0.2, 0.2, 0.9]);
        assert_eq!(moved_most(&[&a, &b, &c]), [1, 4].into());
        assert_eq!(moved_most(&[&a, &a]), BTreeSet::new());
    }
}
