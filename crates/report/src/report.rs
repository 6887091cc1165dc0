//! The facts of a report, read from cells. Nothing here knows how they are shown.

use std::path::Path;

use nir_catalogue::{Library, Paper};
use nir_eval::significance::LEVEL;
use serde::Serialize;

use crate::error::ReportError;
use crate::means::Means;
use crate::measured::{Measured, rows_of};
use crate::sources::Sources;
use crate::table::{Table, table};
use crate::verdict::list;
use crate::{ConfigFile, Question};

/// A comparison of methods on datasets: settings, tables, list entries and the commands that repeat it.
///
/// ```
/// use std::path::Path;
///
/// use nir_catalogue::{Comparison, Library, Source, read_cells};
/// use nir_core::TrecRun;
/// use nir_report::{AtHand, Format, Measured, Parts, Question, Report, Sources, report_text};
///
/// /// Neither collections nor rankings: the page is made of results alone.
/// struct Nothing;
///
/// impl Sources for Nothing {
///     fn with_dataset(&self, name: &str, _: &mut dyn FnMut(&AtHand<'_>)) -> Result<(), String> {
///         Err(format!("run `nir fetch {name}`"))
///     }
///     fn run(&self, _: &str) -> Option<TrecRun> {
///         None
///     }
///     fn parts(&self, _: &str, _: &str, _: &[&str], _: usize) -> Parts {
///         Parts::new()
///     }
/// }
///
/// let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
/// let text = std::fs::read_to_string(checkout.join("configs/quickstart.toml"))?;
/// let comparison = Comparison::parse(Source::new("configs/quickstart.toml", text))?;
/// let results = checkout.join("results");
/// let read = |cell| Measured::read(&results, cell);
/// let measured = read_cells(&results)?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
///
/// let question = Question::of(&comparison)?;
/// let report = Report::new(&question, &results, &measured, &Library::default(), &Nothing)?;
/// assert_eq!(report.tables[0].rows.len(), comparison.methods.len());
/// assert!(report_text(&report, Format::Markdown).contains("nDCG@10"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What is compared with what on what, in words.
    pub title: String,
    /// What was asked for, as it is typed: the path of a comparison, or the names of methods.
    pub what: String,
    /// The comparison file, if one was given.
    pub config: Option<ConfigFile>,
    /// The method that every other row is tested against; empty if there is none.
    pub baseline: String,
    /// The name of the paired test.
    pub test: String,
    /// The name of the correction for multiple comparisons.
    pub correction: String,
    /// The seed of the randomisation test and of the bootstrap intervals.
    pub seed: u64,
    /// How many random samples the test and the intervals draw.
    pub samples: u32,
    /// A corrected p-value below this level marks a row as significantly different.
    pub alpha: f64,
    /// One table for each dataset; full collections first, then samples.
    pub tables: Vec<Table>,
    /// Means over the datasets, where there are several.
    pub means: Option<Means>,
    /// The pairs (dataset, method) that were asked for and have no result.
    pub absent: Vec<(String, String)>,
    /// The entries of the list whose methods are rows.
    pub entries: Vec<Entry>,
    /// The commands that repeat the report.
    pub commands: Vec<String>,
}

/// An entry of the list and the rows that run it.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// The entry as the list gives it.
    pub paper: Paper,
    /// Names of the methods in this report.
    pub methods: Vec<String>,
}

impl Report {
    /// Collects the facts that answer `question` from results; `results` is the folder where they were looked for, which an
    /// error names where there is none.
    pub fn new(
        question: &Question,
        results: &Path,
        measured: &[Measured],
        library: &Library,
        sources: &dyn Sources,
    ) -> Result<Self, ReportError> {
        let mut absent = Vec::new();
        let mut tables = Vec::new();
        for dataset in &question.datasets {
            let rows = rows_of(question, dataset, measured, &mut absent);
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
            title: title(question, &tables),
            what: question.what.clone(),
            config: question.config.clone(),
            baseline: question.baseline.clone(),
            test: settings.test.to_string(),
            correction: settings.correction.to_string(),
            seed: settings.seed,
            samples: settings.samples,
            alpha: LEVEL,
            entries: entries(&tables, library),
            commands: commands(question, &tables),
            tables,
            means: Means::of(question, measured),
            absent,
        })
    }
}

/// At most this many methods or datasets are named in a title.
const NAMED: usize = 3;

/// `BM25, BM25 + RM3 and DPR on pocket`, or `BM25 and 12 other methods on 4 datasets`.
fn title(question: &Question, tables: &[Table]) -> String {
    let rows = tables.iter().flat_map(|table| &table.rows);
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        let name = row.name.as_str();
        let at = if row.is_baseline { 0 } else { names.len() };
        if !names.contains(&name) {
            names.insert(at, name);
        }
    }
    let datasets: Vec<&str> = tables.iter().map(|table| table.dataset.as_str()).collect();
    let what = match names.len() {
        count if count <= NAMED => list(&names),
        count if question.baseline.is_empty() => format!("{count} search structures"),
        count => format!("{} and {} other methods", names[0], count - 1),
    };
    let on = match datasets.len() {
        count if count <= NAMED => list(&datasets),
        count => format!("{count} datasets"),
    };
    format!("{what} on {on}")
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

/// The commands that repeat a report from a clone at the commit that each row names.
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
