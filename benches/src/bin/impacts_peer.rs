//! Learned-sparse search of `nir` over vectors that `peers/sparse.py` wrote: figures as JSON lines.
//!
//! `impacts_peer FOLDER [INDEX_DIR] [REPEATS]`; indexes that are there are searched as they are. A matrix is three files of little-endian numbers, by rows: `docs.starts` (u64),
//! `docs.dims` (u32), `docs.weights` (f32), and the same for `queries`. One thread.

use std::path::Path;

use anyhow::{Context, Result};
use nir_benches::cpu;
use nir_core::{Corpus, DocNo, Ranking};
use nir_index::impacts::{Clustered, Clustering, Effort, ImpactIndex, Weights};

const CLUSTERING: Clustering =
    Clustering { postings: 1500, cluster_fraction: 0.05, summary_energy: 0.4, seed: 42 };

const USAGE: &str = "impacts_peer FOLDER [INDEX_DIR] [REPEATS]";

/// Sparse rows.
struct Matrix {
    starts: Vec<u64>,
    entries: Vec<(u32, f32)>,
}

impl Matrix {
    fn read(folder: &Path, name: &str) -> Result<Self> {
        let column = |what: &str| {
            let path = folder.join(format!("{name}.{what}"));
            std::fs::read(&path).with_context(|| path.display().to_string())
        };
        let starts = column("starts")?.chunks_exact(8).map(eight).collect();
        let dims =
            column("dims")?.chunks_exact(4).map(four).map(u32::from_le_bytes).collect::<Vec<_>>();
        let weights = column("weights")?;
        let weights = weights.chunks_exact(4).map(four).map(f32::from_le_bytes);
        Ok(Self { starts, entries: dims.into_iter().zip(weights).collect() })
    }

    fn rows(&self) -> impl Iterator<Item = &[(u32, f32)]> {
        self.starts.windows(2).map(|ends| &self.entries[ends[0] as usize..ends[1] as usize])
    }
}

fn eight(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("chunks of eight"))
}

fn four(bytes: &[u8]) -> [u8; 4] {
    bytes.try_into().expect("chunks of four")
}

/// Documents that are only rows; their names are decimal numbers.
struct Rows(Vec<String>);

impl Corpus for Rows {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn doc_id(&self, doc: DocNo) -> &str {
        &self.0[doc.row()]
    }

    fn doc_no(&self, doc_id: &str) -> Option<DocNo> {
        doc_id.parse().ok().map(DocNo)
    }

    fn title(&self, _: DocNo) -> &'static str {
        ""
    }

    fn text(&self, _: DocNo) -> &'static str {
        ""
    }

    fn contents(&self, _: DocNo) -> &'static str {
        ""
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(arguments.first().context(USAGE)?);
    let repeats = arguments.get(2).map_or(Ok(3), |repeats| repeats.parse())?;
    let documents = Matrix::read(folder, "docs")?;
    let queries = Matrix::read(folder, "queries")?;
    let queries: Vec<&[(u32, f32)]> = queries.rows().collect();
    let corpus = Rows((0..documents.rows().count()).map(|row| row.to_string()).collect());
    let scratch = tempfile::tempdir()?;
    let dir = arguments.get(1).map_or(scratch.path(), Path::new);
    let mut best: Vec<Ranking> = Vec::new();
    for (name, weights) in [("f32", Weights::F32), ("u8", Weights::U8 { step: 3.5 / 255.0 })] {
        let path = dir.join(name);
        if !path.exists() {
            let started = cpu();
            ImpactIndex::build(&path, weights, documents.rows())?;
            print(name, "build_cpu", cpu() - started, "s");
        }
        let started = std::time::Instant::now();
        let index = ImpactIndex::open(&path)?;
        print(name, "open_wall", started.elapsed().as_secs_f64(), "s");
        print(name, "index_size", index.bytes() as f64 / f64::from(1 << 20), "MiB");
        if best.is_empty() {
            best = index.search_many(&queries, 10, &corpus);
        }
        for depth in [10, 1000] {
            time(name, depth, repeats, &queries, |query| index.search(query, depth, &corpus))?;
        }
    }
    approximate(&dir.join("clustered"), &documents, &queries, &best, &corpus, repeats)
}

/// The clustered index, at the least effort of a grid that reaches each recall of the exact ten best.
fn approximate(
    path: &Path,
    documents: &Matrix,
    queries: &[&[(u32, f32)]],
    best: &[Ranking],
    corpus: &dyn Corpus,
    repeats: usize,
) -> Result<()> {
    if !path.exists() {
        let started = cpu();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
        pool.install(|| Clustered::build(path, CLUSTERING, documents.rows()))?;
        print("clustered", "build_cpu", cpu() - started, "s");
    }
    let index = Clustered::open(path)?;
    print("clustered", "index_size", index.bytes() as f64 / f64::from(1 << 20), "MiB");
    let mut reached: Vec<(f64, f64, Effort)> = Vec::new();
    for query_cut in [2, 3, 4, 5, 6, 8, 12, 20] {
        for heap_factor in [0.6, 0.7, 0.8, 0.9, 1.0, 1.1] {
            let effort = Effort { query_cut, heap_factor };
            let started = cpu();
            let found: Vec<Ranking> =
                queries.iter().map(|query| index.search(query, effort, 10, corpus)).collect();
            reached.push((cpu() - started, recall(&found, best), effort));
        }
    }
    reached.sort_by(|a, b| a.0.total_cmp(&b.0));
    for target in [0.9, 0.95, 0.99] {
        let Some((_, recall, effort)) = reached.iter().find(|(_, recall, _)| *recall >= target)
        else {
            continue;
        };
        eprintln!("recall {recall:.4} with {effort:?}");
        let name = format!("clustered-recall{target}");
        time(&name, 10, repeats, queries, |query| index.search(query, *effort, 10, corpus))?;
    }
    Ok(())
}

fn recall(found: &[Ranking], best: &[Ranking]) -> f64 {
    let common = |(found, best): (&Ranking, &Ranking)| {
        best.iter().filter(|hit| found.iter().any(|other| other.doc == hit.doc)).count()
    };
    let all: usize = found.iter().zip(best).map(common).sum();
    all as f64 / best.iter().map(|best| best.len()).sum::<usize>() as f64
}

fn time(
    name: &str,
    depth: usize,
    repeats: usize,
    queries: &[&[(u32, f32)]],
    search: impl Fn(&[(u32, f32)]) -> Ranking,
) -> Result<()> {
    let mut seconds = Vec::new();
    for _ in 0..=repeats {
        let started = cpu();
        for query in queries {
            std::hint::black_box(search(query));
        }
        seconds.push(cpu() - started);
    }
    let warm = &mut seconds[1..];
    warm.sort_by(f64::total_cmp);
    let median = warm[warm.len() / 2];
    print(name, &format!("top{depth}_qps_cpu"), queries.len() as f64 / median, "queries/s");
    Ok(())
}

fn print(name: &str, figure: &str, value: f64, unit: &str) {
    println!(
        "{{\"peer\": \"nir-{name}\", \"figure\": \"{figure}\", \"value\": {value:.4}, \"unit\": \"{unit}\", \"threads\": 1}}"
    );
}
