//! Codes: a scan of 10,000 rows of 384 components for one query, by each code, and an inverted file of them.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nir_core::{Document, Documents};
use nir_index::codes::{
    Centroids, Code, FastScan, Ivf, IvfWriter, KMeans, Layout, PqTraining, Probe, ProductQuantiser,
    Rescore, ScalarQuantiser, SignBits,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROWS: usize = 10_000;
const DIM: usize = 384;
const QUERIES: usize = 100;

fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count * DIM).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn quantiser(rows: &[f32], pieces: usize, centroids: usize) -> ProductQuantiser {
    let training = PqTraining { pieces, centroids, iterations: 2, rotation: None, seed: 1 };
    training.train(&rows[..2000 * DIM], DIM)
}

fn scan_with<C: Code>(criterion: &mut Criterion, name: &str, code: &C, rows: &[f32]) {
    let list = code.pack(&code.encode(rows));
    let query = code.queries(&rows[..DIM]).remove(0);
    let mut scores = vec![0.0; ROWS];
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function(name, |bench| {
        bench.iter(|| code.scan(black_box(&query), &list, &mut scores));
    });
}

fn scan(criterion: &mut Criterion) {
    let rows = rows(ROWS, 1);
    scan_with(criterion, "pq 48 x 8 bits", &quantiser(&rows, 48, 256), &rows);
    scan_with(criterion, "pq 96 x 4 bits", &FastScan::new(quantiser(&rows, 96, 16)), &rows);
    scan_with(criterion, "int8", &ScalarQuantiser::train(&rows, DIM), &rows);
    scan_with(criterion, "bits", &SignBits::new(DIM), &rows);
}

fn ivf(criterion: &mut Criterion) {
    let (rows, queries) = (rows(ROWS, 1), rows(QUERIES, 2));
    let doc = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
    let corpus = Documents::new((0..ROWS).map(doc)).expect("rows are unique names");
    let dir = tempfile::tempdir().expect("there is room for an index");
    let index = build(&dir.path().join("ivf"), &rows);
    let mut group = criterion.benchmark_group("ivf pq 96 x 4 bits");
    group.throughput(Throughput::Elements(QUERIES as u64));
    for nprobe in [1, 4, 16] {
        let probe = Probe { nprobe, rescore: Rescore::Codes(100) };
        group.bench_function(BenchmarkId::new("nprobe", nprobe), |bench| {
            bench.iter(|| index.search_many(black_box(&queries), 10, probe, &corpus));
        });
    }
}

fn build(path: &std::path::Path, rows: &[f32]) -> Ivf<FastScan> {
    let kmeans = KMeans { centroids: 100, iterations: 4, seed: 1, unit: true };
    let coarse: Centroids = kmeans.train(rows, DIM);
    let layout = Layout { coarse, code: FastScan::new(quantiser(rows, 96, 16)), residual: false };
    let mut writer = IvfWriter::create(path, layout).expect("the folder can be written");
    rows.chunks(DIM).for_each(|row| writer.push(row).expect("rows have one width"));
    writer.finish().expect("the file is complete")
}

fn kmeans(criterion: &mut Criterion) {
    let rows = rows(ROWS, 1);
    let kmeans = KMeans { centroids: 256, iterations: 1, seed: 1, unit: false };
    let mut group = criterion.benchmark_group("k-means");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("one iteration, 256 centroids", |bench| {
        bench.iter(|| kmeans.train(black_box(&rows), DIM));
    });
}

criterion_group!(benches, scan, ivf, kmeans);
criterion_main!(benches);
