//! Dense search of `nir`, driven line by line by `peers/dense.py`, which takes its rivals' turns in between.
//!
//! `dense_peer DIR DIM` reads `base.f32` and `queries.f32` of a folder, rows of `DIM` numbers, and keeps its files in a
//! folder of its own. Each line of standard input is a command, each answered by a line of JSON:
//!
//! ```text
//! flat STORAGE QUERIES BATCH       exact search of the first QUERIES queries, BATCH at a time
//! build BUILDER M EF_CONSTRUCTION  a graph, by `hnsw` or `hnsw_rs`
//! search BUILDER EF                all queries over it, one at a time
//! ```

use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nir_benches::cpu;
use nir_core::{Document, Documents, Ranking};
use nir_index::{
    Flat, Graph, HnswParams, HnswRsParams, Matrix, MatrixWriter, Storage, build_hnsw, build_hnsw_rs,
};

const DEPTH: usize = 10;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, dim] = &arguments[..] else { anyhow::bail!("dense_peer DIR DIM") };
    let bench = Bench::new(Path::new(dir), dim.parse()?)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        println!("{}", bench.run(&words).with_context(|| line.clone())?);
    }
    Ok(())
}

struct Bench {
    dim: usize,
    base: Vec<f32>,
    queries: Vec<f32>,
    corpus: Documents,
    files: tempfile::TempDir,
}

impl Bench {
    fn new(dir: &Path, dim: usize) -> Result<Self> {
        let base = floats(&dir.join("base.f32"))?;
        let doc = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
        let corpus = Documents::new((0..base.len() / dim).map(doc))?;
        let queries = floats(&dir.join("queries.f32"))?;
        Ok(Self { dim, base, queries, corpus, files: tempfile::tempdir()? })
    }

    fn run(&self, words: &[&str]) -> Result<String> {
        match words {
            ["flat", storage, queries, batch] => {
                self.flat(storage, queries.parse()?, batch.parse()?)
            }
            ["build", builder, m, ef] => self.build(builder, m.parse()?, ef.parse()?),
            ["search", builder, ef] => self.search(builder, ef.parse()?),
            _ => anyhow::bail!("no such command"),
        }
    }

    fn flat(&self, storage: &str, queries: usize, batch: usize) -> Result<String> {
        let flat = Flat::new(vec![self.matrix(storage)?])?;
        let queries = &self.queries[..queries * self.dim];
        let batches = || queries.chunks(batch * self.dim);
        let search = |batch: &[f32]| flat.search_many(batch, DEPTH, &self.corpus);
        batches().next().map(search); // reads the matrix
        let started = cpu();
        let found: Vec<Ranking> = batches().flat_map(search).collect();
        Ok(answer(cpu() - started, &found))
    }

    fn build(&self, builder: &str, m: usize, ef_construction: usize) -> Result<String> {
        let (path, matrix) = (self.file(builder), self.matrix("f32")?);
        let started = cpu();
        let graph = match builder {
            "hnsw" => build_hnsw(&path, matrix, HnswParams { m, ef_construction, seed: 1 })?,
            "hnsw_rs" => build_hnsw_rs(&path, matrix, HnswRsParams { m, ef_construction })?,
            _ => anyhow::bail!("no such builder"),
        };
        let (cpu, repaired, bytes) = (cpu() - started, graph.repaired(), graph.bytes());
        Ok(format!("{{\"cpu\": {cpu}, \"repaired\": {repaired}, \"bytes\": {bytes}}}"))
    }

    fn search(&self, builder: &str, ef: usize) -> Result<String> {
        let graph = Graph::open(&self.file(builder), self.matrix("f32")?)?;
        let queries = || self.queries.chunks(self.dim);
        let search = |query: &[f32]| graph.search(query, DEPTH, ef, &self.corpus);
        queries().for_each(|query| drop(search(query))); // reads the files
        let started = cpu();
        let found: Vec<Ranking> = queries().map(search).collect();
        Ok(answer(cpu() - started, &found))
    }

    /// The base as a matrix, written when it is first asked for.
    fn matrix(&self, storage: &str) -> Result<Matrix> {
        let path = self.file(storage);
        if path.exists() {
            return Ok(Matrix::open(&path)?);
        }
        let storage = match storage {
            "f32" => Storage::F32,
            "f16" => Storage::F16,
            "bf16" => Storage::Bf16,
            "int8" => Storage::Int8,
            _ => anyhow::bail!("no such storage"),
        };
        let mut writer = MatrixWriter::create(&path, self.dim, storage)?;
        self.base.chunks(self.dim).try_for_each(|row| writer.push(row))?;
        Ok(writer.finish()?)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

fn answer(cpu: f64, found: &[Ranking]) -> String {
    let rows: Vec<Vec<u32>> =
        found.iter().map(|ranking| ranking.iter().map(|hit| hit.doc.0).collect()).collect();
    format!("{{\"cpu\": {cpu}, \"found\": {rows:?}}}")
}

fn floats(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let (numbers, _) = bytes.as_chunks::<4>();
    Ok(numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}
