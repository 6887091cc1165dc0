//! All configs together: papers, methods, comparisons; and what of the list they cover.

use std::collections::{BTreeMap, BTreeSet};

use crate::sweep::{self, Sweep};
use crate::{Cell, Comparison, ConfigError, Method, Paper, Papers, Source};

/// Every config of a checkout, or of the copy inside the binary.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The entries of the list.
    pub papers: Papers,
    /// Methods by name.
    pub methods: BTreeMap<String, Method>,
    /// Comparisons by path.
    pub comparisons: BTreeMap<String, Comparison>,
    /// Sweeps over search structures by name: `sweeps/pocket`.
    pub sweeps: BTreeMap<String, Sweep>,
}

/// How far an entry of the list has come here. Computed, never written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nothing to run: a survey, a dataset, a toolkit.
    NotAMethod,
    /// No config yet.
    Open,
    /// It has a config, and no result yet.
    Configured,
    /// It has a result.
    Run,
}

impl Status {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAMethod => "not a method",
            Self::Open => "open",
            Self::Configured => "configured",
            Self::Run => "run",
        }
    }
}

/// How much of the list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Entries of both editions.
    pub listed: usize,
    /// Those that describe a method or a way of making weights.
    pub runnable: usize,
    /// Of these, how many have a config.
    pub configured: usize,
    /// And how many a result.
    pub run: usize,
}

impl Library {
    /// Reads every config: `sources` are `papers.toml`, `<family>/<method>.toml` and comparisons, each with its path
    /// below `configs`.
    pub fn parse(sources: impl IntoIterator<Item = (String, Source)>) -> Result<Self, ConfigError> {
        let mut library = Self::default();
        for (path, source) in sources {
            library.add(&path, source)?;
        }
        Ok(library)
    }

    fn add(&mut self, path: &str, source: Source) -> Result<(), ConfigError> {
        let name = path.trim_end_matches(".toml");
        if path == "papers.toml" {
            self.papers.add(Papers::parse(&source)?);
        } else if path.starts_with("training/") {
            // Recipes make weights; they are no methods, and `nir train` reads them.
        } else if path.starts_with(sweep::FOLDER) {
            self.sweeps.insert(name.to_owned(), Sweep::parse(name, source)?);
        } else if path.contains('/') {
            self.methods.insert(name.to_owned(), Method::parse(name, source)?);
        } else {
            self.comparisons.insert(name.to_owned(), Comparison::parse(source)?);
        }
        Ok(())
    }

    /// The methods that a paper describes, itself or in a later part.
    pub fn methods_of<'a>(&'a self, paper: &'a Paper) -> impl Iterator<Item = &'a Method> {
        self.methods.values().filter(move |method| {
            let cited = self.papers.get(&method.card.paper);
            cited.is_some_and(|cited| {
                cited.key == paper.key || cited.part_of.as_ref() == Some(&paper.key)
            })
        })
    }

    /// How far an entry has come, given the results there are.
    pub fn status(&self, paper: &Paper, cells: &[Cell]) -> Status {
        if !paper.is_runnable() {
            return Status::NotAMethod;
        }
        let methods: BTreeSet<&str> =
            self.methods_of(paper).map(|method| method.name.as_str()).collect();
        match (methods.is_empty(), cells.iter().any(|cell| methods.contains(cell.method.as_str())))
        {
            (true, _) => Status::Open,
            (false, false) => Status::Configured,
            (false, true) => Status::Run,
        }
    }

    /// How much of the list runs.
    pub fn coverage(&self, cells: &[Cell]) -> Coverage {
        let mut coverage = Coverage::default();
        for paper in self.papers.iter().filter(|paper| paper.is_listed()) {
            let status = self.status(paper, cells);
            coverage.listed += 1;
            coverage.runnable += usize::from(status > Status::NotAMethod);
            coverage.configured += usize::from(status > Status::Open);
            coverage.run += usize::from(status == Status::Run);
        }
        coverage
    }

    /// What is inconsistent between papers and methods, one line each, with file and line.
    pub fn problems(&self) -> Vec<ConfigError> {
        self.methods.values().filter_map(|method| self.problem(method)).collect()
    }

    fn problem(&self, method: &Method) -> Option<ConfigError> {
        let Some(paper) = self.papers.get(&method.card.paper) else {
            let message =
                format!("`{}` is the key of no paper in configs/papers.toml", method.card.paper);
            return Some(method.source.error_at(find(method, &method.card.paper), message));
        };
        (paper.family.folder() != method.family()).then(|| {
            let family = format!("`{}` is of the family `{}`", paper.key, paper.family.folder());
            method
                .source
                .error_at(find(method, &paper.key), format!("{family}, not `{}`", method.family()))
        })
    }
}

fn find(method: &Method, word: &str) -> std::ops::Range<usize> {
    let start = method.source.text().find(word).unwrap_or_default();
    start..start + word.len()
}
