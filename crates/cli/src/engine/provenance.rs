//! Where a result comes from: what this program was built from and what it runs on.

use std::fs;

use indexmap::IndexMap;
use nir_catalogue::Provenance;
use nir_nn::Backend;
use serde::Deserialize;

use super::pipeline::Pipeline;
use super::run::Origins;

/// The digest of the code that makes rankings: part of every key in the cache.
pub(crate) const CODE: &str = env!("NIR_CODE");

/// Libraries whose version decides a ranking.
const LIBRARIES: [&str; 6] =
    ["tantivy", "bitpacking", "candle-core", "gemm", "tokenizers", "hnsw_rs"];

/// What this program was built as: optimisation and processor change what stages cost beside one another.
pub(crate) fn build() -> String {
    format!("{} {}", env!("NIR_PROFILE"), std::env::consts::ARCH)
}

/// Everything but the dataset's own part, which the caller knows.
pub(crate) fn provenance(
    pipeline: &Pipeline,
    dataset: String,
    origin: String,
    origins: &Origins,
) -> Provenance {
    Provenance {
        config: pipeline.method.digest().hex(),
        inputs: pipeline.input_digests().into_iter().collect(),
        dataset,
        origin,
        weights: origins.weights.clone(),
        indexes: origins.facts.clone(),
        run: origins.run_digest.hex(),
        commit: env!("NIR_COMMIT").to_owned(),
        code: CODE.to_owned(),
        rustc: env!("NIR_RUSTC").to_owned(),
        libraries: libraries(),
        cpu: cpu(),
        device: origins.device.clone(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
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

fn libraries() -> IndexMap<String, String> {
    let lock: Lock =
        toml::from_str(include_str!("../../../../Cargo.lock")).expect("cargo wrote its lock file");
    let versions =
        lock.package.into_iter().filter(|package| LIBRARIES.contains(&package.name.as_str()));
    versions.map(|package| (package.name, package.version)).collect()
}

/// The processor's name where the system tells, else its architecture.
fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

/// What computed a model: `cpu`, or a GPU by its name.
pub(crate) fn device(backend: &Backend) -> String {
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
