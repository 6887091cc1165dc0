//! A result: one method on one dataset, `results/<dataset>/<family>/<method>.json`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::Claim;
use crate::sweep::FOLDER;

/// The part of a collection that was searched. Results with different scopes are never put into one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole collection.
    Full,
    /// A sample of the named collection; only results over the same sample are comparable.
    SampleOf(String),
}

/// The value of one measure, and the values that other orders of tied documents would give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The mean over all judged queries.
    pub value: f64,
    /// The number of queries in which the order of tied documents could change the value, or in which a tie crosses the
    /// cutoff.
    pub tied_queries: usize,
    /// The mean if every tie were ordered in the least favourable way.
    pub worst: f64,
    /// The mean if every tie were ordered in the most favourable way.
    pub best: f64,
}

/// The cost of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageCost {
    /// The name of the stage's algorithm.
    pub stage: String,
    /// Wall-clock seconds to prepare the stage: build or open indexes, load weights.
    pub build_seconds: f64,
    /// Wall-clock seconds over all queries, on `threads` threads.
    pub run_seconds: f64,
    /// The size on disk of what the stage built, in bytes.
    pub bytes: u64,
    /// CPU seconds of the same two steps; `None` if they were not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuSeconds>,
}

/// Seconds of all processors together. Unlike wall-clock time, they do not grow when other programs use the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CpuSeconds {
    /// CPU seconds to prepare the stage.
    pub build: f64,
    /// CPU seconds over all queries.
    pub run: f64,
}

/// The time for one query through the whole pipeline in milliseconds, one query at a time on one thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The number of queries that were timed.
    pub queries: usize,
    /// The median.
    pub p50_ms: f64,
    /// The 95 % confidence interval of the median; `None` in results from before it was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_interval_ms: Option<[f64; 2]>,
    /// The 95th percentile.
    pub p95_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
}

/// The cost of a run on the machine that its provenance names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The cost of each stage, in order.
    pub stages: Vec<StageCost>,
    /// The time for a single query.
    pub latency: Latency,
    /// The size on disk, in bytes, of all indexes and vectors that the method and the methods it fuses search, each counted
    /// once; `None` in results from before it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_bytes: Option<u64>,
    /// The largest resident set of the process so far in bytes; `None` if the system does not report it.
    pub peak_bytes: Option<u64>,
    /// The number of threads that `run_seconds` was measured with.
    pub threads: usize,
}

/// How a result compares with a published number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The difference is within the tolerance.
    Reproduced,
    /// The result is higher by more than the tolerance, which is as suspicious as lower.
    Above,
    /// The result is lower by more than the tolerance.
    Below,
}

/// A published number beside ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// The published number and its source.
    pub claim: Claim,
    /// The value that was measured here.
    pub ours: f64,
    /// Our value minus the published one.
    pub difference: f64,
    /// Whether the difference is within the claim's tolerance.
    pub verdict: Verdict,
}

impl Claimed {
    /// Compares `ours`, the value measured here, with a claim.
    pub fn new(claim: Claim, ours: f64) -> Self {
        let difference = ours - claim.value;
        // A claim of .6789 ± .0001 is kept by .6790: decimal fractions are not exact in binary.
        let verdict = match difference.abs() <= claim.tolerance + 1e-9 {
            true => Verdict::Reproduced,
            false if difference > 0.0 => Verdict::Above,
            false => Verdict::Below,
        };
        Self { claim, ours, difference, verdict }
    }
}

