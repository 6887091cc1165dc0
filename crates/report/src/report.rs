//! The facts of a report, read from cells. Nothing here knows how they are shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use nir_catalogue::{
    Cell, Claimed, Latency, Library, Paper, PerQuery, PerQueryError, Provenance, Scope, StageCost,
};
use nir_core::{Corpus, Qrels, Queries, TrecRun};
use nir_eval::significance::{Comparison as Judged, Differences};
use nir_eval::{Measure, MeasureError};
use serde::Serialize;

use crate::disagreement::{Disagreement, disagreements};
use crate::{ALPHA, ConfigFile, Question};

/// A comparison with everything that is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was asked.
    pub title: String,
    /// The file that asked, where there is one.
    pub config: Option<ConfigFile>,
    /// The method that the others are tested against.
    pub baseline: String,
    /// The paired test.
    pub test: String,
    /// The correction for several comparisons.
    pub correction: String,
    /// The seed of the test and of the intervals.
    pub seed: u64,
    /// How many random samples they draw.
    pub samples: u32,
    /// Below this, a corrected p-value marks a row.
    pub alpha: f64,
    /// One for each dataset; full collections first, samples after them.
    pub tables: Vec<Table>,
    /// What was asked for and has no result: dataset and method.
    pub absent: Vec<(String, String)>,
    /// The entries of the list behind the rows.
    pub entries: Vec<Entry>,
    /// What repeats it.
    pub commands: Vec<String>,
}

/// The rows of one dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// The dataset.
    pub dataset: String,
    /// The collection it is a sample of, if it is one.
    pub sample_of: Option<String>,
    /// Documents searched.
    pub documents: usize,
    /// Judged queries.
    pub queries: usize,
    /// How ties, missing queries and float widths are treated.
    pub policy: String,
    /// What is shown.
    pub measures: Vec<String>,
    /// What was asked for and is not in the cells.
    pub not_recorded: Vec<String>,
    /// The machines that the times were taken on: times compare within one.
    pub machines: Vec<String>,
    /// Why no text of a query or document is shown; nothing where it is.
    pub not_at_hand: Option<String>,
    /// One for each method and precision, in the order asked for.
    pub rows: Vec<Row>,
    /// What papers say of two rows, and what the rows say.
    pub hypotheses: Vec<Tested>,
    /// The first measure by label of query, where the dataset has labels.
    pub labels: Vec<LabelScore>,
    /// Where the baseline and the best other row differ most, side by side.
    pub disagreements: Vec<Disagreement>,
}

/// One method on one dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// From 1, as plots have it.
    pub number: usize,
    /// The method.
    pub method: String,
    /// Its name in tables.
    pub name: String,
    /// The key of its paper.
    pub paper: String,
    /// How it departs from the paper, where it does.
    pub differs: Option<String>,
    /// Whether the others are tested against it.
    pub is_baseline: bool,
    /// Whether its config has changed since it ran.
    pub is_stale: bool,
    /// The arithmetic of its models, where it has any.
    pub precision: Option<String>,
    /// No other row is both better and faster.
    pub on_frontier: bool,
    /// Measure by measure, as `Table::measures`.
    pub values: Vec<Value>,
    /// One query at a time.
    pub latency: Latency,
    /// What each stage cost.
    pub stages: Vec<StageCost>,
    /// Threads of the stages' times.
    pub threads: usize,
    /// The largest resident set in bytes.
    pub peak_bytes: Option<u64>,
    /// Printed numbers beside ours.
    pub claims: Vec<Claimed>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The first measure less the baseline's, best first; none for the baseline itself.
    pub differences: Vec<QueryDifference>,
}

/// A measure of a row.
#[derive(Debug, Clone, Serialize)]
pub struct Value {
    /// Which.
    pub measure: String,
    /// The mean over all judged queries.
    pub value: f64,
    /// Queries whose value depends on the order of ties.
    pub tied_queries: usize,
    /// Against the baseline, where that can be told.
    pub against: Option<Against>,
}

