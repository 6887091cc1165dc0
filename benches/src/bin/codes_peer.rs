//! IVF-PQ of `nir` over vectors of the peers' bench: build, size and queries per CPU second, as JSON lines.
//!
//! `codes_peer FOLDER DIM [ROUNDS] [REFERENCE ...]` reads `base.f32`, `queries.f32` and `truth.i32` (100 each) of a folder.
//! With a command line after `ROUNDS`, that program is a rival in the same run: it gets a line on its standard input
//! whenever it is its turn, searches all queries once and answers with its recall and its CPU seconds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nir_benches::cpu;
use nir_core::{Corpus, DocNo, Ranking};
use nir_index::codes::{
    FastScan, Ivf, IvfWriter, KMeans, Layout, OpqTraining, PqTraining, Probe, Rescore,
};
use nir_index::{Matrix, MatrixWriter, Storage};

/// As the rival's `OPQ64_256,IVF1024,PQ64x4fs`, trained on as many rows.
const TRAINING_ROWS: usize = 50_000;
const LISTS: KMeans = KMeans { centroids: 1024, iterations: 10, seed: 1, unit: true };
const CODES: PqTraining = PqTraining {
    pieces: 64,
    centroids: 16,
    iterations: 10,
    rotation: Some(OpqTraining { dim: 256, iterations: 10 }),
    seed: 1,
};
const NPROBE: [usize; 7] = [1, 2, 3, 4, 6, 8, 16];
const RESCORE: [usize; 5] = [20, 30, 40, 60, 100];
const BAR: f64 = 0.95;
/// Searches of all queries that are timed as one.
const REPEATS: usize = 4;

/// Rows that are their own names.
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
    let [folder, dim, ..] = &arguments[..] else {
        anyhow::bail!("codes_peer FOLDER DIM [ROUNDS] [REFERENCE ...]");
    };
    let (folder, dim): (&Path, usize) = (folder.as_ref(), dim.parse()?);
    let rounds = arguments.get(2).map_or(Ok(5), |rounds| rounds.parse())?;
    rayon_on_one_thread()?;
    let rows = floats(&folder.join("base.f32"))?;
    let queries = floats(&folder.join("queries.f32"))?;
    let truth = numbers(&folder.join("truth.i32"))?;
    let corpus = Rows((0..rows.len() / dim).map(|row| row.to_string()).collect());
    let scratch = tempfile::tempdir()?;
    let index = build(&scratch.path().join("ivf"), &rows, dim)?;
    let mut rival = Rival::start(arguments.get(3..).unwrap_or_default())?;
    for storage in [Storage::F32, Storage::F16] {
        let matrix = matrix(&scratch.path().join(format!("{storage:?}")), &rows, dim, storage)?;
        let search = |probe| index.search_many(&queries, 10, probe, &corpus);
        let (probe, recall) = fastest(&matrix, search, &truth)?;
        let setting = format!("nir-ivfpq-{storage:?}");
        println!("{setting}: nprobe {}, {}", probe.nprobe, rescored(probe));
        print(&setting, "recall@10", recall, "");
        race(&setting, rounds, queries.len() / dim, || search(probe), rival.as_mut())?;
    }
    Ok(())
}

fn rayon_on_one_thread() -> Result<()> {
    // The one that works is this one, so that its clock is the whole cost.
    Ok(rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?)
}

fn build(path: &Path, rows: &[f32], dim: usize) -> Result<Ivf<FastScan>> {
    let started = cpu();
    let sample = &rows[..rows.len().min(TRAINING_ROWS * dim)];
    let coarse = LISTS.train(sample, dim);
    let code = FastScan::new(CODES.train(sample, dim));
    print("nir-ivfpq", "train_cpu", cpu() - started, "s");
    let mut writer = IvfWriter::create(path, Layout { coarse, code, residual: false })?;
    rows.chunks_exact(dim).try_for_each(|row| writer.push(row))?;
    let index = writer.finish()?;
    print("nir-ivfpq", "build_cpu", cpu() - started, "s");
    print("nir-ivfpq", "index_size", index.bytes() as f64 / f64::from(1 << 20), "MiB");
    drop(index);
    let started = cpu();
    let index = Ivf::open(path)?;
    print("nir-ivfpq", "open_cpu", cpu() - started, "s");
    Ok(index)
}

