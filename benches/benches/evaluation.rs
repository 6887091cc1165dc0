//! Reading and scoring a run: RR@10, nDCG@10, R@1000 and AP over queries with a thousand documents each.
//!
//! 698 queries, a tenth of MS MARCO's dev set, made from a seed: documents drawn from 8.8 million, scores of six
//! decimals in descending order, one relevant document a query.
//!
//! The whole dev set's size, 6,980 queries in a file of 237 MB, was measured once against pytrec_eval-terrier 0.5.11
//! (trec_eval 9 in C behind Python) on two cores of an AMD EPYC, one thread each, user and system time together:
//!
//! | | CPU time | peak memory |
//! |---|---|---|
//! | pytrec_eval, reading 4.51 s and scoring 1.70 s | 6.21 s | 1,180 MiB |
//! | `nir eval`, the whole process (median of ten) | 0.58 s | 161 MiB |
//!
//! The ratio is 1 to 10.7; about nine tenths of ours is reading.

use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nir_core::Qrels;
use nir_data::trec::read_run;
use nir_eval::{Measure, Policy, evaluate};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const QUERIES: u32 = 698;
const DEPTH: u32 = 1000;
const DOCUMENTS: u32 = 8_841_823;

/// Writes the run and returns its judgements.
fn make(path: &Path) -> std::io::Result<Qrels> {
    let mut random = ChaCha8Rng::seed_from_u64(42);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut qrels = Qrels::default();
    for query in 0..QUERIES {
        // A thousand steps of at most 1999 stay below the size of the collection: no document comes twice.
        let (first, step) =
            (random.random_range(0..DOCUMENTS), random.random_range(1..1000) * 2 + 1);
        let mut score = 30.0;
        for rank in 1..=DEPTH {
            let doc = (u64::from(first) + u64::from(rank) * step) % u64::from(DOCUMENTS);
            score -= f64::from(random.next_u32() % 40_000) / 1e6;
            writeln!(file, "{query} Q0 {doc} {rank} {score:.6} bench")?;
            if rank == 1 + query % 300 {
                qrels.insert(&query.to_string(), &doc.to_string(), 1);
            }
        }
    }
    file.flush()?;
    Ok(qrels)
}

fn evaluation(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run");
    let qrels = make(&path).expect("the run fits on the disk");
    let run = read_run(&path).expect("the run reads back");
    let measures: Vec<Measure> = ["RR@10", "nDCG@10", "R@1000", "AP"]
        .iter()
        .map(|name| name.parse().expect("a measure"))
        .collect();

    let mut group = criterion.benchmark_group("evaluation");
    group.throughput(Throughput::Elements(u64::from(QUERIES * DEPTH)));
    group.sample_size(20);
    group.bench_function("read", |bencher| bencher.iter(|| read_run(black_box(&path))));
    group.bench_function("score", |bencher| {
        bencher.iter(|| evaluate(&qrels, black_box(&run), &measures, Policy::TREC_EVAL_9));
    });
    group.finish();
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
