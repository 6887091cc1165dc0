//! Where a result comes from: what this program was built from and what it runs on.

use std::fs;

use indexmap::IndexMap;
use indicatif::HumanBytes;
use nir_catalogue::Provenance;
use nir_core::Digest;
use nir_index::Simd;
use nir_nn::Backend;
use serde::{Deserialize, Serialize};

use crate::pipeline::Pipeline;

/// The properties of indexes, by the index's name.
pub type Facts = IndexMap<String, IndexMap<String, String>>;

/// What a run was made with.
pub struct Origins {
    /// The digest of the run file.
    pub run_digest: Digest,
    /// The versions of the code that made it, and the digests of code that is not nir's.
    pub made_with: Vec<String>,
    /// The properties of its indexes.
    pub facts: Facts,
    /// The digest of each set of weights, by name; empty without a model.
    pub weights: IndexMap<String, String>,
    /// The machine, the device and the day of the run; its cost belongs to them.
    pub made: Made,
    /// The precision of its models; `None` without a model.
    pub precision: Option<String>,
}

/// A machine and a day: where and when a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The name of the processor.
    pub cpu: String,
    /// The properties of the machine that decide its speed, by the names that `nir doctor` shows.
    pub machine: IndexMap<String, String>,
    /// The device that computed: `cpu`, or the name of a GPU.
    pub device: String,
    /// The day, as `2026-12-01`.
    pub date: String,
}

impl Made {
    /// On this machine, today, by `device`.
    pub fn here(device: String) -> Self {
        let date = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        Self { cpu: cpu(), machine: machine(), device, date }
    }
}

/// The commit that this program was built from; `+changes` is appended if the sources differed from it.
pub const COMMIT: &str = env!("NIR_COMMIT");
/// The version of the compiler that built this program.
pub const RUSTC: &str = env!("NIR_RUSTC");

/// Libraries whose version may change a ranking.
const LIBRARIES: [&str; 6] =
    ["tantivy", "bitpacking", "candle-core", "gemm", "tokenizers", "hnsw_rs"];

/// The kind of build: whether it is optimised, and the processor's architecture. Costs of stages are only comparable
/// within one.
pub fn build() -> String {
    format!("{} {}", env!("NIR_PROFILE"), std::env::consts::ARCH)
}

/// Everything that a result was made from.
///
/// - `dataset`: the digest of the dataset
/// - `origin`: the origin of the dataset's files, in words
pub fn provenance(
    pipeline: &Pipeline,
    dataset: String,
    origin: String,
    origins: &Origins,
) -> Provenance {
    Provenance {
        config: pipeline.method.digest().hex(),
        contract: (pipeline.method.source.is_made())
            .then(|| pipeline.method.source.text().to_owned()),
        inputs: pipeline.input_digests().into_iter().collect(),
        dataset,
        origin,
        weights: origins.weights.clone(),
        indexes: origins.facts.clone(),
        run: origins.run_digest.hex(),
        commit: COMMIT.to_owned(),
        made_with: origins.made_with.clone(),
        rustc: RUSTC.to_owned(),
        libraries: libraries(),
        cpu: origins.made.cpu.clone(),
        machine: origins.made.machine.clone(),
        device: origins.made.device.clone(),
        date: origins.made.date.clone(),
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// The versions of the libraries that a ranking depends on.
pub fn libraries() -> IndexMap<String, String> {
    let lock: Lock =
        toml::from_str(include_str!("../../../Cargo.lock")).expect("cargo wrote its lock file");
    let versions =
        lock.package.into_iter().filter(|package| LIBRARIES.contains(&package.name.as_str()));
    versions.map(|package| (package.name, package.version)).collect()
}

/// The name of the processor; its architecture if the system does not tell a name.
pub fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

/// The properties of the machine that decide its speed, by the names that `nir doctor` shows.
fn machine() -> IndexMap<String, String> {
    let memory = memory().map(|memory| HumanBytes(memory.total).to_string());
    let facts = [
        ("cores", Some(cores().to_string())),
        ("simd", Some(Simd::get().name().to_owned())),
        ("memory", memory),
    ];
    facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))).collect()
}

/// The number of threads that can run at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The main memory of the machine, in bytes.
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// The part that is available to programs.
    pub free: u64,
}

/// The main memory; `None` if the system does not report it.
pub fn memory() -> Option<Memory> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name| kibibytes(&text, name).map(|kibibytes| kibibytes << 10);
    Some(Memory { total: bytes("MemTotal")?, free: bytes("MemAvailable")? })
}

/// The number in a line of `/proc/meminfo`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The device that computes models: `cpu`, or the name of a GPU.
pub fn device(backend: &Backend) -> String {
    if backend.device().is_cpu() {
        return "cpu".to_owned();
    }
    let query = std::process::Command::new("nvidia-smi")
        .args(["--query-gpu=name", "--format=csv,noheader"])
        .output();
    let names = query.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let name = names.ok().and_then(|names| Some(names.lines().next()?.trim().to_owned()));
    name.unwrap_or_else(|| "cuda".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_systems_is_read() {
        let text = "MemTotal:       32654936 kB\nMemAvailable:    9000000 kB\n";
        assert_eq!(kibibytes(text, "MemAvailable"), Some(9_000_000));
        assert_eq!(kibibytes(text, "Mem"), None);
    }
}
