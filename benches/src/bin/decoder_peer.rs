//! What a decoder takes, for `benches/peers/decoders.py`: CPU seconds of reading a prompt, of writing behind it, and of all ordered pairs
//! of some passages, with what prompts share computed once and without.
//!
//! `decoder_peer FOLDER PRECISION PROMPT NEW` prints JSON; `FOLDER` is a checkpoint with random weights of a real shape.

use std::env;
use std::path::Path;

use anyhow::{Context as _, Result};
use cpu_time::ProcessTime;
use nir_nn::checkpoint::Checkpoint;
use nir_nn::{Backend, CausalLm, Tokens, Writer as _, never};

/// Passages of which all ordered pairs are asked about, and the tokens of a passage and of the instruction before them.
const PASSAGES: u32 = 20;
const PASSAGE: usize = 100;
const INSTRUCTION: usize = 60;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut next = |name: &str| arguments.next().with_context(|| format!("{name} is missing"));
    let (folder, precision) = (next("FOLDER")?, next("PRECISION")?);
    let (prompt, new): (usize, usize) = (next("PROMPT")?.parse()?, next("NEW")?.parse()?);
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let backend = Backend::new("cpu", precision.parse().map_err(anyhow::Error::msg)?)?;
    let checkpoint = Checkpoint::in_folder(Path::new(&folder))?;
    let model = CausalLm::load(&checkpoint, None, &backend, &[])?;
    let text = tokens((0..prompt).map(|at| id(at, 0)));
    model.first(&[tokens([1, 2, 3])], &[], &[5, 6], &|_| String::new())?; // packs nothing later
    let (read, _) =
        seconds(|| model.first(std::slice::from_ref(&text), &[], &[5, 6], &|_| String::new()))?;
    model.greedy(&[tokens([1, 2, 3])], &[], 1, &never)?; // the output layer in full
    let (both, written) = seconds(|| model.greedy(&[text], &[], new, &never))?;
    let pairs = pairs();
    let (shared, _) = seconds(|| model.first(&pairs, &[], &[5, 6], &|_| String::new()))?;
    let (apart, _) = seconds(|| {
        let one = |pair: &Tokens| {
            model.first(std::slice::from_ref(pair), &[], &[5, 6], &|_| String::new())
        };
        pairs.iter().map(one).collect::<nir_nn::Result<Vec<_>>>()
    })?;
    let made = written[0].len();
    println!(
        "{{\"read\": {read:.3}, \"write\": {:.3}, \"written\": {made}, \"pairs\": {}, \"shared\": {shared:.3}, \"apart\": {apart:.3}}}",
        both - read,
        pairs.len()
    );
    Ok(())
}

fn seconds<T>(work: impl FnOnce() -> nir_nn::Result<T>) -> Result<(f64, T)> {
    let start = ProcessTime::now();
    let made = work()?;
    Ok((start.elapsed().as_secs_f64(), made))
}

fn id(at: usize, of: usize) -> u32 {
    ((at * 104_729 + of * 7919) % 290 + 10) as u32
}

fn tokens(ids: impl IntoIterator<Item = u32>) -> Tokens {
    let ids: Vec<u32> = ids.into_iter().collect();
    Tokens { types: vec![0; ids.len()], ids, unseen: 0 }
}

/// The prompts of all ordered pairs of passages, shortened to an eighth of them so that a run ends: 47 of 380, those of the first
/// passages.
fn pairs() -> Vec<Tokens> {
    let instruction = (0..INSTRUCTION).map(|at| id(at, 1));
    let passage = |of: u32| (0..PASSAGE).map(move |at| id(at, 2 + of as usize));
    let all = (0..PASSAGES).flat_map(|a| (0..PASSAGES).map(move |b| (a, b)));
    let all = all.filter(|(a, b)| a != b).take(PASSAGES as usize * 2 + 7);
    all.map(|(a, b)| tokens(instruction.clone().chain(passage(a)).chain(passage(b)))).collect()
}
