//! Impacts: build and search over 20,000 vectors of 100 dimensions each, made here from a fixed seed.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nir_core::{Document, Documents};
use nir_index::impacts::{Clustered, Clustering, Effort, ImpactIndex, Weights};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DOCUMENTS: usize = 20_000;
const DIMENSIONS: f64 = 30_000.0;
const STORAGES: [(&str, Weights); 2] =
    [("f32", Weights::F32), ("u8", Weights::U8 { step: 3.5 / 255.0 })];
const CLUSTERING: Clustering =
    Clustering { postings: 1000, cluster_fraction: 0.1, summary_energy: 0.4, seed: 42 };

type Vector = Vec<(u32, f32)>;

/// Dimension `n` with probability about `1 / n`, each once.
fn vector(random: &mut impl Rng, dimensions: usize) -> Vector {
    let mut vector: Vector = (0..dimensions)
        .map(|_| (DIMENSIONS.powf(random.random::<f64>()) as u32, random.random_range(0.02..3.5)))
        .collect();
    vector.sort_unstable_by_key(|&(dimension, _)| dimension);
    vector.dedup_by_key(|&mut (dimension, _)| dimension);
    vector
}

fn vectors(count: usize, dimensions: usize, seed: u64) -> Vec<Vector> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| vector(&mut random, dimensions)).collect()
}

fn corpus() -> Documents {
    let document = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
    Documents::new((0..DOCUMENTS).map(document)).expect("rows are unique names")
}

fn build(criterion: &mut Criterion) {
    let documents = vectors(DOCUMENTS, 100, 1);
    let dir = tempfile::tempdir().expect("there is room for an index");
    let path = dir.path().join("index");
    let mut group = criterion.benchmark_group("impacts-build");
    group.sample_size(10).throughput(Throughput::Elements(DOCUMENTS as u64));
    for (name, weights) in STORAGES {
        group.bench_function(name, |bench| {
            bench.iter(|| ImpactIndex::build(&path, weights, &documents).expect("it is built"));
        });
    }
    group.bench_function("clustered", |bench| {
        bench.iter(|| Clustered::build(&path, CLUSTERING, &documents).expect("it is built"));
    });
}

fn search(criterion: &mut Criterion) {
    let (documents, queries) = (vectors(DOCUMENTS, 100, 1), vectors(100, 25, 2));
    let corpus = corpus();
    let dir = tempfile::tempdir().expect("there is room for an index");
    let mut group = criterion.benchmark_group("impacts-search");
    group.throughput(Throughput::Elements(queries.len() as u64));
    for (name, weights) in STORAGES {
        let index = ImpactIndex::build(&dir.path().join(name), weights, &documents);
        let index = index.expect("it is built");
        for depth in [10, 1000] {
            group.bench_function(BenchmarkId::new(name, depth), |bench| {
                let found = |query: &Vector| index.search(query, depth, &corpus).len();
                bench.iter(|| queries.iter().map(found).sum::<usize>());
            });
        }
    }
    let index = Clustered::build(&dir.path().join("clustered"), CLUSTERING, &documents);
    let index = index.expect("it is built");
    for query_cut in [3, 8] {
        let effort = Effort { query_cut, heap_factor: 0.9 };
        group.bench_function(BenchmarkId::new("clustered", query_cut), |bench| {
            let found = |query: &Vector| index.search(query, effort, 10, &corpus).len();
            bench.iter(|| queries.iter().map(found).sum::<usize>());
        });
    }
}

criterion_group!(benches, build, search);
criterion_main!(benches);
