//! A baseline: the measures, rankings and costs that somebody last accepted as right.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use nir_catalogue::{GATE, Provenance};
use nir_core::{Digest, Hasher, RankedList, TrecRun};
use serde::{Deserialize, Serialize};

/// How many documents of each ranking are kept by name, so that a change can be shown and not only noticed.
pub(crate) const BEST: usize = 10;

/// The recorded rows that a comparison is checked against. Its file is `results/gate/<comparison>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The path of the comparison's config, such as `configs/ci.toml`.
    pub comparison: String,
    /// The reason, in words, that was given with the last update.
    pub reason: String,
    /// One row for each pair of a method and a dataset.
    pub rows: Vec<Row>,
}

/// The measures, costs and rankings of one method on one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The method, by the name of its config.
    pub method: String,
    /// The name of the dataset.
    pub dataset: String,
    /// The name of the evaluation policy: how ties, queries without results and the width of scores are treated.
    pub policy: String,
    /// The precision that its models compute in, such as `f32` or `int8`; `None` for a method without a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// The value of each measure, by its name.
    pub measures: IndexMap<String, f64>,
    /// The costs of its stages, by the build they were timed in (`debug x86_64`), as optimisation changes the ratios too.
    pub costs: IndexMap<String, Costs>,
    /// The inputs, code and machine that the row was computed with.
    pub provenance: Provenance,
    /// The ranking of each query, by `query_id`.
    pub rankings: IndexMap<String, RankedQuery>,
}

impl Row {
    /// The name of what computed the row: the instruction set of the processor (`avx512`), or another device (`cuda`).
    pub fn computed_by(&self) -> &str {
        match self.provenance.device.as_str() {
            "cpu" => self.provenance.machine.get("simd").map_or("cpu", String::as_str),
            device => device,
        }
    }
}

/// The costs of the stages of a method, as they were timed in one build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// The name and version of the reference workload whose seconds the ratios are relative to.
    pub reference: String,
    /// The commit of the source that the costs were measured at.
    pub commit: String,
    /// The name of the processor that they were measured on.
    pub cpu: String,
    /// The date on which they were measured.
    pub date: String,
    /// The ratio of each stage, in the order of the stages.
    pub stages: Vec<StageRatio>,
}

/// CPU seconds of a stage over all queries, divided by those of the reference workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRatio {
    /// The name of the stage's algorithm.
    pub stage: String,
    /// The CPU seconds of the stage divided by those of the reference workload.
    pub ratio: f64,
}

/// The ranking of one query: a digest of all of it, and its best documents by name. In a file, one line:
/// `digest doc_id doc_id … | score score …`, the scores only where a model computed them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RankedQuery {
    /// The first 16 hexadecimal digits of a digest over every `doc_id` and score, in order.
    pub digest: String,
    /// The `doc_id`s of the best ten.
    pub best: Vec<String>,
    /// The scores of these documents; empty where no model computed them.
    pub scores: Vec<f32>,
}

/// The word that separates names from scores in a line of the file.
const SCORES: &str = "|";

impl RankedQuery {
    /// Describes one list of a run, in the order of the list, without the scores of its best documents.
    pub fn new(list: &RankedList) -> Self {
        let mut hasher = Hasher::new("ranking");
        for (doc_id, entry) in list.iter() {
            hasher.part(doc_id).part((entry.score as f32).to_le_bytes());
        }
        let best = list.iter().take(BEST).map(|(doc_id, _)| doc_id.to_owned()).collect();
        Self { digest: hasher.digest().short(), best, scores: Vec::new() }
    }

    /// Describes one list of a run as [`RankedQuery::new`] does, with the scores of its best documents.
    pub fn with_scores(list: &RankedList) -> Self {
        let scores = list.iter().take(BEST).map(|(_, entry)| entry.score as f32).collect();
        Self { scores, ..Self::new(list) }
    }
}

impl From<String> for RankedQuery {
    fn from(line: String) -> Self {
        let mut words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned);
        let digest = words.next().unwrap_or_default();
        let mut best: Vec<String> = words.collect();
        let scores = take_scores(&mut best).unwrap_or_default();
        Self { digest, best, scores }
    }
}

/// Takes the second half of the words, where that is one number for each word of the first.
fn take_scores(words: &mut Vec<String>) -> Option<Vec<f32>> {
    let half = words.len() / 2;
    if half == 0 || words.len().is_multiple_of(2) || words[half] != SCORES {
        return None;
    }
    let scores = words[half + 1..].iter().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    words.truncate(half);
    Some(scores)
}

impl From<RankedQuery> for String {
    fn from(RankedQuery { digest, best, scores }: RankedQuery) -> Self {
        let mut words = vec![digest];
        words.extend(best);
        if !scores.is_empty() {
            words.push(SCORES.to_owned());
            words.extend(scores.iter().map(f32::to_string));
        }
        words.join(" ")
    }
}

