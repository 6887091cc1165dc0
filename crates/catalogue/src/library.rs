//! All configs together: papers, methods, comparisons; and what of the list they cover.

use std::collections::{BTreeMap, BTreeSet};

use crate::sweep::{self, Sweep};
use crate::{Cell, Comparison, ConfigError, Method, Paper, Papers, Source};

/// All configs of a folder, or of the copy inside the program.
///
/// ```
/// use nir_catalogue::{Library, Source, Status};
///
/// let papers = r#"
/// [[paper]]
/// key = "robertson1994okapi"
/// title = "Okapi at TREC-3"
/// authors = "S. Robertson and others"
/// venue = "TREC 1994"
/// year = 1994
/// url = "https://trec.nist.gov/pubs/trec3/t3_proceedings.html"
/// code = []
/// section = "Sparse Retrieval"
/// short_name = "BM25"
/// family = "lexical"
/// kind = "method"
/// edition = "outside"
/// checkpoints = []
/// "#;
/// let bm25 = r#"
/// [card]
/// name  = "BM25"
/// paper = "robertson1994okapi"
///
/// [[stage]]
/// use = "bm25"
/// k1  = 0.9
/// "#;
/// let files = [("papers.toml", papers), ("lexical/bm25.toml", bm25)];
/// let files = files.map(|(path, text)| (path.to_owned(), Source::new(format!("configs/{path}"), text)));
/// let library = Library::parse(files)?;
///
/// let method = &library.methods["lexical/bm25"];
/// assert_eq!(method.stages[0].algorithm.as_ref(), "bm25");
/// let paper = library.papers.get(&method.card.paper).expect("the key is in papers.toml");
/// assert_eq!(library.status(paper, &[]), Status::Configured); // there are no results yet
/// # Ok::<(), nir_catalogue::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The entries of the list of papers.
    pub papers: Papers,
    /// The methods by name.
    pub methods: BTreeMap<String, Method>,
    /// The comparisons by path.
    pub comparisons: BTreeMap<String, Comparison>,
    /// The sweeps over search structures by name, such as `sweeps/pocket`.
    pub sweeps: BTreeMap<String, Sweep>,
    /// The names of recipes, which are also the names of the weights that they make, such as `dense-tas`.
    pub recipes: BTreeSet<String>,
}

/// How far an entry of the list can be run here. It is computed from configs and results, never written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// There is nothing to run: the entry is a survey, a dataset or a toolkit.
    NotAMethod,
    /// It has no config.
    Open,
    /// It has a config and no result.
    Configured,
    /// It has results, but only of small weights that were trained here in place of the paper's.
    TrainedHere,
    /// It has a result of published weights, or of a method that needs none.
    Run,
    /// Such a result reproduces every published number that its config cites for the dataset.
    Reproduced,
}

impl Status {
    /// All statuses in order of progress.
    pub const ALL: [Self; 6] = [
        Self::NotAMethod,
        Self::Open,
        Self::Configured,
        Self::TrainedHere,
        Self::Run,
        Self::Reproduced,
    ];

    /// The name of the status, in words.
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

/// How many entries of the list have which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// The number of entries in both editions.
    pub listed: usize,
    /// The number of entries that describe a method or a way of making weights.
    pub runnable: usize,
    /// The number of these that have a config.
    pub configured: usize,
    /// The number of these that have results, all of weights that were trained here.
    pub trained_here: usize,
    /// The number of these that have a result of published weights, or of a method that needs none, but do not
    /// reproduce the published numbers.
    pub run: usize,
    /// The number of these that reproduce the published numbers.
    pub reproduced: usize,
}

impl Coverage {
    /// The number of entries with any result.
    pub fn with_results(&self) -> usize {
        self.trained_here + self.run + self.reproduced
    }

    /// The counts in one or two sentences.
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
    /// Reads every config. `sources` are `papers.toml`, `<family>/<method>.toml` and comparisons, each with its path
    /// below `configs`. Fails at the first file that has a mistake.
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

    /// The methods that implement a paper or one of its later parts.
    pub fn methods_of<'a>(&'a self, paper: &'a Paper) -> impl Iterator<Item = &'a Method> {
        self.methods.values().filter(move |method| {
            let cited = self.papers.get(&method.card.paper);
            cited.is_some_and(|cited| {
                cited.key == paper.key || cited.part_of.as_ref() == Some(&paper.key)
            })
        })
    }

    /// Whether a result is of weights that `nir train` made: those inside the program, and those of a recipe.
    pub fn is_trained_here(&self, cell: &Cell) -> bool {
        let made = |name: &String| {
            let recipe = name.strip_prefix("file:models/");
            name.starts_with("pocket:")
                || recipe.is_some_and(|recipe| self.recipes.contains(recipe))
        };
        cell.provenance.weights.keys().any(made)
    }

    /// The status that one result gives to its entry.
    fn status_of(&self, cell: &Cell) -> Status {
        match (self.is_trained_here(cell), cell.is_reproduced()) {
            (true, _) => Status::TrainedHere,
            (false, false) => Status::Run,
            (false, true) => Status::Reproduced,
        }
    }

    /// The status of an entry, given all results.
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

    /// The number of entries with each status.
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

    /// Contradictions between papers and methods, each with file and line.
    pub fn problems(&self) -> Vec<ConfigError> {
        self.methods.values().filter_map(|method| self.problem(method)).collect()
    }

    fn problem(&self, method: &Method) -> Option<ConfigError> {
        let Some(paper) = self.papers.get(&method.card.paper) else {
            let message =
                format!("`{}` is the key of no paper in configs/papers.toml", method.card.paper);
            return Some(method.source.error_at(find(method, &method.card.paper), message));
        };
        if let Some(needs) = &paper.needs {
            let message = format!(
                "configs/papers.toml says that `{}` cannot be run here, as it needs {needs}: leave out the one or the other",
                paper.key
            );
            return Some(method.source.error_at(find(method, &paper.key), message));
        }
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
    fn an_entry_that_needs_what_nobody_has_is_no_config_s_paper() {
        let mut library = library();
        assert_eq!(library.problems().len(), 0);
        let mut paper = library.papers.get("x2020").unwrap().clone();
        paper.needs = Some("a log that is not public".to_owned());
        library.papers.add([paper].into_iter().collect());
        let problem = library.problems()[0].to_string();
        assert!(problem.contains("needs a log that is not public"), "{problem}");
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
