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
    /// Recipes by name, which is that of the weights they make: `dense-tas`.
    pub recipes: BTreeSet<String>,
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
    /// It has results, all of them of weights that were trained here: small ones, in place of the paper's.
    TrainedHere,
    /// It has a result of published weights, or of a method that needs none.
    Run,
    /// One of those has every printed number that its config cites for the dataset.
    Reproduced,
}

impl Status {
    /// All of them, the furthest last.
    pub const ALL: [Self; 6] = [
        Self::NotAMethod,
        Self::Open,
        Self::Configured,
        Self::TrainedHere,
        Self::Run,
        Self::Reproduced,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAMethod => "not a method",
            Self::Open => "open",
            Self::Configured => "configured",
            Self::TrainedHere => "trained here",
            Self::Run => "run",
            Self::Reproduced => "reproduced",
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
    /// Of these, how many have results of weights that were trained here, and no others.
    pub trained_here: usize,
    /// How many have a result of published weights, or of a method that needs none, and reproduce no printed number with it.
    pub run: usize,
    /// How many reproduce the numbers that are printed.
    pub reproduced: usize,
}

impl Coverage {
    /// How many have any result.
    pub fn with_results(&self) -> usize {
        self.trained_here + self.run + self.reproduced
    }

    /// In a sentence or two.
    pub fn sentence(&self) -> String {
        format!(
            "Of {} entries of the list, {} describe a method or a way of making weights: {} have a config, {} a result. Of those {}, \
             {} reproduce printed numbers with the published weights (or need none), {} have run with them and reproduce no printed \
             number, and {} have run only with small weights that were trained here.",
            self.listed,
            self.runnable,
            self.configured,
            self.with_results(),
            self.with_results(),
            self.reproduced,
            self.run,
            self.trained_here
        )
    }
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
        } else if let Some(recipe) = name.strip_prefix("training/") {
            self.recipes.insert(recipe.to_owned()); // `nir train` reads it
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

    /// Whether a result is of weights that were made here, by `nir train`: those inside the program, and those of a recipe.
    pub fn is_trained_here(&self, cell: &Cell) -> bool {
        let made = |name: &String| {
            let recipe = name.strip_prefix("file:models/");
            name.starts_with("pocket:")
                || recipe.is_some_and(|recipe| self.recipes.contains(recipe))
        };
        cell.provenance.weights.keys().any(made)
    }

    /// How far a result brings an entry.
    fn status_of(&self, cell: &Cell) -> Status {
        match (self.is_trained_here(cell), cell.is_reproduced()) {
            (true, _) => Status::TrainedHere,
            (false, false) => Status::Run,
            (false, true) => Status::Reproduced,
        }
    }

    /// How far an entry has come, given the results there are.
    pub fn status(&self, paper: &Paper, cells: &[Cell]) -> Status {
        if !paper.is_runnable() {
            return Status::NotAMethod;
        }
        let methods: BTreeSet<&str> =
            self.methods_of(paper).map(|method| method.name.as_str()).collect();
        let results = cells.iter().filter(|cell| methods.contains(cell.method.as_str()));
        match methods.is_empty() {
            true => Status::Open,
            false => results.map(|cell| self.status_of(cell)).max().unwrap_or(Status::Configured),
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
            coverage.trained_here += usize::from(status == Status::TrainedHere);
            coverage.run += usize::from(status == Status::Run);
            coverage.reproduced += usize::from(status == Status::Reproduced);
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

#[cfg(test)]
pub(crate) mod testing {
    use super::Library;
    use crate::Source;

    /// One entry, `dense/x` with its config, and a recipe that makes `file:models/mine`.
    pub(crate) fn library() -> Library {
        let paper = "[[paper]]\nkey = \"x2020\"\ntitle = \"X\"\nauthors = \"\"\nvenue = \"\"\nyear = 2020\nurl = \"https://x.org\"\ncode = []\n\
                     section = \"Dense\"\nshort_name = \"\"\nfamily = \"dense\"\nkind = \"method\"\nedition = \"both\"\ncheckpoints = []\n";
        let method = "[card]\nname = \"X\"\npaper = \"x2020\"\ndiffers = \"smaller\"\n[[stage]]\nuse = \"any\"\n";
        let files = [("papers.toml", paper), ("dense/x.toml", method), ("training/mine.toml", "")];
        let source =
            |(path, text): (&str, &str)| (path.to_owned(), Source::new(path, text.to_owned()));
        Library::parse(files.map(source)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::library;
    use super::*;
    use crate::cell::testing::cell;
    use crate::{Claim, Claimed};

    fn claimed(ours: f64) -> Claimed {
        let (dataset, measure, source) = ("toy".into(), "AP".into(), "Table 1".into());
        Claimed::new(Claim { dataset, measure, value: 0.5, tolerance: 0.01, source }, ours)
    }

    #[test]
    fn published_weights_come_from_the_hub_or_the_users_folder() {
        let ours = |weights: &str| {
            library().is_trained_here(&cell(&[], &format!(r#""{weights}": "0""#), ""))
        };
        assert!(ours("pocket:dense") && ours("file:models/mine"));
        assert!(!ours("file:models/converted") && !ours("folder:x") && !ours("hf:org/x@0123"));
        assert!(!library().is_trained_here(&cell(&[], "", "")));
    }

    #[test]
    fn an_entry_is_as_far_as_its_furthest_result() {
        let status = |cells: &[Cell]| {
            let library = library();
            let paper = library.papers.iter().next().unwrap().clone();
            library.status(&paper, cells)
        };
        let trained = cell(&[claimed(0.5)], r#""pocket:dense": "0""#, "");
        let run = cell(&[claimed(0.6)], r#""hf:org/x": "0""#, "");
        let reproduced = cell(&[claimed(0.5)], r#""hf:org/x": "0""#, "");
        assert_eq!(status(&[]), Status::Configured);
        assert_eq!(status(std::slice::from_ref(&trained)), Status::TrainedHere);
        assert_eq!(status(&[run.clone(), trained.clone()]), Status::Run);
        assert_eq!(status(&[reproduced, run, trained]), Status::Reproduced);
    }

    #[test]
    fn the_counts_add_up() {
        let coverage = Coverage { trained_here: 3, run: 2, reproduced: 1, ..Coverage::default() };
        assert_eq!(coverage.with_results(), 6);
        assert!(coverage.sentence().contains("6 a result. Of those 6, 1 reproduce"));
    }
}