/// Everything that a result was made from. Digests are BLAKE3 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The digest of the method's config file.
    pub config: String,
    /// The config itself, where no file has it: it was read out of a checkpoint, or a run file stands in place of its first stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The digests of the configs of the methods that it fuses, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, String>,
    /// The digest of documents, queries and judgements.
    pub dataset: String,
    /// The origin of the dataset's files, in words.
    pub origin: String,
    /// The digest of each set of weights, by name; empty for a method without a model.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub weights: IndexMap<String, String>,
    /// The properties of each index, such as its analyzer and its number of terms.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub indexes: IndexMap<String, IndexMap<String, String>>,
    /// The digest of the run file.
    pub run: String,
    /// The commit that the program was built from; `+changes` is appended if the sources differed from it.
    pub commit: String,
    /// The versions of the algorithms, structures and encoders that made it. Empty in results from before versions were
    /// recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_with: Vec<String>,
    /// The version of the Rust compiler.
    pub rustc: String,
    /// The versions of the libraries that a ranking depends on.
    pub libraries: IndexMap<String, String>,
    /// The name of the processor.
    pub cpu: String,
    /// The other facts that `nir doctor` reports of the machine: cores, SIMD, memory. Empty in results from before they
    /// were recorded.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub machine: IndexMap<String, String>,
    /// The device that computed: `cpu`, or the name of a GPU.
    pub device: String,
    /// The day of the run, as year-month-day.
    pub date: String,
}

impl Provenance {
    /// Whether others can build the program that made the result: it was built from a commit without changes.
    pub fn is_of_commit(&self) -> bool {
        self.commit.len() == 40 && self.commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// The part of a collection that an encoder did not read because texts were longer than `max_length`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cut {
    /// The share of documents that were cut, from 0 to 1.
    pub documents: f64,
    /// The share of all bytes of text that were cut off, from 0 to 1.
    pub text: f64,
}

/// The entry of `indexes` that records how much of the documents was read.
const TEXTS: &str = "texts";
/// The property with the number of documents that were cut at `max_length`.
const DOCUMENTS_CUT: &str = "documents cut";
/// The property with the share of all bytes that were cut off.
const TEXT_NOT_READ: &str = "text not read";

/// One result: a method on a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The name of the method's config, `family/method`.
    pub method: String,
    /// The display name from the method's card.
    pub name: String,
    /// The key of its paper in `papers.toml`.
    pub paper: String,
    /// The name of the dataset.
    pub dataset: String,
    /// The part of the collection that was searched.
    pub scope: Scope,
    /// The number of documents that were searched.
    pub documents: usize,
    /// The number of judged queries over which measures are averaged.
    pub queries: usize,
    /// The rule for ties, missing queries and the precision of scores.
    pub policy: String,
    /// The measures by name.
    pub measures: IndexMap<String, Measured>,
    /// Published numbers beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claimed>,
    /// The precision of its models, if it has any: `f32`, `bf16`, `f16` or `int8`. Results of different precisions are
    /// kept apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// The cost of the run.
    pub cost: Cost,
    /// Everything that the result was made from.
    pub provenance: Provenance,
}

impl Cell {
    /// The path of its file below `results`: `dense/minilm-l6.json`, or `dense/minilm-l6@int8.json` for another
    /// precision than f32.
    pub fn path(&self) -> PathBuf {
        let marked = self.mark().map_or_else(String::new, |precision| format!("@{precision}"));
        PathBuf::from(self.folder()).join(format!("{}{marked}.json", self.method))
    }

    /// The folder of its dataset: the name of a manifest; for a user's own files, whose name is a path of theirs, the start of
    /// what their content is known by.
    fn folder(&self) -> String {
        match self.dataset.starts_with("own:") {
            true => format!("own-{}", &self.provenance.dataset[..12]),
            false => self.dataset.clone(),
        }
    }

    /// Whether it is a point of a [`Sweep`](crate::Sweep), which measures a search structure and not a method.
    pub fn is_of_sweep(&self) -> bool {
        self.method.starts_with(FOLDER)
    }

    /// The name of the result in tables, which includes the precision unless it is f32.
    pub fn label(&self) -> String {
        let marked = self.mark().map_or_else(String::new, |precision| format!(" ({precision})"));
        format!("{}{marked}", self.name)
    }

    /// Whether its config cites published numbers for the dataset and all of them are reproduced.
    pub fn is_reproduced(&self) -> bool {
        let kept = |claimed: &Claimed| claimed.verdict == Verdict::Reproduced;
        !self.claims.is_empty() && self.claims.iter().all(kept)
    }

