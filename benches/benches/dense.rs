//! Dense search over 20,000 vectors of 384 components around 200 centres, made here from a fixed seed: the kernels at
//! every level of the processor, exact search with each storage, and walks over a graph.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nir_core::{Document, Documents};
use nir_index::{Flat, HnswParams, Matrix, MatrixWriter, Simd, Storage, build_hnsw};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DIM: usize = 384;
const DOCUMENTS: usize = 20_000;
const CENTRES: usize = 200;
const QUERIES: usize = 256;
const DEPTH: usize = 10;

/// `[count, DIM]`, each row of length one and near one of the centres.
fn vectors(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let centres: Vec<f32> = (0..CENTRES * DIM).map(|_| random.random_range(-1.0..1.0)).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut vectors = Vec::with_capacity(count * DIM);
    for _ in 0..count {
        let centre = &centres[random.random_range(0..CENTRES) * DIM..][..DIM];
        let near: Vec<f32> = centre.iter().map(|x| x + random.random_range(-0.9..0.9)).collect();
        let length = near.iter().map(|x| x * x).sum::<f32>().sqrt();
        vectors.extend(near.iter().map(|x| x / length));
    }
    vectors
}

fn matrix(dir: &Path, storage: Storage) -> Matrix {
    let path = dir.join(format!("{storage:?}"));
    let mut writer = MatrixWriter::create(&path, DIM, storage).expect("there is room");
    for row in vectors(DOCUMENTS, 1).chunks(DIM) {
        writer.push(row).expect("there is room");
    }
    writer.finish().expect("there is room")
}

fn corpus() -> Documents {
    let doc = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
    Documents::new((0..DOCUMENTS).map(doc)).expect("rows are unique names")
}

fn kernels(criterion: &mut Criterion) {
    let (queries, rows) = (vectors(48, 2), vectors(64, 3));
    let mut scores = vec![0.0; 48 * 64];
    let mut group = criterion.benchmark_group("block");
    group.throughput(Throughput::Elements((48 * 64 * DIM) as u64));
    for simd in Simd::all() {
        group.bench_function(simd.name(), |bench| {
            bench.iter(|| simd.block(DIM, black_box(&queries), black_box(&rows), &mut scores));
        });
    }
}

fn flat(criterion: &mut Criterion) {
    let (dir, corpus) = (tempfile::tempdir().expect("there is room"), corpus());
    let queries = vectors(QUERIES, 2);
    let mut group = criterion.benchmark_group("flat");
    for storage in [Storage::F32, Storage::F16, Storage::Bf16, Storage::Int8] {
        let flat = Flat::new(vec![matrix(dir.path(), storage)]).expect("there is one shard");
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("one", format!("{storage:?}")), |bench| {
            bench.iter(|| flat.search(&queries[..DIM], DEPTH, &corpus));
        });
        group.throughput(Throughput::Elements(QUERIES as u64));
        group.bench_function(BenchmarkId::new("many", format!("{storage:?}")), |bench| {
            bench.iter(|| flat.search_many(&queries, DEPTH, &corpus));
        });
    }
}

fn graph(criterion: &mut Criterion) {
    let (dir, corpus) = (tempfile::tempdir().expect("there is room"), corpus());
    let params = HnswParams { m: 16, ef_construction: 200, seed: 1 };
    let matrix = matrix(dir.path(), Storage::F32);
    let graph = build_hnsw(&dir.path().join("graph"), matrix, params).expect("there is room");
    let queries = vectors(QUERIES, 2);
    let mut group = criterion.benchmark_group("graph");
    group.throughput(Throughput::Elements(QUERIES as u64));
    for ef in [16, 64, 256] {
        group.bench_function(BenchmarkId::from_parameter(ef), |bench| {
            bench.iter(|| graph.search_many(&queries, DEPTH, ef, &corpus));
        });
    }
}

criterion_group!(benches, kernels, flat, graph);
criterion_main!(benches);
