//! What a document costs each structure: bytes on disk, seconds of the processor, memory. METHODOLOGY.md has the model.
//!
//! `scale STRUCTURE DOCUMENTS [FOLDER]` makes synthetic documents one after the other, builds on one thread, searches
//! for 100 of them, and prints a line of JSON. Files lie in FOLDER (a temporary one if not given) and are removed.
//!
//! ```text
//! for n in 100000 1000000; do for s in flat-f32 flat-f16 flat-int8 hnsw ivf-pq impacts-f32 impacts-u8 clustered \
//!     bm25 bm25-u8 tokens-f16 tokens-2bit; do scale $s $n; done; done
//! ```
//!
//! `memory` is the most that was allocated while building, above what there was before; mapped files are not counted.
//! Making the documents is timed apart and taken off.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nir_benches::cpu;
use nir_core::{Corpus, DocNo, Silent, WeightedTerm};
use nir_index::codes::{
    FastScan, Ivf, IvfWriter, KMeans, Layout, OpqTraining, PqTraining, Probe, Rescore,
};
use nir_index::impacts::{Clustered, Clustering, Effort, ImpactIndex, Precision, Weights};
use nir_index::late::{ResidualCode, TokenStorage, TokenWriter};
use nir_index::{
    Bm25, Flat, HnswParams, Lengths, LexicalIndex, Matrix, MatrixWriter, Searcher, Storage,
    analyzer, build_hnsw,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// As all-MiniLM-L6-v2 gives.
const DIM: usize = 384;
const CLUSTERS: u64 = 1000;
/// As SPLADE gives over MS MARCO.
const TERMS: usize = 124;
const VOCABULARY: f64 = 30_000.0;
/// As passages of MS MARCO have.
const WORDS: usize = 56;
/// As ColBERT gives for them, punctuation left out.
const TOKENS: usize = 70;
const TOKEN_DIM: usize = 128;
const QUERIES: usize = 100;
const DEPTH: usize = 10;
/// Vectors that centroids are learned from.
const SAMPLE: usize = 50_000;

/// What one structure took.
struct Cost {
    bytes: u64,
    build_seconds: f64,
    /// For all queries.
    search_seconds: f64,
    memory: u64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [structure, documents, folder @ ..] = &arguments[..] else {
        bail!("scale STRUCTURE DOCUMENTS [FOLDER]");
    };
    let documents: usize = documents.parse()?;
    let scratch = match folder.first() {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    let Cost { bytes, build_seconds, search_seconds, memory } =
        measure(structure, documents, scratch.path())?;
    let (each, queries) = (documents as f64, QUERIES as f64);
    println!(
        "{{\"structure\": \"{structure}\", \"documents\": {documents}, \"bytes\": {bytes}, \"bytes_per_document\": {:.1}, \
         \"build_cpu_seconds\": {build_seconds:.2}, \"build_microseconds_per_document\": {:.2}, \
         \"search_milliseconds\": {:.3}, \"memory_bytes\": {memory}, \"memory_per_document\": {:.1}}}",
        bytes as f64 / each,
        1e6 * build_seconds / each,
        1e3 * search_seconds / queries,
        memory as f64 / each,
    );
    Ok(())
}

fn measure(structure: &str, documents: usize, folder: &Path) -> Result<Cost> {
    match structure {
        "flat-f32" => flat(documents, folder, Storage::F32),
        "flat-f16" => flat(documents, folder, Storage::F16),
        "flat-int8" => flat(documents, folder, Storage::Int8),
        "hnsw" => hnsw(documents, folder),
        "ivf-pq" => ivf_pq(documents, folder),
        "impacts-f32" => impacts(documents, folder, Weights::F32),
        "impacts-u8" => impacts(documents, folder, Weights::U8 { step: 3.5 / 255.0 }),
        "clustered" => clustered(documents, folder),
        "bm25" => bm25(documents, folder, None),
        "bm25-u8" => bm25(documents, folder, Some(Precision::U8)),
        "tokens-f16" => tokens(documents, folder, false),
        "tokens-2bit" => tokens(documents, folder, true),
        _ => bail!("{structure}: no such structure; the head of this file has all"),
    }
}

/// Builds with documents that `make` gives by their number, timed apart; then searches.
fn cost<D, I>(
    documents: usize,
    make: impl Fn(usize) -> D,
    build: impl FnOnce(&mut dyn Iterator<Item = D>) -> Result<I>,
    bytes: impl FnOnce(&I) -> u64,
    search: impl Fn(&I, usize),
) -> Result<Cost> {
    let making = timed(|| (0..documents).for_each(|row| drop(std::hint::black_box(make(row)))))?.0;
    let watch = Watch::begin()?;
    let (building, index) = timed(|| build(&mut (0..documents).map(&make)))?;
    let (memory, index) = (watch.end(), index?);
    let each = |query: usize| query * documents / QUERIES;
    search(&index, 0); // opens what is opened once
    let searching = timed(|| (0..QUERIES).for_each(|query| search(&index, each(query))))?.0;
    let build_seconds = (building - making).max(0.0);
    Ok(Cost { bytes: bytes(&index), build_seconds, search_seconds: searching, memory })
}

fn flat(documents: usize, folder: &Path, storage: Storage) -> Result<Cost> {
    let (points, corpus) = (Points::new(), Rows::new(documents));
    let path = folder.join("matrix");
    let build = |rows: &mut dyn Iterator<Item = Vec<f32>>| {
        Ok(Flat::new(vec![matrix(&path, storage, rows)?])?)
    };
    let search = |flat: &Flat, row: usize| drop(flat.search(&points.at(row), DEPTH, &corpus));
    cost(documents, |row| points.at(row), build, Flat::bytes, search)
}

fn matrix(
    path: &Path,
    storage: Storage,
    rows: &mut dyn Iterator<Item = Vec<f32>>,
) -> Result<Matrix> {
    let mut writer = MatrixWriter::create(path, DIM, storage)?;
    for row in rows {
        writer.push(&row)?;
    }
    Ok(writer.finish()?)
}

/// The graph beside its matrix in f16.
fn hnsw(documents: usize, folder: &Path) -> Result<Cost> {
    let (points, corpus) = (Points::new(), Rows::new(documents));
    let params = HnswParams { m: 16, ef_construction: 200, seed: 1 };
    let build = |rows: &mut dyn Iterator<Item = Vec<f32>>| {
        let matrix = matrix(&folder.join("matrix"), Storage::F16, rows)?;
        Ok(build_hnsw(&folder.join("graph"), matrix, params)?)
    };
    let search = |graph: &nir_index::Graph, row: usize| {
        drop(graph.search(&points.at(row), DEPTH, 64, &corpus));
    };
    cost(documents, |row| points.at(row), build, nir_index::Graph::bytes, search)
}

/// 64 codes of 4 bits after a rotation to 256, as many lists as four times the root of the documents; nothing rescored.
fn ivf_pq(documents: usize, folder: &Path) -> Result<Cost> {
    let (points, corpus) = (Points::new(), Rows::new(documents));
    let count = SAMPLE.min(documents);
    let sample: Vec<f32> = (0..count).flat_map(|at| points.at(at * documents / count)).collect();
    let lists = 4 * documents.isqrt();
    let build = |rows: &mut dyn Iterator<Item = Vec<f32>>| {
        let kmeans = KMeans { centroids: lists, iterations: 10, seed: 1, unit: true };
        let rotation = Some(OpqTraining { dim: 256, iterations: 10 });
        let code = PqTraining { pieces: 64, centroids: 16, iterations: 10, rotation, seed: 1 };
        let code = FastScan::new(code.train(&sample, DIM));
        let layout = Layout { coarse: kmeans.train(&sample, DIM), code, residual: false };
        let mut writer = IvfWriter::create(&folder.join("lists"), layout)?;
        for row in rows {
            writer.push(&row)?;
        }
        Ok(writer.finish()?)
    };
    let probe = Probe { nprobe: lists.div_ceil(50), rescore: Rescore::None };
    let search = |ivf: &Ivf<FastScan>, row: usize| {
        drop(ivf.search(&points.at(row), DEPTH, probe, &corpus));
    };
    cost(documents, |row| points.at(row), build, Ivf::bytes, search)
}

fn impacts(documents: usize, folder: &Path, weights: Weights) -> Result<Cost> {
    let corpus = Rows::new(documents);
    let build = |rows: &mut dyn Iterator<Item = Vec<(u32, f32)>>| {
        Ok(ImpactIndex::build(&folder.join("impacts"), weights, rows)?)
    };
    let search = |index: &ImpactIndex, row: usize| drop(index.search(&asked(row), DEPTH, &corpus));
    cost(documents, sparse, build, ImpactIndex::bytes, search)
}

fn clustered(documents: usize, folder: &Path) -> Result<Cost> {
    let corpus = Rows::new(documents);
    // A list keeps as large a share of the collection whatever its size.
    let postings = (documents * 3 / 200).max(1500);
    let clustering = Clustering { postings, cluster_fraction: 0.05, summary_energy: 0.4, seed: 1 };
    let effort = Effort { query_cut: 6, heap_factor: 0.8 };
    let build = |rows: &mut dyn Iterator<Item = Vec<(u32, f32)>>| {
        Ok(Clustered::build(&folder.join("clustered"), clustering, rows)?)
    };
    let search =
        |index: &Clustered, row: usize| drop(index.search(&asked(row), effort, DEPTH, &corpus));
    cost(documents, sparse, build, Clustered::bytes, search)
}

/// BM25 over a lexical index, or over 8-bit impacts made of it, which are then what is measured.
fn bm25(documents: usize, folder: &Path, precision: Option<Precision>) -> Result<Cost> {
    const BM25: Bm25 = Bm25 { k1: 0.9, b: 0.4, lengths: Lengths::LuceneByte };
    let corpus = Arc::new(Texts::new(documents));
    let (dir, analyzer) = (folder.join("lexical"), analyzer("whitespace")?);
    let invert = || LexicalIndex::build(&dir, &*corpus, &*analyzer, &Silent);
    let terms = |row: usize| corpus.text(DocNo(row as u32)).split(' ').step_by(9).take(6);
    match precision {
        None => {
            let searched = Arc::clone(&corpus) as Arc<dyn Corpus>;
            let searcher = |lexical: LexicalIndex| {
                Ok(Searcher::new(Arc::new(lexical), Arc::clone(&searched), BM25)?)
            };
            let search = |searcher: &Searcher, row: usize| {
                let query =
                    terms(row).map(|term| WeightedTerm { term: term.to_owned(), weight: 1.0 });
                drop(searcher.search(&query.collect::<Vec<_>>(), DEPTH));
            };
            cost(documents, |_| (), |_| searcher(invert()?), |_| folder_bytes(&dir), search)
        }
        Some(precision) => {
            let lexical = invert()?;
            let build = |_: &mut dyn Iterator<Item = ()>| {
                Ok(ImpactIndex::from_bm25(&folder.join("impacts"), &lexical, BM25, precision)?)
            };
            let search = |index: &ImpactIndex, row: usize| {
                let number = |term: &str| lexical.term_number(term).map(|number| (number, 1.0));
                let query: Vec<(u32, f32)> = terms(row).filter_map(number).collect();
                drop(index.search(&query, DEPTH, &*corpus));
            };
            cost(documents, |_| (), build, ImpactIndex::bytes, search)
        }
    }
}

/// Token vectors in f16, or as 2-bit residuals on centroids, as many as four times the root of the tokens.
fn tokens(documents: usize, folder: &Path, residual: bool) -> Result<Cost> {
    let points = Points::new();
    let code = residual.then(|| {
        let sample: Vec<f32> =
            (0..400).flat_map(|doc| points.tokens(doc * documents / 400)).collect();
        let centroids = (4 * (documents * TOKENS).isqrt()).min(4096);
        let kmeans = KMeans { centroids, iterations: 5, seed: 1, unit: true };
        ResidualCode::train(kmeans.train(&sample, TOKEN_DIM), 2, &sample)
    });
    let storage = code.map_or(TokenStorage::F16, |code| TokenStorage::Residual(Box::new(code)));
    let build = |rows: &mut dyn Iterator<Item = Vec<f32>>| {
        let mut writer = TokenWriter::create(&folder.join("tokens"), TOKEN_DIM, storage)?;
        for tokens in rows {
            writer.push(&tokens)?;
        }
        Ok(writer.finish()?)
    };
    let search = |matrix: &nir_index::late::TokenMatrix, row: usize| {
        let candidates: Vec<DocNo> = (0..1000.min(documents as u32)).map(DocNo).collect();
        let query = &points.tokens(row)[..32 * TOKEN_DIM];
        drop(matrix.score(query, &candidates)); // as a reranker
    };
    cost(documents, |row| points.tokens(row), build, nir_index::late::TokenMatrix::bytes, search)
}

/// Unit vectors around centres. A table of noise is turned instead of drawn anew, so that making a vector costs little.
struct Points {
    centres: Vec<f32>,
    noise: Vec<f32>,
}

const NOISE: usize = 1 << 20;

impl Points {
    fn new() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut normal = |count: usize| -> Vec<f32> {
            // The sum of three uniform numbers is near enough to a normal one.
            let mut one = || (0..3).map(|_| random.random_range(-1.0_f32..1.0)).sum();
            (0..count).map(|_| one()).collect()
        };
        Self { centres: normal(CLUSTERS as usize * DIM), noise: normal(NOISE) }
    }

    fn at(&self, row: usize) -> Vec<f32> {
        let hash = mixed(row as u64);
        let centre = &self.centres[(hash % CLUSTERS) as usize * DIM..][..DIM];
        let noise = &self.noise[(hash >> 20) as usize % (NOISE - DIM)..][..DIM];
        unit(centre.iter().zip(noise).map(|(centre, noise)| centre + 0.9 * noise).collect())
    }

    /// `[TOKENS, TOKEN_DIM]`
    fn tokens(&self, row: usize) -> Vec<f32> {
        let token = |token: usize| {
            let hash = mixed((row * TOKENS + token) as u64);
            let centre = &self.centres[(hash % (3 * CLUSTERS)) as usize * TOKEN_DIM..][..TOKEN_DIM];
            let noise = &self.noise[(hash >> 20) as usize % (NOISE - TOKEN_DIM)..][..TOKEN_DIM];
            unit(centre.iter().zip(noise).map(|(centre, noise)| centre + 0.5 * noise).collect())
        };
        (0..TOKENS).flat_map(token).collect()
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

/// SplitMix64's last step: rows that follow each other get numbers that do not.
fn mixed(row: u64) -> u64 {
    let mut z = row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Terms as Zipf has them, half of them of the document's topic; weights up to 3.5.
fn sparse(row: usize) -> Vec<(u32, f32)> {
    let mut random = Draw(mixed(row as u64));
    let topic = random.next() % 2000;
    let mut terms: Vec<(u32, f32)> = Vec::with_capacity(TERMS + 8);
    for place in 0..TERMS as u64 + 8 {
        let rank = VOCABULARY.powf(random.part()) as u32; // the density of rank r is as 1 / r
        let of_topic = (topic * 97 + mixed(place + topic * 64) % 512) % VOCABULARY as u64;
        let term = if place % 2 == 0 { of_topic as u32 } else { rank };
        terms.push((term, (3.5 * random.part() * random.part()).max(0.02) as f32));
    }
    terms.sort_unstable_by_key(|&(term, _)| term);
    terms.dedup_by_key(|&mut (term, _)| term);
    terms.truncate(TERMS);
    terms
}

/// The 25 heaviest terms of a document: a query.
fn asked(row: usize) -> Vec<(u32, f32)> {
    let mut terms = sparse(row);
    terms.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
    terms.truncate(25);
    terms
}

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0)
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Documents that are only rows.
struct Rows(Vec<String>);

impl Rows {
    fn new(documents: usize) -> Self {
        Self((0..documents).map(|row| row.to_string()).collect())
    }
}

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

/// Documents of words that are numbers, as Zipf has them; a vocabulary that grows as that of English does.
struct Texts {
    rows: Rows,
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    fn new(documents: usize) -> Self {
        let (mut text, mut ends) = (String::new(), vec![0]);
        for row in 0..documents {
            let mut random = Draw(mixed(row as u64 + 7));
            for _ in 0..WORDS {
                write!(text, "w{:.0} ", 2_000_000_f64.powf(random.part()))
                    .expect("memory takes it");
            }
            text.pop();
            ends.push(text.len());
        }
        Self { rows: Rows::new(documents), text, ends }
    }
}

impl Corpus for Texts {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn doc_id(&self, doc: DocNo) -> &str {
        self.rows.doc_id(doc)
    }

    fn doc_no(&self, doc_id: &str) -> Option<DocNo> {
        self.rows.doc_no(doc_id)
    }

    fn title(&self, _: DocNo) -> &'static str {
        ""
    }

    fn text(&self, doc: DocNo) -> &str {
        &self.text[self.ends[doc.row()]..self.ends[doc.row() + 1]]
    }

    fn contents(&self, doc: DocNo) -> &str {
        self.text(doc)
    }
}

/// Looks at the memory of this process again and again.
struct Watch {
    before: u64,
    most: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Watch {
    fn begin() -> Result<Self> {
        let before = allocated().context("/proc/self/status says nothing of memory")?;
        let (most, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (its_most, its_over) = (Arc::clone(&most), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while !its_over.load(Ordering::Relaxed) {
                its_most.fetch_max(allocated().unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Ok(Self { before, most, over, thread })
    }

    /// The most above what there was.
    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only reads a file");
        self.most.load(Ordering::Relaxed).saturating_sub(self.before)
    }
}

/// Bytes of this process that are in memory and in no file.
fn allocated() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// CPU seconds of this thread, the only one that works, and what it made.
fn timed<T>(work: impl FnOnce() -> T) -> Result<(f64, T)> {
    let before = cpu();
    let made = work();
    Ok((cpu() - before, made))
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}