fn matrix(path: &Path, rows: &[f32], dim: usize, storage: Storage) -> Result<Matrix> {
    let mut writer = MatrixWriter::create(path, dim, storage)?;
    rows.chunks_exact(dim).try_for_each(|row| writer.push(row))?;
    Ok(writer.finish()?)
}

/// The setting of the grid with the least CPU seconds among those that reach the bar.
fn fastest<'m>(
    matrix: &'m Matrix,
    search: impl Fn(Probe<'m>) -> Vec<Ranking>,
    truth: &[i32],
) -> Result<(Probe<'m>, f64)> {
    let mut best: Option<(f64, Probe, f64)> = None;
    for (nprobe, count) in NPROBE.iter().flat_map(|&nprobe| RESCORE.map(|count| (nprobe, count))) {
        let probe = Probe { nprobe, rescore: Rescore::Rows(count, matrix) };
        let recall = recall(&search(probe), truth);
        if recall < BAR {
            continue;
        }
        let seconds = seconds(|| search(probe))?;
        if best.as_ref().is_none_or(|(least, ..)| seconds < *least) {
            best = Some((seconds, probe, recall));
        }
    }
    let (_, probe, recall) = best.context("no setting of the grid reaches the recall")?;
    Ok((probe, recall))
}

fn rescored(probe: Probe) -> String {
    match probe.rescore {
        Rescore::Rows(count, _) => format!("{count} rescored"),
        _ => String::new(),
    }
}

fn recall(found: &[Ranking], truth: &[i32]) -> f64 {
    let hits = found.iter().zip(truth.chunks_exact(100)).map(|(ranking, truth)| {
        ranking.iter().filter(|hit| truth[..10].contains(&hit.doc.0.cast_signed())).count()
    });
    hits.sum::<usize>() as f64 / (10 * found.len()) as f64
}

/// CPU seconds of a search, a mean: the clock moves when the scheduler looks, every few milliseconds.
fn seconds(search: impl Fn() -> Vec<Ranking>) -> Result<f64> {
    let started = cpu();
    (0..REPEATS).for_each(|_| drop(std::hint::black_box(search())));
    Ok((cpu() - started) / REPEATS as f64)
}

/// Turn by turn, so that both meet the same noise; medians, and the median of the ratios.
fn race(
    name: &str,
    rounds: usize,
    queries: usize,
    search: impl Fn() -> Vec<Ranking>,
    mut rival: Option<&mut Rival>,
) -> Result<()> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let own = seconds(&search)?;
        ours.push(queries as f64 / own);
        if let Some(rival) = rival.as_deref_mut() {
            let seconds = rival.search()?;
            theirs.push(queries as f64 / seconds);
            ratios.push(seconds / own);
        }
    }
    print(name, "qps_cpu", median(ours), "queries/s");
    if let Some(rival) = rival {
        print("rival", "recall@10", rival.recall, "");
        print("rival", "qps_cpu", median(theirs), "queries/s");
        print(name, "speed over rival", median(ratios), "x");
    }
    Ok(())
}

struct Rival {
    child: std::process::Child,
    answers: BufReader<std::process::ChildStdout>,
    recall: f64,
}

impl Rival {
    /// Starts the program, if one is given, and waits until it has built its index.
    fn start(command: &[String]) -> Result<Option<Self>> {
        let Some((program, arguments)) = command.split_first() else { return Ok(None) };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| program.clone())?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut rival = Self { child, answers, recall: 0.0 };
        rival.search()?;
        Ok(Some(rival))
    }

    /// CPU seconds of one turn.
    fn search(&mut self) -> Result<f64> {
        let input = self.child.stdin.as_mut().context("no standard input")?;
        input.write_all(b"\n").and_then(|()| input.flush())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let (recall, seconds) =
            answer.trim().split_once(' ').context("an answer is two numbers")?;
        self.recall = recall.parse()?;
        Ok(seconds.parse()?)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn floats(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect())
}

fn numbers(path: &Path) -> Result<Vec<i32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|&four| i32::from_le_bytes(four)).collect())
}

fn print(peer: &str, figure: &str, value: f64, unit: &str) {
    println!(
        "{{\"peer\": \"{peer}\", \"figure\": \"{figure}\", \"value\": {value:.4}, \"unit\": \"{unit}\", \"threads\": 1}}"
    );
}
