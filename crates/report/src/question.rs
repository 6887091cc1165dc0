//! What is compared with what, and how: a comparison's file, or methods and datasets named by hand.

use nir_catalogue::{Comparison, ConfigError, Hypothesis, Source, Sweep};
use nir_core::Digest;
use nir_eval::Measure;
use nir_eval::significance::Settings;
use serde::Serialize;
use toml::Spanned;

/// The config file that a comparison or a sweep was read from.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigFile {
    /// The path as the user typed it.
    pub path: String,
    /// The digest of the text.
    pub digest: String,
    /// The text of the file.
    pub text: String,
}

impl ConfigFile {
    fn new(source: &Source) -> Self {
        let (path, text) = (source.path().to_owned(), source.text().to_owned());
        Self { path, digest: Digest::of(&text).hex(), text }
    }
}

/// The question that a report answers: which methods are compared, on which datasets, by which measures and test.
#[derive(Debug, Clone)]
pub struct Question {
    /// The methods as a user would type them: `configs/quickstart.toml`, or names of methods.
    pub what: String,
    /// The names of the datasets, which are the columns.
    pub datasets: Vec<String>,
    /// The arguments that name the columns, as a user would type them: `--on pocket,toy`; empty where the file does.
    pub over: String,
    /// The names of the methods' configs, which are the rows.
    pub methods: Vec<String>,
    /// The row that the others are tested against; empty where none are.
    pub baseline: String,
    /// The measures that are shown; empty to show all that were recorded.
    pub measures: Vec<Measure>,
    /// Which measures are tested against the baseline; empty where all are.
    pub tested: Vec<Measure>,
    /// The significance test, its correction for many comparisons, and its seed.
    pub settings: Settings,
    /// Statements of papers that one row is better than another.
    pub hypotheses: Vec<Hypothesis>,
    /// The config file; `None` where methods and datasets were named by hand.
    pub config: Option<ConfigFile>,
    /// The subcommand that makes the results.
    pub made_by: &'static str,
}

impl Question {
    /// The question that a comparison's file asks. Fails, with line and column, if it names an unknown measure, test or correction.
    pub fn of(comparison: &Comparison) -> Result<Self, ConfigError> {
        let names = |names: &[Spanned<String>]| {
            names.iter().map(|name| name.as_ref().clone()).collect::<Vec<_>>()
        };
        let measures = comparison.measures.iter().map(|name| read(comparison, name));
        let tested = comparison.tested.iter().map(|name| read(comparison, name));
        let usual = Settings::default();
        let settings = Settings {
            test: read_or(comparison, comparison.test.as_ref(), usual.test)?,
            correction: read_or(comparison, comparison.correction.as_ref(), usual.correction)?,
            seed: comparison.seed.unwrap_or(usual.seed),
            ..usual
        };
        let path = comparison.source.path().to_owned();
        Ok(Self {
            datasets: names(&comparison.datasets),
            over: String::new(),
            methods: names(&comparison.methods),
            baseline: comparison.baseline.as_ref().clone(),
            measures: measures.collect::<Result<_, _>>()?,
            tested: tested.collect::<Result<_, _>>()?,
            settings,
            hypotheses: comparison.hypotheses.clone(),
            config: Some(ConfigFile::new(&comparison.source)),
            made_by: "run",
            what: path,
        })
    }

    /// The points of a sweep over search structures: nothing is tested.
    pub fn of_sweep(sweep: &Sweep) -> Self {
        Self {
            what: sweep.source.path().to_owned(),
            datasets: vec![sweep.dataset.as_ref().clone()],
            over: String::new(),
            methods: sweep.points().map(|point| point.name.clone()).collect(),
            baseline: String::new(),
            measures: Vec::new(),
            tested: Vec::new(),
            settings: Settings::default(),
            hypotheses: Vec::new(),
            config: Some(ConfigFile::new(&sweep.source)),
            made_by: "bench index",
        }
    }

    /// Methods over datasets that no comparison names; the first method is the baseline. `typed` names the methods and `over` the
    /// datasets as a user typed them.
    pub fn by_hand(
        typed: &[String],
        methods: Vec<String>,
        over: &[String],
        datasets: Vec<String>,
        measures: Vec<Measure>,
    ) -> Self {
        let words = |words: &[String]| {
            words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
        };
        Self {
            what: words(typed),
            datasets,
            over: words(over),
            baseline: methods.first().cloned().unwrap_or_default(),
            methods,
            measures,
            tested: Vec::new(),
            settings: Settings::default(),
            hypotheses: Vec::new(),
            config: None,
            made_by: "run",
        }
    }

    /// Whether a measure is tested against the baseline.
    pub fn is_tested(&self, measure: Measure) -> bool {
        measure.is_effectiveness() && (self.tested.is_empty() || self.tested.contains(&measure))
    }

    /// Replaces the name of every method by what `name` gives for it.
    pub fn rename(&mut self, name: impl Fn(&str) -> String) {
        self.methods.iter_mut().for_each(|method| *method = name(method));
        self.baseline = name(&self.baseline);
        for hypothesis in &mut self.hypotheses {
            *hypothesis.better.get_mut() = name(hypothesis.better.as_ref());
            *hypothesis.than.get_mut() = name(hypothesis.than.as_ref());
        }
    }

    /// The arguments of `nir run` and `nir report` that ask it again.
    pub fn arguments(&self) -> String {
        if self.config.is_some() {
            return self.what.clone();
        }
        let measures: String = self.measures.iter().map(|one| format!(" -m '{one}'")).collect();
        format!("{} {}{measures}", self.what, self.over)
    }
}

/// A word in the quotes that a shell needs to read it back unchanged.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What a name stands for, or the usual value where the file has no name.
fn read_or<T: std::str::FromStr<Err: std::fmt::Display>>(
    comparison: &Comparison,
    name: Option<&Spanned<String>>,
    usual: T,
) -> Result<T, ConfigError> {
    name.map_or(Ok(usual), |name| read(comparison, name))
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    comparison: &Comparison,
    name: &Spanned<String>,
) -> Result<T, ConfigError> {
    name.as_ref()
        .parse()
        .map_err(|error: T::Err| comparison.source.error_at(name.span(), error.to_string()))
}