    /// The share of the exact search's best documents that an approximate search found, by cutoff in ascending order;
    /// empty for an exact search.
    pub fn recalls(&self) -> Vec<(usize, f64)> {
        let facts = self.provenance.indexes.values().flatten();
        let recall = |(name, value): (&String, &String)| {
            let cutoff = name.strip_prefix("recall@")?.parse().ok()?;
            Some((cutoff, value.parse().ok()?))
        };
        let mut recalls: Vec<(usize, f64)> = facts.filter_map(recall).collect();
        recalls.sort_by_key(|&(cutoff, _)| cutoff);
        recalls
    }

    /// The part of the documents that the encoder did not read; `None` if no encoder read documents.
    pub fn cut(&self) -> Option<Cut> {
        let texts = self.provenance.indexes.get(TEXTS)?;
        let number = |fact: &str| texts.get(fact)?.parse::<f64>().ok();
        let documents = number(DOCUMENTS_CUT)? / self.documents.max(1) as f64;
        Some(Cut { documents, text: number(TEXT_NOT_READ)? })
    }

    /// Bytes on disk of what it searches. In results from before that was counted, it is taken from the stages, of which those
    /// that share an index say the same; nothing can be said there of a method that fuses others.
    pub fn index_bytes(&self) -> Option<u64> {
        if self.cost.index_bytes.is_some() || !self.provenance.inputs.is_empty() {
            return self.cost.index_bytes;
        }
        let stages = self.cost.stages.iter();
        let distinct: BTreeSet<(u64, u64)> =
            stages.map(|stage| (stage.bytes, stage.build_seconds.to_bits())).collect();
        Some(distinct.iter().map(|(bytes, _)| bytes).sum())
    }

    fn mark(&self) -> Option<&str> {
        self.precision.as_deref().filter(|&precision| precision != "f32")
    }

    /// Whether `other` measured the same inputs and found the same run, the same numbers and the same properties of
    /// indexes. Cost and date may differ.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let inputs =
            |cell: &Self| (cell.provenance.config.clone(), cell.provenance.dataset.clone());
        inputs(self) == inputs(other)
            && self.provenance.run == other.provenance.run
            && self.provenance.indexes == other.provenance.indexes
            && self.policy == other.policy
            && self.measures == other.measures
            && self.claims == other.claims
    }
}

/// Why a result could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a result that this version can read.
    #[error("{path}: not a result: {source}; delete it and run the method again")]
    Json {
        /// The path of the file.
        path: PathBuf,
        /// The place and the problem.
        source: serde_json::Error,
    },
}

/// The folder below `results` with the baselines of `nir gate`. It holds no results, and no dataset has its name.
pub const GATE: &str = "gate";

/// Reads all results below a folder, ordered by dataset and method; none if the folder does not exist. Fails at the
/// first file that cannot be read.
pub fn read_cells(results: &Path) -> Result<Vec<Cell>, CellError> {
    let mut cells = Vec::new();
    collect(results, &results.join(GATE), &mut cells)?;
    let key = |cell: &Cell| (cell.dataset.clone(), cell.method.clone(), cell.precision.clone());
    cells.sort_by_key(key);
    Ok(cells)
}