/// What a paper says of two rows, held to them.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    /// In words.
    pub says: String,
    /// The key of the paper.
    pub paper: String,
    /// The row that is said to be better.
    pub better: String,
    /// Than this one.
    pub than: String,
    /// Under which measure.
    pub measure: String,
    /// The better row against the other; corrected over all hypotheses of the table.
    pub against: Against,
    /// What follows.
    pub verdict: Finding,
}

/// What a paired test says of a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Significantly better.
    Held,
    /// Significantly worse.
    NotHeld,
    /// Neither.
    Undecided,
}

impl Finding {
    fn of(against: &Against) -> Self {
        match (against.is_significant, against.difference > 0.0) {
            (true, true) => Self::Held,
            (true, false) => Self::NotHeld,
            (false, _) => Self::Undecided,
        }
    }
}

/// Of a p-value's last digits the build's mathematical functions decide, not the data.
fn six_digits(p: f64) -> f64 {
    format!("{p:.5e}").parse().unwrap_or(p)
}

/// A row against the baseline under one measure.
#[derive(Debug, Clone, Serialize)]
pub struct Against {
    /// The mean difference.
    pub difference: f64,
    /// Where that mean lies in 95 of 100 drawings of queries: from here.
    pub low: f64,
    /// To here.
    pub high: f64,
    /// What the test says of it alone.
    pub p: f64,
    /// And as one of all comparisons in the table.
    pub corrected_p: f64,
    /// Whether that is below the level.
    pub is_significant: bool,
    /// The difference in its own standard deviations.
    pub effect_size: f64,
    /// Queries won, tied and lost.
    pub tally: [usize; 3],
}

/// One query of one row.
#[derive(Debug, Clone, Serialize)]
pub struct QueryDifference {
    /// Which query.
    pub query_id: String,
    /// Row less baseline.
    pub difference: f64,
    /// The query itself, where its text is at hand.
    pub text: Option<String>,
}

/// The queries of one label.
#[derive(Debug, Clone, Serialize)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// How many queries have it.
    pub queries: usize,
    /// The mean of the table's first measure, row by row.
    pub values: Vec<f64>,
}

/// An entry of the list and the rows that run it.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// As the list gives it.
    pub paper: Paper,
    /// Names of the methods in this report.
    pub methods: Vec<String>,
}

/// What is at hand of a dataset beside its cells. Only a collection of the digest that the cells name is used.
pub struct AtHand<'a> {
    /// The digest of all of it.
    pub digest: String,
    /// The documents.
    pub corpus: &'a dyn Corpus,
    /// The queries.
    pub queries: &'a Queries,
    /// The judgements.
    pub qrels: &'a Qrels,
    /// The labels of queries.
    pub labels: &'a BTreeMap<String, Vec<String>>,
}

