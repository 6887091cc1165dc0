//! A result: one method on one dataset, `results/<dataset>/<family>/<method>.json`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::Claim;
use crate::sweep::FOLDER;

/// What part of a collection was searched. Cells of different scope never share a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole collection.
    Full,
    /// A sample of the named collection: comparable with nothing but the same sample.
    SampleOf(String),
}

/// One measure, and what ties could have made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The mean over all judged queries.
    pub value: f64,
    /// Queries in which ties could change the value, or documents of one score stand on both sides of the cut-off.
    pub tied_queries: usize,
    /// The mean if every tie were broken for the worst.
    pub worst: f64,
    /// The mean if every tie were broken for the best.
    pub best: f64,
}

/// What one stage cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageCost {
    /// Its algorithm.
    pub stage: String,
    /// Wall-clock seconds to get ready: build or open indexes, load weights.
    pub build_seconds: f64,
    /// Wall-clock seconds over all queries, on `threads` threads.
    pub run_seconds: f64,
    /// Bytes on disk of what it built.
    pub bytes: u64,
    /// Seconds of all processors for the same two, where they were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuSeconds>,
}

/// Seconds that all processors together spent: what others do on a machine does not lengthen them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CpuSeconds {
    /// To build.
    pub build: f64,
    /// Over all queries.
    pub run: f64,
}

/// Milliseconds for one query, end to end, one at a time on one thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many queries were timed.
    pub queries: usize,
    /// Half of them are faster.
    pub p50_ms: f64,
    /// Between which two times the median of such queries lies with 95 % confidence; not in results from before it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_interval_ms: Option<[f64; 2]>,
    /// 95 of 100 are faster.
    pub p95_ms: f64,
    /// 99 of 100 are faster.
    pub p99_ms: f64,
}

/// What a run cost, on the machine that its provenance names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Stage by stage.
    pub stages: Vec<StageCost>,
    /// One query at a time.
    pub latency: Latency,
    /// Bytes on disk of all indexes and vectors that the method and the methods it fuses search, each counted once; not in
    /// results from before it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_bytes: Option<u64>,
    /// The largest resident set of the process, in bytes, where the system tells: of all that it ran so far.
    pub peak_bytes: Option<u64>,
    /// Threads that `run_seconds` used.
    pub threads: usize,
}

/// How a result stands to a printed number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the tolerance.
    Reproduced,
    /// Further above than the tolerance: as suspicious as below.
    Above,
    /// Further below than the tolerance.
    Below,
}

/// A claim beside what we measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// What is printed, and where.
    pub claim: Claim,
    /// What we measured.
    pub ours: f64,
    /// Ours less theirs.
    pub difference: f64,
    /// Whether that is within the claim's tolerance.
    pub verdict: Verdict,
}

impl Claimed {
    /// Holds `ours` against a claim, above and below.
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

/// Where a result comes from, to the last hash. Digests are BLAKE3 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Of the method's config file.
    pub config: String,
    /// The config itself, where no file has it: it was read out of a checkpoint, or a run file stands in place of its first stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// Of the configs of methods it fuses, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, String>,
    /// Of documents, queries and judgements.
    pub dataset: String,
    /// Where the dataset's files came from.
    pub origin: String,
    /// Of each set of weights, by name; none for a method without a model.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub weights: IndexMap<String, String>,
    /// What indexes say of themselves: analyzer, total terms.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub indexes: IndexMap<String, IndexMap<String, String>>,
    /// Of the run file.
    pub run: String,
    /// The commit the binary was built from, `+changes` where the tree differed from it.
    pub commit: String,
    /// The versions of the code that made it: algorithms, structures, encoders. Empty in results from before it had any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made_with: Vec<String>,
    /// The compiler.
    pub rustc: String,
    /// Versions of the libraries that decide a ranking.
    pub libraries: IndexMap<String, String>,
    /// The processor.
    pub cpu: String,
    /// What else `nir doctor` says of the machine: cores, SIMD, memory. Empty in cells from before it did.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub machine: IndexMap<String, String>,
    /// The device that computed: `cpu`, or a GPU's name.
    pub device: String,
    /// The day it ran.
    pub date: String,
}

impl Provenance {
    /// Whether anyone can build the program that made the result: from a commit, and without changes to it.
    pub fn is_of_commit(&self) -> bool {
        self.commit.len() == 40 && self.commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// What an encoder did not read of a collection, as its texts were longer than `max_length`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cut {
    /// The share of documents that were cut.
    pub documents: f64,
    /// The share of all bytes of text that were cut off.
    pub text: f64,
}

/// Under this name in `indexes` stands what was read of the documents.
const TEXTS: &str = "texts";
/// How many documents were cut at `max_length`.
const DOCUMENTS_CUT: &str = "documents cut";
/// The share of all bytes that were cut off.
const TEXT_NOT_READ: &str = "text not read";

/// One result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The method, by the name of its config.
    pub method: String,
    /// Its card's name.
    pub name: String,
    /// Its key in `papers.toml`.
    pub paper: String,
    /// The dataset.
    pub dataset: String,
    /// What part of the collection that is.
    pub scope: Scope,
    /// Documents searched.
    pub documents: usize,
    /// Judged queries averaged over.
    pub queries: usize,
    /// How ties, missing queries and float widths are treated.
    pub policy: String,
    /// Measure by measure.
    pub measures: IndexMap<String, Measured>,
    /// Printed numbers beside ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claimed>,
    /// The arithmetic of its models, where it has any: `f32`, `bf16`, `f16`, `int8`. Another precision is another result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// What it cost.
    pub cost: Cost,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Cell {
    /// Where its file lies below `results`: `dense/minilm-l6.json`, and `dense/minilm-l6@int8.json` in another precision
    /// than f32.
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

    /// Whether it is a point of a [`Sweep`](crate::Sweep): it measures a search structure, not a method.
    pub fn is_of_sweep(&self) -> bool {
        self.method.starts_with(FOLDER)
    }

    /// Its name in tables; another precision than f32 is part of it.
    pub fn label(&self) -> String {
        let marked = self.mark().map_or_else(String::new, |precision| format!(" ({precision})"));
        format!("{}{marked}", self.name)
    }

    /// Whether printed numbers are cited for it, and it has every one of them.
    pub fn is_reproduced(&self) -> bool {
        let kept = |claimed: &Claimed| claimed.verdict == Verdict::Reproduced;
        !self.claims.is_empty() && self.claims.iter().all(kept)
    }

    /// The share of the exact search's best documents that an approximate one found, by cut-off in ascending order; nothing
    /// for an exact search.
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

    /// What its encoder did not read of the documents; nothing where no encoder read any.
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

    /// Whether `other` measured the same thing and found the same: same inputs, same run, same numbers, and its indexes say
    /// the same of themselves. Cost and date may differ.
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

/// A result that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The file is there but cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not a result of this version.
    #[error("{path}: not a result: {source}; delete it and run the method again")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
}

/// The folder beside the datasets' that holds what `nir gate` compares with: no cells, and no dataset's name.
pub const GATE: &str = "gate";

/// All cells below a folder of results, by dataset and method; none if there is no such folder.
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