fn collect(folder: &Path, skipped: &Path, cells: &mut Vec<Cell>) -> Result<(), CellError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| CellError::Io { path, source }
    };
    if !folder.is_dir() || folder == skipped {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() {
            collect(&path, skipped, cells)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = fs::read(&path).map_err(at(&path))?;
            cells.push(
                serde_json::from_slice(&bytes)
                    .map_err(|source| CellError::Json { path, source })?,
            );
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Cell, Claimed};

    /// A result of `dense/x` over eight documents, with these claims, weights and facts.
    pub(crate) fn cell(claims: &[Claimed], weights: &str, facts: &str) -> Cell {
        let claims = serde_json::to_string(claims).unwrap();
        let latency = r#"{"queries": 3, "p50_ms": 1, "p95_ms": 1, "p99_ms": 1}"#;
        let text = format!(
            r#"{{"method": "dense/x", "name": "X", "paper": "x2020", "dataset": "toy", "scope": "full", "documents": 8,
            "queries": 3, "policy": "p", "claims": {claims},
            "measures": {{"AP": {{"value": 0.5, "tied_queries": 0, "worst": 0.5, "best": 0.5}}}},
            "cost": {{"stages": [], "latency": {latency}, "peak_bytes": null, "threads": 1}},
            "provenance": {{"config": "", "dataset": "", "origin": "", "weights": {{{weights}}}, "indexes": {{{facts}}}, "run": "",
                           "commit": "", "code": "", "rustc": "", "libraries": {{}}, "cpu": "", "device": "cpu", "date": ""}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::cell;
    use super::*;

    fn claim(value: f64, tolerance: f64) -> Claim {
        Claim {
            dataset: "toy".into(),
            measure: "AP".into(),
            value,
            tolerance,
            source: "Table 1".into(),
        }
    }

    #[test]
    fn a_claim_is_held_above_and_below() {
        assert_eq!(Claimed::new(claim(0.5, 0.01), 0.505).verdict, Verdict::Reproduced);
        assert_eq!(Claimed::new(claim(0.5, 0.01), 0.52).verdict, Verdict::Above);
        assert_eq!(Claimed::new(claim(0.5, 0.01), 0.48).verdict, Verdict::Below);
    }

    #[test]
    fn results_over_a_users_own_files_lie_under_what_their_content_is_known_by() {
        let mut own = cell(&[], "", "");
        own.dataset = "own:/home/me/queries.tsv".to_owned();
        own.provenance.dataset = "0123456789abcdef".to_owned();
        assert_eq!(own.path(), Path::new("own-0123456789ab/dense/x.json"));
    }

    #[test]
    fn a_difference_of_exactly_the_tolerance_is_within_it() {
        // 0.6790 - 0.6789 = 0.00010000000000010001 in binary
        assert_eq!(Claimed::new(claim(0.6789, 0.0001), 0.6790).verdict, Verdict::Reproduced);
    }

    #[test]
    fn a_cell_is_reproduced_if_all_of_its_claims_are() {
        let (near, far) = (claim(0.5, 0.01), claim(0.6, 0.01));
        let (near, far) = (Claimed::new(near, 0.505), Claimed::new(far, 0.505));
        assert!(cell(std::slice::from_ref(&near), "", "").is_reproduced());
        assert!(!cell(&[near, far], "", "").is_reproduced());
        assert!(!cell(&[], "", "").is_reproduced());
    }

    #[test]
    fn recall_is_read_by_cutoff() {
        let facts = r#""vectors": {"dim": "4", "recall@100": "0.8800", "recall@10": "0.9510"}"#;
        assert_eq!(cell(&[], "", facts).recalls(), [(10, 0.951), (100, 0.88)]);
        assert!(cell(&[], "", r#""vectors": {"dim": "4"}"#).recalls().is_empty());
    }

    #[test]
    fn what_was_not_read_is_a_share() {
        // 2 of 8 documents.
        let facts = r#""texts": {"documents cut": "2", "text not read": "0.0312"}"#;
        assert_eq!(cell(&[], "", facts).cut(), Some(Cut { documents: 0.25, text: 0.0312 }));
        assert_eq!(cell(&[], "", "").cut(), None);
    }

    #[test]
    fn stages_that_share_an_index_count_it_once() {
        let stage = |bytes, build_seconds| StageCost {
            stage: "bm25".into(),
            build_seconds,
            run_seconds: 0.0,
            bytes,
            cpu: None,
        };
        let mut cell = cell(&[], "", "");
        cell.cost.stages = vec![stage(100, 0.5), stage(100, 0.5), stage(40, 0.1)];
        assert_eq!(cell.index_bytes(), Some(140));
        cell.provenance.inputs = [("lexical/bm25".to_owned(), String::new())].into();
        assert_eq!(cell.index_bytes(), None, "what its inputs search is not among its stages");
        cell.cost.index_bytes = Some(7);
        assert_eq!(cell.index_bytes(), Some(7));
    }

    #[test]
    fn a_figure_reads_back_to_the_last_bit() {
        for value in (1..10_000).map(|i| f64::from(i).sqrt() / 101.0) {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<f64>(&text).unwrap(), value, "{text}");
        }
    }
}