/// Where a report finds more than cells say.
pub trait Sources {
    /// Hands what is at hand of a dataset to `read`; an error says how to get it.
    fn with_dataset(&self, name: &str, read: &mut dyn FnMut(&AtHand<'_>)) -> Result<(), String>;
    /// The run file with this digest, if it is still somewhere.
    fn run(&self, digest: &str) -> Option<TrecRun>;
    /// What a method saw in the best `top` documents of some queries; empty where only running it anew would tell.
    fn parts(&self, method: &str, dataset: &str, query_ids: &[&str], top: usize) -> Parts;
}

/// What adds up to a score, by query and document, the largest first.
pub type Parts = HashMap<(String, String), Vec<Part>>;

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// A term, two tokens that are alike, or a rank elsewhere.
    pub what: String,
    /// What it adds.
    pub score: f32,
}

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nothing of what was asked has run.
    #[error("no result of `{what}` in {results}; `nir {made_by} {arguments}` makes them")]
    NoCells {
        /// What was asked.
        what: String,
        /// Where results were looked for.
        results: String,
        /// The subcommand.
        made_by: &'static str,
        /// What to type after it.
        arguments: String,
    },
    /// The measures of each query cannot be read.
    #[error(transparent)]
    PerQuery(#[from] PerQueryError),
    /// A cell records a measure that this version does not know.
    #[error(transparent)]
    Measure(#[from] MeasureError),
}

/// A cell with its measures query by query.
struct Measured<'a> {
    cell: &'a Cell,
    per_query: PerQuery,
}

impl Report {
    /// Collects what `results` has of a question.
    pub fn new(
        question: &Question,
        results: &Path,
        cells: &[Cell],
        library: &Library,
        sources: &dyn Sources,
    ) -> Result<Self, ReportError> {
        let mut absent = Vec::new();
        let mut tables = Vec::new();
        for dataset in &question.datasets {
            let rows = rows_of(question, dataset, results, cells, &mut absent)?;
            if !rows.is_empty() {
                tables.push(table(question, &rows, library, sources)?);
            }
        }
        if tables.is_empty() {
            return Err(ReportError::NoCells {
                what: question.what.clone(),
                results: results.display().to_string(),
                made_by: question.made_by,
                arguments: question.arguments(),
            });
        }
        tables.sort_by_key(|table| table.sample_of.is_some());
        let settings = &question.settings;
        Ok(Self {
            title: question.what.clone(),
            config: question.config.clone(),
            baseline: question.baseline.clone(),
            test: settings.test.to_string(),
            correction: settings.correction.to_string(),
            seed: settings.seed,
            samples: settings.samples,
            alpha: ALPHA,
            entries: entries(&tables, library),
            commands: commands(question, &tables),
            tables,
            absent,
        })
    }
}

fn rows_of<'a>(
    question: &Question,
    dataset: &str,
    results: &Path,
    cells: &'a [Cell],
    absent: &mut Vec<(String, String)>,
) -> Result<Vec<Measured<'a>>, ReportError> {
    let mut rows = Vec::new();
    for method in &question.methods {
        let before = rows.len();
        for cell in cells.iter().filter(|cell| cell.dataset == dataset && &cell.method == method) {
            let path = results.join(cell.path()).with_extension("queries.tsv");
            rows.push(Measured { cell, per_query: PerQuery::read(&path)? });
        }
        if rows.len() == before {
            absent.push((dataset.to_owned(), method.clone()));
        }
    }
    Ok(rows)
}

