//! Importing a collection into a store, opening it, and reading from it.
//!
//! The collection is made here from a fixed seed: 50,000 passages of words of two to four syllables.

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nir_core::{Corpus, DocNo, Silent};
use nir_data::{DocumentFormat, Source, Store, read_documents};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PASSAGES: u32 = 50_000;
const SEED: u64 = 1;

fn collection() -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut tsv = String::new();
    for row in 0..PASSAGES {
        let words: Vec<String> = (0..rng.random_range(20..80)).map(|_| word(&mut rng)).collect();
        writeln!(tsv, "{row}\t{}", words.join(" ")).expect("a string takes everything");
    }
    tsv
}

fn word(rng: &mut ChaCha8Rng) -> String {
    let syllables = ["ba", "de", "ki", "lo", "mu", "ra", "se", "ti", "vo", "zu"];
    (0..rng.random_range(2..5)).map(|_| syllables[rng.random_range(0..syllables.len())]).collect()
}

fn import(tsv: &Path, dir: &Path) -> Store {
    let source = Source::file(tsv);
    Store::import(dir, PASSAGES.into(), &Silent, |import| {
        Ok(read_documents(&source, DocumentFormat::Tsv, &mut |doc| Ok(import.add(doc)?))
            .map(drop)?)
    })
    .expect("the collection is well-formed")
}

fn store(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (tsv, dir) = (folder.path().join("docs.tsv"), folder.path().join("store"));
    let text = collection();
    fs::write(&tsv, &text).expect("the folder is writable");
    let store = import(&tsv, &dir);

    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10);
    let again = folder.path().join("again");
    let forget = || drop(fs::remove_dir_all(&again));
    group.bench_function("import", |bencher| {
        bencher.iter_batched(forget, |()| import(&tsv, &again), BatchSize::PerIteration);
    });
    group.bench_function("read all", |bencher| bencher.iter(|| read_all(&store)));
    group.finish();
    criterion.bench_function("store/open", |bencher| bencher.iter(|| Store::open(&dir)));
    criterion.bench_function("store/doc_no", |bencher| {
        bencher.iter(|| store.doc_no(black_box("31415")));
    });
}

fn read_all(store: &Store) -> usize {
    (0..PASSAGES).map(|row| store.contents(DocNo(row)).len()).sum()
}

criterion_group!(benches, store);
criterion_main!(benches);
