//! MaxSim of `nir` beside a bare matrix product of the same size, turn by turn, as JSON lines.
//!
//! `late_peer [ROUNDS]`: a query of 32 tokens and 1,000 candidates of 180 tokens, 128 components. The product is of the
//! `gemm` crate, `[32, 128] x [128, 180000]` in f32, with all scores written and none looked at, in whichever of two
//! layouts is faster. One thread, CPU seconds; medians, and the median of the ratios.

use anyhow::Result;
use nir_benches::cpu;
use nir_core::DocNo;
use nir_index::codes::{Centroids, KMeans};
use nir_index::late::{ResidualCode, TokenMatrix, TokenStorage, TokenWriter};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DIM: usize = 128;
const QUERY_TOKENS: usize = 32;
const DOCUMENTS: usize = 1000;
const TOKENS: usize = 180;
const REPEATS: usize = 8;

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(Ok(15), |rounds| rounds.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut unit = |tokens: usize| {
        let token = |_| unit_vector(&mut random);
        (0..tokens).flat_map(token).collect::<Vec<f32>>()
    };
    let (query, tokens) = (unit(QUERY_TOKENS), unit(DOCUMENTS * TOKENS));
    let dir = tempfile::tempdir()?;
    for (name, storage) in storages(&tokens[..20_000 * DIM]) {
        let mut writer = TokenWriter::create(&dir.path().join(name), DIM, storage)?;
        tokens.chunks_exact(TOKENS * DIM).try_for_each(|doc| writer.push(doc))?;
        race(name, &writer.finish()?, &query, &tokens, rounds)?;
    }
    Ok(())
}

fn unit_vector(random: &mut ChaCha8Rng) -> Vec<f32> {
    let vector: Vec<f32> = (0..DIM).map(|_| random.random_range(-1.0..1.0)).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.into_iter().map(|x| x / length).collect()
}

fn storages(sample: &[f32]) -> Vec<(&'static str, TokenStorage)> {
    let kmeans = KMeans { centroids: 256, iterations: 4, seed: 1, unit: true };
    let centroids: Centroids = kmeans.train(sample, DIM);
    let residual = |bits| {
        TokenStorage::Residual(Box::new(ResidualCode::train(centroids.clone(), bits, sample)))
    };
    vec![
        ("f16", TokenStorage::F16),
        ("int8", TokenStorage::Int8),
        ("residual-2-bit", residual(2)),
        ("residual-4-bit", residual(4)),
    ]
}

fn race(
    name: &str,
    matrix: &TokenMatrix,
    query: &[f32],
    tokens: &[f32],
    rounds: usize,
) -> Result<()> {
    let docs: Vec<DocNo> = (0..DOCUMENTS as u32).map(DocNo).collect();
    let mut scores = vec![0.0; QUERY_TOKENS * DOCUMENTS * TOKENS];
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=rounds {
        let own = seconds(|| drop(std::hint::black_box(matrix.score(query, &docs))))?;
        let columns = seconds(|| product(query, tokens, &mut scores, (1, QUERY_TOKENS)))?;
        let rows = seconds(|| product(query, tokens, &mut scores, (DOCUMENTS * TOKENS, 1)))?;
        let rival = columns.min(rows);
        ours.push(own);
        theirs.push(rival);
        ratios.push(own / rival);
    }
    print(&format!("nir-{name}"), "maxsim_cpu", 1e3 * median(&ours[1..]), "ms");
    print("gemm", "product_cpu", 1e3 * median(&theirs[1..]), "ms");
    print(&format!("nir-{name}"), "time over gemm", median(&ratios[1..]), "x");
    Ok(())
}

/// `scores = query · tokensᵀ`, where `strides` lead to the next query token and to the next document token.
#[expect(unsafe_code, reason = "the gemm crate takes pointers")]
fn product(query: &[f32], tokens: &[f32], scores: &mut [f32], strides: (usize, usize)) {
    let (m, n) = (query.len() / DIM, tokens.len() / DIM);
    assert_eq!(scores.len(), m * n, "a score for each pair");
    let (row, column, dim) = (strides.0.cast_signed(), strides.1.cast_signed(), DIM.cast_signed());
    let (to, lhs, rhs) = (scores.as_mut_ptr(), query.as_ptr(), tokens.as_ptr());
    let none = gemm::Parallelism::None;
    // SAFETY: the strides are those of `[m, n]`, `[m, dim]` and of `[n, dim]` transposed, all within their slices.
    unsafe {
        gemm::gemm(
            m, n, DIM, to, column, row, false, lhs, 1, dim, rhs, dim, 1, 0.0, 1.0, false, false,
            false, none,
        );
    }
    std::hint::black_box(scores);
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(peer: &str, figure: &str, value: f64, unit: &str) {
    println!(
        "{{\"peer\": \"{peer}\", \"figure\": \"{figure}\", \"value\": {value:.4}, \"unit\": \"{unit}\", \"threads\": 1}}"
    );
}

/// CPU seconds of `f`, a mean: the clock moves when the scheduler looks, every few milliseconds.
fn seconds(mut f: impl FnMut()) -> Result<f64> {
    let started = cpu();
    (0..REPEATS).for_each(|_| f());
    Ok((cpu() - started) / REPEATS as f64)
}