fn table(
    question: &Question,
    rows: &[Measured<'_>],
    library: &Library,
    sources: &dyn Sources,
) -> Result<Table, ReportError> {
    let baseline = baseline(question, rows);
    let first = rows[baseline.unwrap_or(0)].cell;
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
        machines: machines(rows),
        hypotheses: tested(question, &measures, rows)?,
        labels: Vec::new(),
        disagreements: Vec::new(),
        not_at_hand: None,
        not_recorded,
        measures,
    };
    for (i, row) in rows.iter().enumerate() {
        let baseline = baseline.map(|baseline| (baseline == i, &rows[baseline]));
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

/// The baseline's first row: that in f32, if it has a model.
fn baseline(question: &Question, rows: &[Measured<'_>]) -> Option<usize> {
    rows.iter().position(|row| row.cell.method == question.baseline)
}

/// Which measures every row has, of those asked for; and which were asked for in vain. Where no measure that was asked for
/// was recorded, all that were.
fn shown(question: &Question, rows: &[Measured<'_>]) -> (Vec<String>, Vec<String>) {
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

/// Every row against the baseline under every measure: one family. Rows over other data than the baseline's are left out.
fn judged(
    question: &Question,
    measures: &[String],
    baseline: Option<usize>,
    rows: &[Measured<'_>],
) -> Result<Vec<Judged>, ReportError> {
    let Some(baseline) = baseline else { return Ok(Vec::new()) };
    let mut family = Vec::new();
    for (system, row) in rows.iter().enumerate() {
        if system == baseline || !is_paired(row, &rows[baseline]) {
            continue;
        }
        for name in measures {
            let measure: Measure = name.parse()?;
            if measure.is_effectiveness() {
                let values = differences(row, &rows[baseline], name);
                family.push(Differences { system, measure, values });
            }
        }
    }
    Ok(question.settings.judge(&family))
}

/// The hypotheses whose two rows are there, under the first measure: one family.
fn tested(
    question: &Question,
    measures: &[String],
    rows: &[Measured<'_>],
) -> Result<Vec<Tested>, ReportError> {
    let (Some(name), false) = (measures.first(), question.hypotheses.is_empty()) else {
        return Ok(Vec::new());
    };
    let measure: Measure = name.parse()?;
    let row = |method: &str| rows.iter().find(|row| row.cell.method == method);
    let mut family = Vec::new();
    for (system, hypothesis) in question.hypotheses.iter().enumerate() {
        let (better, than) = (row(hypothesis.better.as_ref()), row(hypothesis.than.as_ref()));
        if let (Some(better), Some(than)) = (better, than)
            && is_paired(better, than)
        {
            family.push(Differences { system, measure, values: differences(better, than, name) });
        }
    }
    let judged = question.settings.judge(&family);
    Ok(judged.iter().map(|judged| Tested::new(question, name, judged)).collect())
}

impl Tested {
    fn new(question: &Question, measure: &str, judged: &Judged) -> Self {
        let hypothesis = &question.hypotheses[judged.system];
        let against = Against::of(judged);
        Self {
            says: hypothesis.says.clone(),
            paper: hypothesis.paper.clone(),
            better: hypothesis.better.as_ref().clone(),
            than: hypothesis.than.as_ref().clone(),
            measure: measure.to_owned(),
            verdict: Finding::of(&against),
            against,
        }
    }
}

fn is_paired(row: &Measured<'_>, baseline: &Measured<'_>) -> bool {
    row.cell.provenance.dataset == baseline.cell.provenance.dataset
        && row.cell.policy == baseline.cell.policy
        && row.per_query.queries == baseline.per_query.queries
}

fn differences(row: &Measured<'_>, baseline: &Measured<'_>, measure: &str) -> Vec<f64> {
    let values = |of: &Measured<'_>| of.per_query.get(measure).unwrap_or_default().to_vec();
    values(row).iter().zip(values(baseline)).map(|(ours, theirs)| ours - theirs).collect()
}

fn machines(rows: &[Measured<'_>]) -> Vec<String> {
    let machine = |row: &Measured<'_>| {
        let provenance = &row.cell.provenance;
        match provenance.device.as_str() {
            "cpu" => provenance.cpu.clone(),
            device => format!("{device} beside {}", provenance.cpu),
        }
    };
    rows.iter().map(machine).collect::<BTreeSet<_>>().into_iter().collect()
}

fn one_row(
    i: usize,
    row: &Measured<'_>,
    measures: &[String],
    against: &[Judged],
    baseline: Option<(bool, &Measured<'_>)>,
    library: &Library,
) -> Row {
    let cell = row.cell;
    let config = library.methods.get(&cell.method);
    let value = |name: &String| Value {
        measure: name.clone(),
        value: cell.measures[name].value,
        tied_queries: cell.measures[name].tied_queries,
        against: against
            .iter()
            .find(|one| one.system == i && &one.measure.to_string() == name)
            .map(Against::of),
    };
    Row {
        number: i + 1,
        method: cell.method.clone(),
        name: cell.label(),
        paper: cell.paper.clone(),
        differs: config.and_then(|method| method.card.differs.clone()),
        is_baseline: baseline.is_some_and(|(is_baseline, _)| is_baseline),
        is_stale: config.is_some_and(|method| method.digest().hex() != cell.provenance.config),
        precision: cell.precision.clone(),
        on_frontier: false,
        values: measures.iter().map(value).collect(),
        latency: cell.cost.latency.clone(),
        stages: cell.cost.stages.clone(),
        threads: cell.cost.threads,
        peak_bytes: cell.cost.peak_bytes,
        claims: cell.claims.clone(),
        provenance: cell.provenance.clone(),
        differences: match (baseline, measures.first()) {
            (Some((false, baseline)), Some(measure)) if is_paired(row, baseline) => {
                query_differences(row, baseline, measure)
            }
            _ => Vec::new(),
        },
    }
}

impl Against {
    fn of(judged: &Judged) -> Self {
        Self {
            difference: judged.difference,
            low: judged.interval.low,
            high: judged.interval.high,
            p: six_digits(judged.outcome.p),
            corrected_p: six_digits(judged.corrected_p),
            is_significant: judged.corrected_p < ALPHA,
            effect_size: judged.effect_size,
            tally: [judged.tally.wins, judged.tally.ties, judged.tally.losses],
        }
    }
}

fn query_differences(
    row: &Measured<'_>,
    baseline: &Measured<'_>,
    measure: &str,
) -> Vec<QueryDifference> {
    let names = row.per_query.queries.iter().cloned();
    let mut found: Vec<QueryDifference> = names
        .zip(differences(row, baseline, measure))
        .map(|(query_id, difference)| QueryDifference { query_id, difference, text: None })
        .collect();
    found.sort_by(|a, b| b.difference.total_cmp(&a.difference));
    found
}

/// Marks the rows that no other row beats in the first measure without being slower.
fn mark_frontier(rows: &mut [Row]) {
    let mut order: Vec<usize> = (0..rows.len()).filter(|&i| !rows[i].values.is_empty()).collect();
    let point = |row: &Row| (row.latency.p50_ms, row.values[0].value);
    order.sort_by(|&a, &b| {
        let ((time_a, value_a), (time_b, value_b)) = (point(&rows[a]), point(&rows[b]));
        time_a.total_cmp(&time_b).then(value_b.total_cmp(&value_a))
    });
    let mut best = f64::NEG_INFINITY;
    for i in order {
        let (_, value) = point(&rows[i]);
        rows[i].on_frontier = value > best;
        best = best.max(value);
    }
}

fn add_texts(
    table: &mut Table,
    rows: &[Measured<'_>],
    at_hand: &AtHand<'_>,
    sources: &dyn Sources,
) {
    if rows.iter().any(|row| row.cell.provenance.dataset != at_hand.digest) {
        let name = &table.dataset;
        table.not_at_hand = Some(format!(
            "`{name}` at hand is not the one that every row was measured on; `nir run` measures them again"
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
    table.labels = label_scores(table, rows, at_hand.labels);
    table.disagreements = disagreements(table, at_hand, sources);
}

fn label_scores(
    table: &Table,
    rows: &[Measured<'_>],
    labels: &BTreeMap<String, Vec<String>>,
) -> Vec<LabelScore> {
    let Some(measure) = table.measures.first() else { return Vec::new() };
    let known: BTreeSet<&String> = labels.values().flatten().collect();
    let mean = |row: &Measured<'_>, label: &String| {
        let values = row.per_query.get(measure).unwrap_or_default();
        let names = row.per_query.queries.iter();
        let of_label = names.zip(values).filter(|(query, _)| has(labels, query, label));
        let values: Vec<f64> = of_label.map(|(_, &value)| value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let score = |label: &String| LabelScore {
        label: label.clone(),
        queries: rows[0].per_query.queries.iter().filter(|query| has(labels, query, label)).count(),
        values: rows.iter().map(|row| mean(row, label)).collect(),
    };
    known.into_iter().map(score).filter(|score| score.queries > 0).collect()
}

fn has(labels: &BTreeMap<String, Vec<String>>, query: &str, label: &String) -> bool {
    labels.get(query).is_some_and(|labels| labels.contains(label))
}

/// The papers of the rows, each once, in the order of the rows.
fn entries(tables: &[Table], library: &Library) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        match entries.iter_mut().find(|entry| entry.paper.key == row.paper) {
            Some(entry) if entry.methods.contains(&row.method) => {}
            Some(entry) => entry.methods.push(row.method.clone()),
            None => entries.extend(
                library
                    .papers
                    .get(&row.paper)
                    .map(|paper| Entry { paper: paper.clone(), methods: vec![row.method.clone()] }),
            ),
        }
    }
    entries
}

/// What repeats a report, from a clone at the commit that each row names.
fn commands(question: &Question, tables: &[Table]) -> Vec<String> {
    let fetched =
        |table: &&Table| table.rows.first().is_some_and(|row| row.provenance.origin != "embedded");
    let fetch: Vec<&str> =
        tables.iter().filter(fetched).map(|table| table.dataset.as_str()).collect();
    let mut commands = Vec::new();
    if !fetch.is_empty() {
        commands.push(format!("nir fetch {}", fetch.join(" ")));
    }
    let arguments = question.arguments();
    commands.push(format!("nir {} {arguments}", question.made_by));
    commands.push(format!("nir report {arguments} --out report.html"));
    commands
}
