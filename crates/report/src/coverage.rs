//! The whole list as a table: which entry runs here, which could, and what stands in the way of the rest.

use nir_catalogue::{Cell, Edition, Library, Paper, Scope, Status};
use serde::Serialize;

/// Every entry with how far it has come.
#[derive(Debug, Clone, Serialize)]
pub struct CoveragePage {
    /// The number of entries of the list.
    pub listed: usize,
    /// How many of these are methods or ways of training weights.
    pub runnable: usize,
    /// How many of these have a config.
    pub configured: usize,
    /// How many have results of weights that were trained here, and of no others.
    pub trained_here: usize,
    /// How many have a result of published weights, or of a method that needs none, and reproduce no printed number.
    pub run: usize,
    /// How many have a result that reproduces the printed numbers.
    pub reproduced: usize,
    /// The same counts in words.
    pub sentence: String,
    /// The entries, in the order of the list; foundations that it does not have come last.
    pub entries: Vec<EntryCoverage>,
}

/// One entry of the list, with its methods and results here.
#[derive(Debug, Clone, Serialize)]
pub struct EntryCoverage {
    /// The entry as the list gives it.
    pub paper: Paper,
    /// Whether the list has it; foundations such as BM25 are ours.
    pub is_listed: bool,
    /// How far the entry has come.
    pub progress: Progress,
    /// The methods that implement the entry here.
    pub methods: Vec<MethodCoverage>,
}

/// A method that implements an entry.
#[derive(Debug, Clone, Serialize)]
pub struct MethodCoverage {
    /// The name of the method's config.
    pub method: String,
    /// The name to show in tables.
    pub name: String,
    /// In which way the method departs from the paper, if it does.
    pub differs: Option<String>,
    /// The results of the method.
    pub results: Vec<Scored>,
}

/// The first measure of a result.
#[derive(Debug, Clone, Serialize)]
pub struct Scored {
    /// The name of the dataset.
    pub dataset: String,
    /// The collection that the dataset is a sample of, if it is a sample.
    pub sample_of: Option<String>,
    /// The precision that the model computed in; `None` for a method without a model.
    pub precision: Option<String>,
    /// The name of the measure: the first that the dataset states.
    pub measure: String,
    /// The value of the measure.
    pub value: f64,
    /// Whether the weights were trained here.
    pub is_trained_here: bool,
    /// Whether the result agrees with every printed number that is cited for it.
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
    /// There is nothing to run: the entry is a survey, a dataset or a toolkit.
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
