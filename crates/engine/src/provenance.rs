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

/// What indexes say of themselves, by index.
pub type Facts = IndexMap<String, IndexMap<String, String>>;

/// What a run is and what it was made with.
pub struct Origins {
    /// The digest of the rankings.
    pub run_digest: Digest,
    /// The versions of the code that made it, and digests of code that is not nir's.
    pub made_with: Vec<String>,
    /// What its indexes say.
    pub facts: Facts,
    /// The digest of each set of weights, by name; none without a model.
    pub weights: IndexMap<String, String>,
    /// The machine, the device and the day of the run, which its cost is of.
    pub made: Made,
    /// How exactly its models did; none without a model.
    pub precision: Option<String>,
}

/// A machine and a day: where and when a run was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The processor.
    pub cpu: String,
    /// What the machine has that decides how fast it is.
    pub machine: IndexMap<String, String>,
    /// What computed: `cpu`, or a GPU's name.
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

/// The commit that this program was built from.
pub const COMMIT: &str = env!("NIR_COMMIT");
/// The compiler that built it.
pub const RUSTC: &str = env!("NIR_RUSTC");

/// Libraries whose version decides a ranking.
const LIBRARIES: [&str; 6] =
    ["tantivy", "bitpacking", "candle-core", "gemm", "tokenizers", "hnsw_rs"];

/// What this program was built as: optimisation and processor change what stages cost beside one another.
pub fn build() -> String {
    format!("{} {}", env!("NIR_PROFILE"), std::env::consts::ARCH)
}

/// Everything but the dataset's own part, which the caller knows.
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

/// The versions of libraries that decide a ranking.
pub fn libraries() -> IndexMap<String, String> {
    let lock: Lock =
        toml::from_str(include_str!("../../../Cargo.lock")).expect("cargo wrote its lock file");
    let versions =
        lock.package.into_iter().filter(|package| LIBRARIES.contains(&package.name.as_str()));
    versions.map(|package| (package.name, package.version)).collect()
}

/// The processor's name where the system tells, else its architecture.
pub fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

/// What a machine has that decides how fast it is, by the names under which `nir doctor` shows it.
fn machine() -> IndexMap<String, String> {
    let memory = memory().map(|memory| HumanBytes(memory.total).to_string());
    let facts = [
        ("cores", Some(cores().to_string())),
        ("simd", Some(Simd::get().name().to_owned())),
        ("memory", memory),
    ];
    facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))).collect()
}

/// How many threads can run at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Main memory, in bytes.
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What programs can still have.
    pub free: u64,
}

/// None where the system does not say.
pub fn memory() -> Option<Memory> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name| kibibytes(&text, name).map(|kibibytes| kibibytes << 10);
    Some(Memory { total: bytes("MemTotal")?, free: bytes("MemAvailable")? })
}

/// A line of `/proc/meminfo`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What computed a model: `cpu`, or a GPU by its name.
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
