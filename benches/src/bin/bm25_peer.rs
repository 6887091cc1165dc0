//! BM25 of `nir` over a collection of the peers' bench: build, size, memory and queries per CPU second, as JSON lines.
//!
//! `bm25_peer COLLECTION.tsv QUERIES.tsv [INDEX_DIR] [REPEATS]`, beside the queries a `qrels.tsv`. White-space tokens,
//! `k1 = 1.2`, `b = 0.75`, one-byte lengths, one thread. An existing index is searched as it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use nir_benches::cpu;
use nir_core::{Corpus, DocNo, Ranking, Silent, WeightedTerm};
use nir_index::impacts::{ImpactIndex, Precision};
use nir_index::{Bm25, Lengths, LexicalIndex, Searcher, TantivySearcher, analyzer};

const BM25: Bm25 = Bm25 { k1: 1.2, b: 0.75, lengths: Lengths::LuceneByte };
const QUERIES: usize = 1000;

/// A collection file in memory: `doc_id TAB text` lines.
struct Collection {
    bytes: String,
    /// Where each line begins, where its text begins, where it ends.
    lines: Vec<(usize, usize, usize)>,
}

impl Collection {
    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut lines = Vec::new();
        let mut start = 0;
        for line in bytes.split_inclusive('\n') {
            let tab = line.find('\t').context("a line has no tab")?;
            lines.push((start, start + tab, start + line.trim_end_matches('\n').len()));
            start += line.len();
        }
        Ok(Self { bytes, lines })
    }
}

impl Corpus for Collection {
    fn len(&self) -> usize {
        self.lines.len()
    }

    fn doc_id(&self, doc: DocNo) -> &str {
        let (start, tab, _) = self.lines[doc.row()];
        &self.bytes[start..tab]
    }

    fn doc_no(&self, doc_id: &str) -> Option<DocNo> {
        doc_id.parse().ok().map(DocNo)
    }

    fn title(&self, _: DocNo) -> &'static str {
        ""
    }

    fn text(&self, doc: DocNo) -> &str {
        let (_, tab, end) = self.lines[doc.row()];
        &self.bytes[tab + 1..end]
    }

    fn contents(&self, doc: DocNo) -> &str {
        self.text(doc)
    }
}

/// Query and its terms.
type Query = (String, Vec<WeightedTerm>);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [collection, queries, ..] = &arguments[..] else {
        anyhow::bail!("bm25_peer COLLECTION.tsv QUERIES.tsv [INDEX_DIR] [REPEATS]");
    };
    let scratch = tempfile::tempdir()?;
    let dir = arguments.get(2).map_or_else(|| scratch.path().join("index"), PathBuf::from);
    let repeats = arguments.get(3).map_or(Ok(3), |repeats| repeats.parse())?;
    let corpus: Arc<dyn Corpus> = Arc::new(Collection::read(Path::new(collection))?);
    if !dir.exists() {
        build(&dir, &*corpus)?;
    }
    let started = cpu();
    let index = Arc::new(LexicalIndex::open(&dir)?);
    print("nir", "open_cpu", cpu() - started, "s");
    print("nir", "index_size", index.bytes()? as f64 / f64::from(1 << 20), "MiB");
    let started = cpu();
    let searcher = Searcher::new(Arc::clone(&index), Arc::clone(&corpus), BM25)?;
    print("nir", "searcher_cpu", cpu() - started, "s");
    let queries = read_queries(Path::new(queries))?;
    time("nir", repeats, &queries, |query, depth| Ok(searcher.search(query, depth)))?;
    for (name, precision) in
        [("nir-impacts-f32", Precision::F32), ("nir-impacts-u8", Precision::U8)]
    {
        let path = scratch.path().join(name);
        let started = cpu();
        let impacts = ImpactIndex::from_bm25(&path, &index, BM25, precision)?;
        print(name, "build_cpu", cpu() - started, "s");
        print(name, "index_size", impacts.bytes() as f64 / f64::from(1 << 20), "MiB");
        let number = |term: &WeightedTerm| Some((index.term_number(&term.term)?, term.weight));
        time(name, repeats, &queries, |query, depth| {
            let query: Vec<(u32, f32)> = query.iter().filter_map(number).collect();
            Ok(impacts.search(&query, depth, &*corpus))
        })?;
    }
    let qrels = Path::new(&arguments[1]).with_file_name("qrels.tsv");
    print("nir", "mrr@10", rr_at_10(&searcher, &*corpus, &queries, &qrels)?, "");
    let tantivy = TantivySearcher::new(index, corpus)?;
    time("nir-tantivy", repeats, &queries, |query, depth| Ok(tantivy.search(query, depth)?))
}

fn build(dir: &Path, corpus: &dyn Corpus) -> Result<()> {
    let whitespace = analyzer("whitespace")?;
    let started = cpu();
    let before = peak_rss_mib()?;
    LexicalIndex::build(dir, corpus, &*whitespace, &Silent)?;
    print("nir", "build_cpu", cpu() - started, "s");
    print("nir", "build_rss_over_corpus", peak_rss_mib()? - before, "MiB");
    print("nir", "build_peak_rss", peak_rss_mib()?, "MiB");
    Ok(())
}

fn read_queries(path: &Path) -> Result<Vec<Query>> {
    let whitespace = analyzer("whitespace")?;
    let text = std::fs::read_to_string(path)?;
    let query = |line: &str| {
        let (query_id, text) = line.split_once('\t').context("a line has no tab")?;
        let terms = whitespace.terms(text).into_iter();
        Ok((query_id.to_owned(), terms.map(|term| WeightedTerm { term, weight: 1.0 }).collect()))
    };
    text.lines().take(QUERIES).map(query).collect()
}

fn time(
    peer: &str,
    repeats: usize,
    queries: &[Query],
    search: impl Fn(&[WeightedTerm], usize) -> Result<Ranking>,
) -> Result<()> {
    for depth in [10, 1000] {
        let mut seconds = Vec::new();
        for _ in 0..=repeats {
            let started = cpu();
            for (_, query) in queries {
                std::hint::black_box(search(query, depth)?);
            }
            seconds.push(cpu() - started);
        }
        let warm = &mut seconds[1..];
        warm.sort_by(f64::total_cmp);
        let median = warm[warm.len() / 2];
        print(peer, &format!("top{depth}_qps_cpu"), queries.len() as f64 / median, "queries/s");
    }
    Ok(())
}

fn rr_at_10(
    searcher: &Searcher,
    corpus: &dyn Corpus,
    queries: &[Query],
    qrels: &Path,
) -> Result<f64> {
    let qrels = std::fs::read_to_string(qrels)?;
    let columns = qrels.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let relevant: HashMap<&str, &str> = columns.map(|column| (column[0], column[2])).collect();
    let rr = |(query_id, query): &Query| {
        let found = searcher.search(query, 10);
        let rank =
            found.iter().position(|hit| relevant[query_id.as_str()] == corpus.doc_id(hit.doc));
        rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64)
    };
    Ok(queries.iter().map(rr).sum::<f64>() / queries.len() as f64)
}

fn print(peer: &str, figure: &str, value: f64, unit: &str) {
    println!(
        "{{\"peer\": \"{peer}\", \"figure\": \"{figure}\", \"value\": {value:.4}, \"unit\": \"{unit}\", \"threads\": 1}}"
    );
}

fn peak_rss_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
