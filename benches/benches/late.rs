//! Late interaction: MaxSim of 100 documents of 180 tokens, as each storage keeps them, and PLAID beside exhaustive
//! search among 2,000 documents.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nir_core::{DocNo, Document, Documents};
use nir_index::codes::KMeans;
use nir_index::late::{Plaid, PlaidProbe, ResidualCode, TokenMatrix, TokenStorage, TokenWriter};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DIM: usize = 128;
const TOKENS: usize = 180;
const QUERY_TOKENS: usize = 32;

fn tokens(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count * DIM).map(|_| random.random_range(-0.15..0.15)).collect()
}

fn residual(bits: usize, sample: &[f32]) -> TokenStorage {
    let kmeans = KMeans { centroids: 256, iterations: 2, seed: 1, unit: true };
    let centroids = kmeans.train(sample, DIM);
    TokenStorage::Residual(Box::new(ResidualCode::train(centroids, bits, sample)))
}

fn write(path: &Path, documents: usize, storage: TokenStorage) -> TokenMatrix {
    let mut writer = TokenWriter::create(path, DIM, storage).expect("the folder can be written");
    for doc in 0..documents {
        writer.push(&tokens(TOKENS, doc as u64)).expect("tokens are whole");
    }
    writer.finish().expect("the file is complete")
}

fn max_sim(criterion: &mut Criterion) {
    let (query, sample) = (tokens(QUERY_TOKENS, 1), tokens(4000, 2));
    let dir = tempfile::tempdir().expect("there is room for vectors");
    let docs: Vec<DocNo> = (0..100).map(DocNo).collect();
    let mut group = criterion.benchmark_group("MaxSim");
    group.throughput(Throughput::Elements(100));
    let residuals = [1, 2, 4].map(|bits| ("residual", bits, residual(bits, &sample)));
    let storages = [("f16", 16, TokenStorage::F16), ("int8", 8, TokenStorage::Int8)];
    for (name, bits, storage) in storages.into_iter().chain(residuals) {
        let matrix = write(&dir.path().join("tokens"), 100, storage);
        group.bench_function(BenchmarkId::new(name, bits), |bench| {
            bench.iter(|| matrix.score(black_box(&query), &docs));
        });
    }
}

fn plaid(criterion: &mut Criterion) {
    let (query, sample) = (tokens(QUERY_TOKENS, 1), tokens(4000, 2));
    let doc = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
    let corpus = Documents::new((0..2000).map(doc)).expect("rows are unique names");
    let dir = tempfile::tempdir().expect("there is room for vectors");
    let matrix = write(&dir.path().join("tokens"), 2000, residual(2, &sample));
    let plaid = Plaid::build(&dir.path().join("plaid"), matrix).expect("the file is complete");
    let mut group = criterion.benchmark_group("search");
    group.sample_size(10);
    group.bench_function("exhaustive", |bench| {
        bench.iter(|| plaid.tokens().search(black_box(&query), 10, &corpus));
    });
    let probe = PlaidProbe { nprobe: 1, threshold: 0.3, documents: 256 };
    group.bench_function("PLAID", |bench| {
        bench.iter(|| plaid.search(black_box(&query), 10, probe, &corpus));
    });
}

criterion_group!(benches, max_sim, plaid);
criterion_main!(benches);
