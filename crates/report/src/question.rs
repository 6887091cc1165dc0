//! What is compared with what, and how: a comparison's file, or methods and datasets named by hand.

use nir_catalogue::{Comparison, ConfigError, Hypothesis, Source, Sweep};
use nir_core::Digest;
use nir_eval::Measure;
use nir_eval::significance::Settings;
use serde::Serialize;
use toml::Spanned;

/// The file that asks.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigFile {
    /// Its path as a user knows it.
    pub path: String,
    /// Its digest.
    pub digest: String,
    /// Its text.
    pub text: String,
}

impl ConfigFile {
    fn new(source: &Source) -> Self {
        let (path, text) = (source.path().to_owned(), source.text().to_owned());
        Self { path, digest: Digest::of(&text).hex(), text }
    }
}

/// What is compared with what.
#[derive(Debug, Clone)]
pub struct Question {
    /// As a user would type it: `configs/quickstart.toml`, or the names of methods.
    pub what: String,
    /// Columns.
    pub datasets: Vec<String>,
    /// The arguments that name the columns, as a user would type them: `--on pocket,toy`; empty where the file does.
    pub over: String,
    /// Rows.
    pub methods: Vec<String>,
    /// The row that the others are tested against; empty where none are.
    pub baseline: String,
    /// What is shown; empty to show all that was recorded.
    pub measures: Vec<Measure>,
    /// Which measures are tested against the baseline; empty where all are.
    pub tested: Vec<Measure>,
    /// The test, its correction and its seed.
    pub settings: Settings,
    /// What papers say of two rows.
    pub hypotheses: Vec<Hypothesis>,
    /// The file, where there is one.
    pub config: Option<ConfigFile>,
    /// The subcommand that makes the results.
    pub made_by: &'static str,
}

impl Question {
    /// As a comparison's file asks.
    pub fn of(comparison: &Comparison) -> Result<Self, ConfigError> {
        let names = |names: &[Spanned<String>]| {
            names.iter().map(|name| name.as_ref().clone()).collect::<Vec<_>>()
        };
        let measures = comparison.measures.iter().map(|name| read(comparison, name));
        let tested = comparison.tested.iter().map(|name| read(comparison, name));
        let test = read(comparison, &comparison.test)?;
        let correction = read(comparison, &comparison.correction)?;
        let path = comparison.source.path().to_owned();
        Ok(Self {
            datasets: names(&comparison.datasets),
            over: String::new(),
            methods: names(&comparison.methods),
            baseline: comparison.baseline.as_ref().clone(),
            measures: measures.collect::<Result<_, _>>()?,
            tested: tested.collect::<Result<_, _>>()?,
            settings: Settings { test, correction, seed: comparison.seed, ..Settings::default() },
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

    /// Calls its methods by other names.
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

/// A word as a shell reads it back.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    comparison: &Comparison,
    name: &Spanned<String>,
) -> Result<T, ConfigError> {
    name.as_ref()
        .parse()
        .map_err(|error: T::Err| comparison.source.error_at(name.span(), error.to_string()))
}
