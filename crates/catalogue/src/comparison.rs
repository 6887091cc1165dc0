//! A comparison: which methods on which datasets, against which baseline.

use nir_core::Digest;
use serde::Deserialize;
use toml::Spanned;

use crate::{ConfigError, Source};

/// A comparison as its file has it. Names are spanned so that a wrong one can be pointed at.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Columns.
    pub datasets: Vec<Spanned<String>>,
    /// Rows.
    pub methods: Vec<Spanned<String>>,
    /// The row that every other is tested against.
    pub baseline: Spanned<String>,
    /// What is measured, by name.
    pub measures: Vec<Spanned<String>>,
    /// The paired test, by name.
    pub test: Spanned<String>,
    /// The correction for several comparisons, by name.
    pub correction: Spanned<String>,
    /// Of the randomisation test.
    pub seed: u64,
    /// What papers say of two rows.
    pub hypotheses: Vec<Hypothesis>,
    /// The file.
    pub source: Source,
}

/// What a paper says of two methods in words, to be held to rows that differ in nothing else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// In words: "hard negatives beat in-batch negatives".
    pub says: String,
    /// The key of the paper.
    pub paper: String,
    /// The row that is said to be better.
    pub better: Spanned<String>,
    /// Than this one.
    pub than: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    datasets: Vec<Spanned<String>>,
    methods: Vec<Spanned<String>>,
    baseline: Spanned<String>,
    measures: Vec<Spanned<String>>,
    test: Spanned<String>,
    correction: Spanned<String>,
    seed: u64,
    #[serde(default)]
    hypothesis: Vec<Hypothesis>,
}

impl Comparison {
    /// Reads a comparison; the baseline and the rows of hypotheses are among its methods.
    pub fn parse(source: Source) -> Result<Self, ConfigError> {
        let file: File = source.parse()?;
        file.is_a_row(&source, "the baseline", &file.baseline)?;
        for hypothesis in &file.hypothesis {
            file.is_a_row(&source, "the row", &hypothesis.better)?;
            file.is_a_row(&source, "the row", &hypothesis.than)?;
        }
        let File { datasets, methods, baseline, measures, test, correction, seed, hypothesis } =
            file;
        let hypotheses = hypothesis;
        Ok(Self {
            datasets,
            methods,
            baseline,
            measures,
            test,
            correction,
            seed,
            hypotheses,
            source,
        })
    }

    /// The digest of the file.
    pub fn digest(&self) -> Digest {
        Digest::of(self.source.text())
    }
}

impl File {
    fn is_a_row(
        &self,
        source: &Source,
        what: &str,
        name: &Spanned<String>,
    ) -> Result<(), ConfigError> {
        let rows: Vec<&str> = self.methods.iter().map(|method| method.as_ref().as_str()).collect();
        if rows.contains(&name.as_ref().as_str()) {
            return Ok(());
        }
        let known = rows.join(", ");
        let message = format!("{what} `{}` is not among the methods: {known}", name.as_ref());
        Err(source.error_at(name.span(), message))
    }
}
