//! A method: `configs/<family>/<method>.toml`, a card, stages and claims.

use std::path::Path;

use nir_core::Digest;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::{ConfigError, Source};

/// The card of a method: its name, its paper, and how it departs from the paper.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The name in tables.
    pub name: String,
    /// The key of its paper in `papers.toml`.
    pub paper: String,
    /// The licence of the weights, if there are any.
    pub licence: Option<String>,
    /// One sentence that says how the method departs from the paper; absent if it does not.
    pub differs: Option<String>,
    /// The reason why weights on the hub are named by a branch and not by a commit; absent if none are.
    pub unpinned: Option<String>,
    /// The settings in which the stages contradict the checkpoint's own files on purpose, such as `max_length` or
    /// `pooling`. `differs` gives the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
}

/// A number that the paper, or a system that we follow, has published.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The dataset.
    pub dataset: String,
    /// The name of the measure.
    pub measure: String,
    /// The number as a fraction.
    pub value: f64,
    /// How far our value may be from it, above or below.
    pub tolerance: f64,
    /// Where it is published: the paper or page, with table and row.
    pub source: String,
}

/// Where the parameters of a method come from that `nir tune` chose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// The dataset of the training queries, by name.
    pub on: String,
    /// Its digest.
    pub dataset: String,
    /// The file of the training queries beside the config: a head, and a line for each with its name and what its text is
    /// known by.
    pub queries: String,
    /// The measure whose mean decided.
    pub measure: String,
    /// How many combinations of values were run.
    pub combinations: usize,
    /// The folds of the cross-validation.
    pub folds: usize,
    /// Of the folds.
    pub seed: u64,
}

/// The key of the passage settings, which a stage of any algorithm may have.
const PASSAGES: &str = "passages";

/// One `[[stage]]` table: the name of its algorithm, and its parameters, which are not read yet.
#[derive(Debug, Clone)]
pub struct StageTable {
    /// The name of the algorithm, from the key `use`.
    pub algorithm: Spanned<String>,
    /// The SHA-256 digests of its files of weights, in hexadecimal; empty if none are pinned.
    pub sha256: Vec<String>,
    /// Whether it works on passages of documents: see [`StageTable::passages`].
    pub has_passages: bool,
    source: Source,
    position: usize,
}

impl StageTable {
    /// Reads the parameters with `read`, which gets the table without `use`; its errors get file and line.
    pub fn read<T>(
        &self,
        read: impl FnOnce(Spanned<DeValue<'_>>) -> Result<T, toml::de::Error>,
    ) -> Result<T, ConfigError> {
        self.table(|mut stage| {
            if let DeValue::Table(table) = stage.get_mut() {
                ["use", "sha256", PASSAGES].iter().for_each(|key| drop(table.remove(*key)));
                if let Some(folder) = self.source.folder() {
                    table.iter_mut().for_each(|(key, value)| place(key.as_ref(), value, folder));
                }
            }
            read(stage)
        })
    }

    /// The settings by which documents are cut into passages, from the table `passages`; `None` if the stage reads
    /// whole documents.
    pub fn passages<T: DeserializeOwned>(&self) -> Result<Option<T>, ConfigError> {
        if !self.has_passages {
            return Ok(None);
        }
        self.table(|mut stage| {
            let DeValue::Table(table) = stage.get_mut() else { unreachable!("a stage is a table") };
            let passages = table.remove(PASSAGES).expect("the method was parsed with this table");
            T::deserialize(ValueDeserializer::from(passages)).map(Some)
        })
    }

    fn table<T>(
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
        let stage = stages[self.position].clone();
        // An error about several values together, or one found after reading, has no place of its own.
        read(stage).map_err(|error| match error.span() {
            Some(_) => self.source.toml_error(&error),
            None => self.error(error.message()),
        })
    }

    /// An error about this stage as a whole, which points at its `use`.
    pub fn error(&self, message: impl Into<String>) -> ConfigError {
        self.source.error_at(self.algorithm.span(), message)
    }
}

/// A method as its file states it.
#[derive(Debug, Clone)]
pub struct Method {
    /// The name, which is the path below `configs` without `.toml`.
    pub name: String,
    /// The card.
    pub card: Card,
    /// The stages in the order in which they run.
    pub stages: Vec<StageTable>,
    /// Numbers that others have published for it.
    pub claims: Vec<Claim>,
    /// Where its parameters come from, if they were tuned.
    pub tuned: Option<Tuned>,
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
    tuned: Option<Tuned>,
}

#[derive(Deserialize)]
struct Stage {
    #[serde(rename = "use")]
    algorithm: Spanned<String>,
    #[serde(default)]
    sha256: Option<Spanned<Pins>>,
    #[serde(default)]
    passages: Option<IgnoredAny>,
}

/// One SHA-256 digest, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Pins {
    One(String),
    Several(Vec<String>),
}

