//! The whole list as a table: which entry runs here, which could, and what stands in the way of the rest.

use nir_catalogue::{Cell, Edition, Library, Paper, Scope, Status};
use serde::Serialize;

/// Every entry with how far it has come.
#[derive(Debug, Clone, Serialize)]
pub struct CoveragePage {
    /// Entries of the list.
    pub listed: usize,
    /// Of these, methods and ways of making weights.
    pub runnable: usize,
    /// Of these, with a config.
    pub configured: usize,
    /// Of these, with results of weights that were trained here, and no others.
    pub trained_here: usize,
    /// With a result of published weights, or of a method that needs none, that reproduces no printed number.
    pub run: usize,
    /// With a result that reproduces the printed numbers.
    pub reproduced: usize,
    /// The same counts in words.
    pub sentence: String,
    /// The entries, in the order of the list; foundations that it does not have come last.
    pub entries: Vec<EntryCoverage>,
}

/// One entry.
#[derive(Debug, Clone, Serialize)]
pub struct EntryCoverage {
    /// As the list gives it.
    pub paper: Paper,
    /// Whether the list has it.
    pub is_listed: bool,
    /// How far it has come.
    pub progress: Progress,
    /// Its methods here.
    pub methods: Vec<MethodCoverage>,
}

/// A method of an entry.
#[derive(Debug, Clone, Serialize)]
pub struct MethodCoverage {
    /// Its config's name.
    pub method: String,
    /// Its name in tables.
    pub name: String,
    /// How it departs from the paper, where it does.
    pub differs: Option<String>,
    /// Its results.
    pub results: Vec<Scored>,
}

/// The first measure of a result.
#[derive(Debug, Clone, Serialize)]
pub struct Scored {
    /// On which dataset.
    pub dataset: String,
    /// The collection it is a sample of, if it is one.
    pub sample_of: Option<String>,
    /// The arithmetic, where there is a model.
    pub precision: Option<String>,
    /// Which measure: the dataset's first.
    pub measure: String,
    /// Its value.
    pub value: f64,
    /// Whether the weights were trained here.
    pub is_trained_here: bool,
    /// Whether it has every printed number that is cited for it.
    pub is_reproduced: bool,
}

/// How far an entry has come, and what stands in the way: computed from papers, configs and results, and never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It has a result that reproduces the printed numbers.
    Reproduced,
    /// It has a result of published weights, or of a method that needs none.
    Run,
    /// It has results of weights that were trained here, and no others.
    TrainedHere,
    /// It has a config, and no result yet.
    Configured,
    /// It has no config, though the hub has weights for it.
    OpenWithWeights,
    /// It has no config, and no public weights are known: it must be trained, or needs none.
    OpenWithoutWeights,
    /// Nothing to run: a survey, a dataset, a toolkit.
    NotAMethod,
}

impl CoveragePage {
    /// How far every entry has come, given the results there are.
    pub fn new(library: &Library, cells: &[Cell]) -> Self {
        let coverage = library.coverage(cells);
        let mut entries: Vec<EntryCoverage> =
            library.papers.iter().map(|paper| entry(paper, library, cells)).collect();
        entries.sort_by_key(|entry| !entry.is_listed);
        Self {
            listed: coverage.listed,
            runnable: coverage.runnable,
            configured: coverage.configured,
            trained_here: coverage.trained_here,
            run: coverage.run,
            reproduced: coverage.reproduced,
            sentence: coverage.sentence(),
            entries,
        }
    }
}

fn entry(paper: &Paper, library: &Library, cells: &[Cell]) -> EntryCoverage {
    let method = |method: &nir_catalogue::Method| MethodCoverage {
        method: method.name.clone(),
        name: method.card.name.clone(),
        differs: method.card.differs.clone(),
        results: cells
            .iter()
            .filter(|cell| cell.method == method.name)
            .filter_map(|cell| scored(cell, library))
            .collect(),
    };
    EntryCoverage {
        is_listed: paper.edition != Edition::Outside,
        progress: progress(library.status(paper, cells), paper),
        methods: library.methods_of(paper).map(method).collect(),
        paper: paper.clone(),
    }
}

fn progress(status: Status, paper: &Paper) -> Progress {
    match status {
        Status::NotAMethod => Progress::NotAMethod,
        Status::Open if paper.checkpoints.is_empty() => Progress::OpenWithoutWeights,
        Status::Open => Progress::OpenWithWeights,
        Status::Configured => Progress::Configured,
        Status::TrainedHere => Progress::TrainedHere,
        Status::Run => Progress::Run,
        Status::Reproduced => Progress::Reproduced,
    }
}

fn scored(cell: &Cell, library: &Library) -> Option<Scored> {
    let (measure, measured) = cell.measures.first()?;
    Some(Scored {
        dataset: cell.dataset.clone(),
        sample_of: match &cell.scope {
            Scope::Full => None,
            Scope::SampleOf(whole) => Some(whole.clone()),
        },
        precision: cell.precision.clone(),
        measure: measure.clone(),
        value: measured.value,
        is_trained_here: library.is_trained_here(cell),
        is_reproduced: cell.is_reproduced(),
    })
}
