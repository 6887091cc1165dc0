//! What it costs to believe a folder of the cache: `cargo run --release -p nir-cache --example cost [MEGABYTES]`.
//!
//! A folder of one large file (1,000 MB if not said) and one of three small ones are made; then each is taken from the
//! cache as at the first use after the machine started, and as at every later one. The file lies in the page cache, so
//! the first use is bounded by BLAKE3 on all threads; from a disk it is bounded by the disk.

use std::fs;
use std::path::Path;
use std::time::Instant;

use nir_cache::{Cache, CacheError, Name};

fn main() -> Result<(), CacheError> {
    let megabytes: usize =
        std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000);
    let root = tempfile::tempdir().map_err(CacheError::at(Path::new(".")))?;
    let cache = Cache::at(root.path());
    let (large, small) = (Name::new("vectors", "large"), Name::new("runs", "small"));
    let block: Vec<u8> =
        (0..1_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();

    said("make the large folder", || {
        cache.make(&large, "", |folder| {
            write(folder, &[("vectors.matrix", &block.repeat(megabytes))])
        })
    })?;
    let files = [("run.trec", &block[..60_000]), ("cost.json", b"{}"), ("notes", b"")];
    said("make the small folder", || cache.make(&small, "", |folder| write(folder, &files)))?;
    fs::remove_dir_all(root.path().join("verified")).map_err(CacheError::at(root.path()))?;
    said("large, first use", || cache.get(&large))?;
    said("large, later use", || cache.get(&large))?;
    said("small, every use", || cache.get(&small))?;
    Ok(())
}

fn write(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), CacheError> {
    files.iter().try_for_each(|(name, bytes)| {
        fs::write(folder.join(name), bytes).map_err(CacheError::at(folder))
    })
}

fn said<T>(what: &str, work: impl FnOnce() -> Result<T, CacheError>) -> Result<T, CacheError> {
    let start = Instant::now();
    let result = work();
    println!("{what:22} {:10.3} ms", start.elapsed().as_secs_f64() * 1e3);
    result
}