impl Stage {
    /// The digests of the weights; an error if one is no SHA-256 digest.
    fn sha256(pins: Option<Spanned<Pins>>, source: &Source) -> Result<Vec<String>, ConfigError> {
        let Some(pins) = pins else { return Ok(Vec::new()) };
        let span = pins.span();
        let hashes = match pins.into_inner() {
            Pins::One(hash) => vec![hash],
            Pins::Several(hashes) => hashes,
        };
        let is_hash =
            |hash: &String| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        match hashes.iter().find(|hash| !is_hash(hash)) {
            Some(hash) => Err(source.error_at(
                span,
                format!("`sha256` is `{hash}`: expected 64 hexadecimal digits, or a list of them for several files"),
            )),
            None => Ok(hashes.into_iter().map(|hash| hash.to_ascii_lowercase()).collect()),
        }
    }
}

/// Puts the relative folder of weights (`model.weights = "file:model"`, at any depth) and the relative path of a file
/// (`path = "runs/bm25.trec"`) below the folder that it is relative to. `pocket:NAME` is a file that comes with the program.
fn place(key: &str, value: &mut Spanned<DeValue<'_>>, folder: &Path) {
    match value.get_mut() {
        DeValue::Table(table) => {
            table.iter_mut().for_each(|(key, value)| place(key.as_ref(), value, folder));
        }
        DeValue::String(text) if key == "path" && !text.starts_with("pocket:") => {
            *text = folder.join(text.as_ref()).display().to_string().into();
        }
        DeValue::String(text) if key == "weights" => {
            if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
                *text = format!("file:{}", folder.join(path).display()).into();
            }
        }
        _ => {}
    }
}

impl Method {
    /// Reads a config; `name` is its path below `configs` without `.toml`. Fails at the first mistake, with file and
    /// line.
    pub fn parse(name: &str, source: Source) -> Result<Self, ConfigError> {
        let file: File = source.parse()?;
        if !file.card.overrides.is_empty() && file.card.differs.is_none() {
            let at = source.text().find("overrides").unwrap_or_default();
            let message = "`overrides` contradicts the checkpoint without a reason: say why in one sentence, `differs = \"…\"`";
            return Err(source.error_at(at..at, message));
        }
        let stages = file.stage.into_iter().enumerate();
        let stages = stages
            .map(|(position, stage)| {
                let sha256 = Stage::sha256(stage.sha256, &source)?;
                let has_passages = stage.passages.is_some();
                let (algorithm, source) = (stage.algorithm, source.clone());
                Ok(StageTable { algorithm, sha256, has_passages, source, position })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            card: file.card,
            stages,
            claims: file.claim,
            tuned: file.tuned,
            source,
        })
    }

    /// The text by which a user names the method: its name, or the path of its file if that is not one of the program's
    /// configs.
    pub fn argument(&self) -> &str {
        let path = self.source.path();
        if path.starts_with("configs/") { &self.name } else { path }
    }

    /// The folder that it lies in, which is its family.
    pub fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The digest of the file's text.
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
    fn relative_weights_and_files_lie_in_the_folder_of_the_config() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Weighed {
            model: toml::Table,
            query_model: toml::Table,
            template: String,
            path: String,
        }
        let text = r#"
[card]
name = "m"
paper = "p"
[[stage]]
use = "bi_encoder"
sha256 = "53AA51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
model = { weights = "file:model", vocabulary = { weights = "file:words" } }
query_model.weights = "file:/elsewhere/model"
template = "file:{text}"
path = "runs/bm25.trec"
"#;
        let source = Source::new("mine/m.toml", text).in_folder(Path::new("mine"));
        let method = Method::parse("mine/m", source).unwrap();
        let stage = &method.stages[0];
        assert_eq!(stage.sha256[0][..6], *"53aa51");
        let read: Weighed = stage
            .read(|table| Weighed::deserialize(toml::de::ValueDeserializer::from(table)))
            .unwrap();
        assert_eq!(
            (read.template.as_str(), read.path.as_str()),
            ("file:{text}", "mine/runs/bm25.trec")
        );
        assert_eq!(read.model["weights"].as_str(), Some("file:mine/model"));
        assert_eq!(read.model["vocabulary"]["weights"].as_str(), Some("file:mine/words"));
        assert_eq!(read.query_model["weights"].as_str(), Some("file:/elsewhere/model"));
    }

    #[test]
    fn a_pin_is_a_hash_and_a_contradiction_has_a_reason() {
        let refused = |from: &str, to: &str| read(&BM25.replace(from, to)).unwrap_err().to_string();
        let pin = refused("k1 = 0.9", "sha256 = \"abc\"");
        assert!(pin.contains(":8:10: `sha256` is `abc`: expected 64 hexadecimal digits"), "{pin}");
        let reason = refused("[[stage]]", "overrides = [\"pooling\"]\n[[stage]]");
        assert!(
            reason.contains(":6:1: `overrides` contradicts the checkpoint without a reason"),
            "{reason}"
        );
    }

    #[test]
    fn a_stage_without_use_is_refused() {
        let error = read(&BM25.replace("use = \"bm25\"", "")).unwrap_err().to_string();
        assert!(error.contains("missing field `use`"), "{error}");
    }
}
