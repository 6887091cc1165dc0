//! BM25: analysis, build and search over 20,000 texts of Zipf's law, made here from a fixed seed.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nir_core::{Corpus, DocNo, Document, Documents, Silent, WeightedTerm};
use nir_index::{Bm25, Lengths, LexicalIndex, Searcher, TantivySearcher, analyzer};

const DOCUMENTS: usize = 20_000;
const WORDS: usize = 56;
const VOCABULARY: f64 = 100_000.0;
const BM25: Bm25 = Bm25 { k1: 0.9, b: 0.4, lengths: Lengths::LuceneByte };

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Word `n` with probability about `1 / n`.
    fn word(&mut self) -> String {
        format!("w{:.0}", VOCABULARY.powf(self.uniform()))
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

fn corpus() -> Arc<dyn Corpus> {
    let mut random = Random(42);
    let document = |row: usize| Document {
        doc_id: row.to_string(),
        text: random.text(WORDS),
        ..Document::default()
    };
    Arc::new(Documents::new((0..DOCUMENTS).map(document)).expect("rows are unique names"))
}

fn queries() -> Vec<Vec<WeightedTerm>> {
    let mut random = Random(7);
    let mut term = || WeightedTerm { term: random.word(), weight: 1.0 };
    (0..100).map(|query| (0..2 + query % 6).map(|_| term()).collect()).collect()
}

fn analyze(criterion: &mut Criterion) {
    let text =
        "The U.S.A.'s running dogs can't eat 3.14 O'Neill's wi-fi naïve e-mail@x.com. ".repeat(20);
    let mut group = criterion.benchmark_group("analyze");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for name in nir_index::ANALYZERS {
        let analyzer = analyzer(name).expect("a listed name is known");
        group.bench_function(name, |bench| {
            bench.iter(|| {
                analyzer.analyze(black_box(&text), &mut |term| {
                    black_box(term);
                });
            });
        });
    }
}

fn build(criterion: &mut Criterion) {
    let corpus = corpus();
    let whitespace = analyzer("whitespace").expect("a listed name is known");
    let bytes: usize = (0..DOCUMENTS).map(|row| corpus.contents(DocNo(row as u32)).len()).sum();
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("whitespace", |bench| {
        bench.iter(|| {
            let dir = tempfile::tempdir().expect("there is room for an index");
            LexicalIndex::build(dir.path(), &*corpus, &*whitespace, &Silent)
                .expect("the build succeeds")
        });
    });
}

fn search(criterion: &mut Criterion) {
    let corpus = corpus();
    let dir = tempfile::tempdir().expect("there is room for an index");
    let whitespace = analyzer("whitespace").expect("a listed name is known");
    let index = LexicalIndex::build(dir.path(), &*corpus, &*whitespace, &Silent);
    let index = Arc::new(index.expect("the build succeeds"));
    let ours =
        Searcher::new(Arc::clone(&index), Arc::clone(&corpus), BM25).expect("k1 and b are valid");
    let tantivy = TantivySearcher::new(index, corpus).expect("the index opens");
    let queries = queries();
    let mut group = criterion.benchmark_group("search");
    group.throughput(Throughput::Elements(queries.len() as u64));
    for depth in [10, 1000] {
        group.bench_function(BenchmarkId::new("maxscore", depth), |bench| {
            bench.iter(|| {
                queries.iter().map(|query| ours.search(query, depth).len()).sum::<usize>()
            });
        });
        group.bench_function(BenchmarkId::new("exhaustive", depth), |bench| {
            bench.iter(|| {
                queries
                    .iter()
                    .map(|query| ours.search_exhaustive(query, depth).len())
                    .sum::<usize>()
            });
        });
        group.bench_function(BenchmarkId::new("tantivy", depth), |bench| {
            let found = |query| tantivy.search(query, depth).expect("tantivy searches").len();
            bench.iter(|| queries.iter().map(|query| found(query)).sum::<usize>());
        });
    }
}

criterion_group!(benches, analyze, build, search);
criterion_main!(benches);