/// The ranking of every query of a run; with scores where a model computed them, as those may differ in their last digits
/// from processor to processor.
pub fn rankings(run: &TrecRun, has_model: bool) -> IndexMap<String, RankedQuery> {
    let ranked = if has_model { RankedQuery::with_scores } else { RankedQuery::new };
    run.iter().map(|(query_id, list)| (query_id.to_owned(), ranked(list))).collect()
}

/// The error of a file that is not a baseline, or one of another version.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path}: not a baseline of this version: {source}; write it anew with --update --reason \"…\""
)]
pub struct BaselineError {
    /// The path of the file.
    pub path: PathBuf,
    /// The error of the JSON parser, with line and column.
    pub source: serde_json::Error,
}

impl Baseline {
    /// The path of a comparison's baseline in a folder of results: `gate/ci.json` for `configs/ci.toml`.
    pub fn path(results: &Path, comparison: &str) -> PathBuf {
        let name = Path::new(comparison).file_stem().unwrap_or_default();
        results.join(GATE).join(name).with_extension("json")
    }

    /// Reads a baseline from `text`, as [`Baseline::text`] writes it; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// [`BaselineError`] where the text is not JSON or has other keys.
    pub fn parse(path: &Path, text: &str) -> Result<Self, BaselineError> {
        serde_json::from_str(text).map_err(|source| BaselineError { path: path.to_owned(), source })
    }

    /// The text of the file: JSON, with one line for each figure and each ranking.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a baseline has only text keys") + "\n"
    }

    /// The row of a method on a dataset, or `None` where the baseline has none.
    pub fn row(&self, dataset: &str, method: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.dataset == dataset && row.method == method)
    }

    /// Copies from `before` the costs that were measured in other builds than this one, so that an update keeps them.
    pub fn keep_costs_of(&mut self, before: &Self) {
        for row in &mut self.rows {
            let costs = before.row(&row.dataset, &row.method).map(|row| row.costs.clone());
            for (build, costs) in costs.unwrap_or_default() {
                row.costs.entry(build).or_insert(costs);
            }
        }
    }
}

/// The first digits of a digest: enough to tell two apart by eye.
pub(crate) fn short(hex: &str) -> String {
    Digest::from_hex(hex).map_or_else(|| hex.to_owned(), |digest| digest.short()[..12].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_one_line_and_reads_back() {
        let mut list = RankedList::default();
        (0..12).for_each(|i| list.push(&format!("d{i}"), f64::from(20 - i), 0));
        let ranking = RankedQuery::new(&list);
        let line = String::from(ranking.clone());
        assert!(line.ends_with(" d0 d1 d2 d3 d4 d5 d6 d7 d8 d9"), "{line}");
        assert_eq!(RankedQuery::from(line), ranking);
    }

    #[test]
    fn scores_read_back_to_the_last_bit() {
        let mut list = RankedList::default();
        [("|", 0.1), ("b", -3e-9), ("1", f64::from(f32::MAX))]
            .into_iter()
            .for_each(|(doc_id, score)| list.push(doc_id, score, 0));
        let ranking = RankedQuery::with_scores(&list);
        assert_eq!(ranking.scores, [0.1_f32, -3e-9, f32::MAX]);
        let line = String::from(ranking.clone());
        assert!(line.contains(" | b 1 | 0.1 -0.000000003 "), "{line}");
        assert_eq!(RankedQuery::from(line), ranking);
        for names in ["1111 |", "1111 a | b", "1111", ""] {
            assert_eq!(String::from(RankedQuery::from(names.to_owned())), names, "no scores in it");
        }
    }

    #[test]
    fn the_digest_sees_what_lies_below_the_names() {
        let list = |last: &str, score: f64| {
            let mut list = RankedList::default();
            (0..BEST).for_each(|i| list.push(&format!("d{i}"), 9.0, 0));
            list.push(last, score, 0);
            RankedQuery::new(&list).digest
        };
        assert_eq!(list("a", 1.0), list("a", 1.0));
        assert_ne!(list("a", 1.0), list("b", 1.0));
        assert_ne!(list("a", 1.0), list("a", 1.1));
    }

    #[test]
    fn a_baseline_is_named_after_its_comparison() {
        let path = Baseline::path(Path::new("results"), "configs/ci.toml");
        assert_eq!(path, Path::new("results/gate/ci.json"));
    }

    #[test]
    fn a_file_of_another_shape_is_refused_with_what_to_do() {
        let error =
            Baseline::parse(Path::new("ci.json"), "{\"rows\": []}").unwrap_err().to_string();
        assert!(
            error.starts_with("ci.json: not a baseline") && error.contains("--update"),
            "{error}"
        );
    }
}
