//! The rows of one dataset, and what is told of all of them together.

use std::collections::{BTreeMap, BTreeSet};

use nir_catalogue::{Library, Scope};
use nir_eval::significance::Comparison;
use serde::Serialize;

use crate::Question;
use crate::answers::{Answers, answers};
use crate::disagreement::{Disagreement, disagreements};
use crate::error::ReportError;
use crate::labels::{LabelScore, label_scores};
use crate::measured::Measured;
use crate::pairs::{Pairs, pairs};
use crate::row::{Row, mark_frontier, one_row};
use crate::significance::{Tested, judged, tested};
use crate::sources::{AtHand, Sources};
use crate::verdict::{Judged, verdict};

/// The rows of one dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// The name of the dataset.
    pub dataset: String,
    /// The collection it is a sample of, if it is one.
    pub sample_of: Option<String>,
    /// How many documents are searched.
    pub documents: usize,
    /// How many queries have judgements.
    pub queries: usize,
    /// How ties, missing queries and float widths are treated.
    pub policy: String,
    /// The names of the measures that are shown, as columns.
    pub measures: Vec<String>,
    /// The names of the measures that were asked for and that some cell does not record.
    pub not_recorded: Vec<String>,
    /// The machines on which the times were measured. Times can only be compared within one machine.
    pub machines: Vec<String>,
    /// Why the texts of queries and documents are not shown; `None` where they are.
    pub not_at_hand: Option<String>,
    /// One for each method and precision, in the order asked for.
    pub rows: Vec<Row>,
    /// What the comparison with the baseline says, in one sentence; empty where nothing is compared.
    pub verdict: String,
    /// All pairs of rows under the first measure, where three or more were measured on the same data.
    pub pairs: Option<Pairs>,
    /// The claims of papers about pairs of rows, and what the rows show.
    pub hypotheses: Vec<Tested>,
    /// The first measure by label of query, where the dataset has labels.
    pub labels: Vec<LabelScore>,
    /// Where the baseline and the best other row differ most, side by side.
    pub disagreements: Vec<Disagreement>,
    /// What any two rows answered where they differ most: for the page alone, which lets its reader choose the two.
    #[serde(skip)]
    pub(crate) answers: Option<Answers>,
}

/// The table of the rows of one dataset; `rows` is not empty.
pub(crate) fn table(
    question: &Question,
    rows: &[&Measured],
    library: &Library,
    sources: &dyn Sources,
) -> Result<Table, ReportError> {
    let baseline = baseline(question, rows);
    let first = &rows[baseline.unwrap_or(0)].cell;
    let (measures, not_recorded) = shown(question, rows);
    let against = judged(question, &measures, baseline, rows)?;
    let mut table = Table {
        dataset: first.dataset.clone(),
        sample_of: match &first.scope {
            Scope::Full => None,
            Scope::SampleOf(whole) => Some(whole.clone()),
        },
        documents: first.documents,
        queries: first.queries,
        policy: first.policy.clone(),
        rows: Vec::new(),
        verdict: sentence(question, baseline, rows, &against),
        pairs: if question.baseline.is_empty() { None } else { pairs(&measures, rows) },
        machines: machines(rows),
        hypotheses: tested(question, &measures, rows)?,
        labels: Vec::new(),
        disagreements: Vec::new(),
        answers: None,
        not_at_hand: None,
        not_recorded,
        measures,
    };
    for (i, row) in rows.iter().enumerate() {
        let baseline = baseline.map(|baseline| (baseline == i, rows[baseline]));
        table.rows.push(one_row(i, row, &table.measures, &against, baseline, library));
    }
    mark_frontier(&mut table.rows);
    let name = table.dataset.clone();
    let found = sources.with_dataset(&name, &mut |at_hand| {
        add_texts(&mut table, rows, at_hand, sources);
    });
    table.not_at_hand = table.not_at_hand.or(found.err());
    Ok(table)
}

/// The verdict over all comparisons of a table.
fn sentence(
    question: &Question,
    baseline: Option<usize>,
    rows: &[&Measured],
    against: &[Comparison],
) -> String {
    let Some(baseline) = baseline.filter(|_| !question.baseline.is_empty()) else {
        return String::new();
    };
    let judged = |one: &Comparison| Judged::new(rows[one.system].cell.label(), one);
    let judged: Vec<Judged> = against.iter().map(judged).collect();
    let queries = rows[baseline].per_query.queries.len();
    verdict("method", &rows[baseline].cell.label(), queries, &judged)
}

/// The index of the baseline's first row, which is the one in f32 if the baseline has a model.
fn baseline(question: &Question, rows: &[&Measured]) -> Option<usize> {
    rows.iter().position(|row| row.cell.method == question.baseline)
}

/// The measures that were asked for, in two lists: those that every row records, and the others.
/// If no measure that was asked for is recorded, the first list has all measures that every row records.
fn shown(question: &Question, rows: &[&Measured]) -> (Vec<String>, Vec<String>) {
    let recorded = |name: &String| {
        rows.iter()
            .all(|row| row.per_query.get(name).is_some() && row.cell.measures.contains_key(name))
    };
    let asked: Vec<String> = question.measures.iter().map(ToString::to_string).collect();
    let (found, missing): (Vec<_>, Vec<_>) = asked.into_iter().partition(recorded);
    if found.is_empty() {
        let all = rows[0].cell.measures.keys().filter(|name| recorded(name)).cloned();
        return (all.collect(), missing);
    }
    (found, missing)
}

/// The machines of the rows, each once: the name of the processor, after that of the device if it is another.
fn machines(rows: &[&Measured]) -> Vec<String> {
    let machine = |row: &&Measured| {
        let provenance = &row.cell.provenance;
        match provenance.device.as_str() {
            "cpu" => provenance.cpu.clone(),
            device => format!("{device} beside {}", provenance.cpu),
        }
    };
    rows.iter().map(machine).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Adds to `table` what needs the collection: the texts of queries, the values by label, the disagreements.
fn add_texts(table: &mut Table, rows: &[&Measured], at_hand: &AtHand<'_>, sources: &dyn Sources) {
    if rows.iter().any(|row| row.cell.provenance.dataset != at_hand.digest) {
        let name = &table.dataset;
        table.not_at_hand = Some(format!(
            "the local copy of `{name}` differs from the data that some row was measured on; `nir run` measures them again"
        ));
        return;
    }
    let texts: BTreeMap<&str, &str> = at_hand
        .queries
        .iter()
        .map(|query| (query.query_id.as_str(), query.text.as_str()))
        .collect();
    for difference in table.rows.iter_mut().flat_map(|row| &mut row.differences) {
        difference.text = texts.get(difference.query_id.as_str()).map(|&text| text.to_owned());
    }
    if let Some(measure) = table.measures.first() {
        table.labels = label_scores(measure, rows, at_hand.labels);
    }
    table.disagreements = disagreements(&table.dataset, &table.rows, at_hand, sources);
    if let Some(measure) = table.measures.first() {
        table.answers = answers(measure, rows, at_hand, sources);
    }
}
