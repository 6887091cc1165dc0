//! A method: `configs/<family>/<method>.toml`, a card, stages and claims.

use nir_core::Digest;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{ConfigError, Source};

/// Who a method is.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The name in tables.
    pub name: String,
    /// A key of `papers.toml`.
    pub paper: String,
    /// The licence of the weights, where there are any.
    pub licence: Option<String>,
    /// One sentence: how it departs from the paper. Absent where it does not.
    pub differs: Option<String>,
    /// Why weights of the hub are named by a branch and not by a commit. Absent where none are.
    pub unpinned: Option<String>,
}

/// A number that the paper, or a system we follow, prints.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// On which dataset.
    pub dataset: String,
    /// In which measure.
    pub measure: String,
    /// The number, as a fraction.
    pub value: f64,
    /// How far ours may be from it, above or below.
    pub tolerance: f64,
    /// Where it is printed.
    pub source: String,
}

/// One `[[stage]]`: the algorithm it names, and its parameters still unread.
#[derive(Debug, Clone)]
pub struct StageTable {
    /// The algorithm, from `use`.
    pub algorithm: Spanned<String>,
    source: Source,
    position: usize,
}

impl StageTable {
    /// Reads the parameters with `read`, which sees the table without `use`; its errors get file and line.
    pub fn read<T>(
        &self,
        read: impl FnOnce(Spanned<DeValue<'_>>) -> Result<T, toml::de::Error>,
    ) -> Result<T, ConfigError> {
        let mut document =
            DeTable::parse(self.source.text()).map_err(|error| self.source.toml_error(&error))?;
        let stages =
            document.get_mut().get_mut("stage").expect("the method was parsed with this stage");
        let DeValue::Array(stages) = stages.get_mut() else {
            unreachable!("`stage` was parsed as an array")
        };
        let mut stage = stages[self.position].clone();
        if let DeValue::Table(table) = stage.get_mut() {
            table.remove("use");
        }
        // An error about several values together, or one found after reading, has no place of its own.
        read(stage).map_err(|error| match error.span() {
            Some(_) => self.source.toml_error(&error),
            None => self.error(error.message()),
        })
    }

    /// An error about this stage as a whole, pointing at its `use`.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        self.source.error_at(self.algorithm.span(), message)
    }
}

/// A method as its file has it.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its name: the path below `configs` without `.toml`.
    pub name: String,
    /// Who it is.
    pub card: Card,
    /// What it does, in order.
    pub stages: Vec<StageTable>,
    /// What others print for it.
    pub claims: Vec<Claim>,
    /// The file.
    pub source: Source,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    card: Card,
    stage: Vec<Stage>,
    #[serde(default)]
    claim: Vec<Claim>,
}

#[derive(Deserialize)]
struct Stage {
    #[serde(rename = "use")]
    algorithm: Spanned<String>,
}

impl Method {
    /// Reads a config; `name` is its path below `configs` without `.toml`.
    pub fn parse(name: &str, source: Source) -> Result<Self, ConfigError> {
        let file: File = source.parse()?;
        let stages = file.stage.into_iter().enumerate();
        let stages = stages
            .map(|(position, stage)| StageTable {
                algorithm: stage.algorithm,
                source: source.clone(),
                position,
            })
            .collect();
        Ok(Self { name: name.to_owned(), card: file.card, stages, claims: file.claim, source })
    }

    /// The folder it lies in.
    pub fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The digest of the file.
    pub fn digest(&self) -> Digest {
        Digest::of(self.source.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BM25: &str = r#"
[card]
name = "BM25"
paper = "robertson1994okapi"

[[stage]]
use = "bm25"
k1 = 0.9
"#;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bm25 {
        k1: f32,
    }

    fn read(text: &str) -> Result<Bm25, ConfigError> {
        let method = Method::parse("lexical/bm25", Source::new("configs/lexical/bm25.toml", text))?;
        method.stages[0].read(|table| Bm25::deserialize(toml::de::ValueDeserializer::from(table)))
    }

    #[test]
    fn a_stage_is_read_by_its_algorithm() {
        assert_eq!(read(BM25).unwrap().k1, 0.9);
    }

    #[test]
    fn a_misspelt_parameter_is_shown_with_its_line() {
        let error = read(&BM25.replace("k1", "kl")).unwrap_err().to_string();
        assert_eq!(error, "configs/lexical/bm25.toml:8:1: unknown field `kl`, expected `k1`");
    }

    #[test]
    fn a_stage_without_use_is_refused() {
        let error = read(&BM25.replace("use = \"bm25\"", "")).unwrap_err().to_string();
        assert!(error.contains("missing field `use`"), "{error}");
    }
}
