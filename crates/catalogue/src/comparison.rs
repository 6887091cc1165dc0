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
    /// The file.
    pub source: Source,
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
}

impl Comparison {
    /// Reads a comparison; the baseline is one of its methods.
    pub fn parse(source: Source) -> Result<Self, ConfigError> {
        let File { datasets, methods, baseline, measures, test, correction, seed } =
            source.parse()?;
        if !methods.iter().any(|method| method.as_ref() == baseline.as_ref()) {
            let known = methods
                .iter()
                .map(|method| method.as_ref().as_str())
                .collect::<Vec<_>>()
                .join(", ");
            let message =
                format!("the baseline `{}` is not among the methods: {known}", baseline.as_ref());
            return Err(source.error_at(baseline.span(), message));
        }
        Ok(Self { datasets, methods, baseline, measures, test, correction, seed, source })
    }

    /// The digest of the file.
    pub fn digest(&self) -> Digest {
        Digest::of(self.source.text())
    }
}
