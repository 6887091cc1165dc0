//! How fast a masked language model of 4 blocks of width 256 trains at 64 tokens, forward, backward and step.
//!
//! ```text
//! export CANDLE_NUM_THREADS=1 MIMALLOC_PURGE_DELAY=-1                 what `nir train` sets for itself
//! cargo run --release -p nir-train --example throughput -- 32 20      batch, steps; RAYON_NUM_THREADS for fewer threads
//! ```
//!
//! Prints tokens a second of wall and of processor time, the median over the steps. Beside it: `tests/oracles/throughput.py`.

#![allow(clippy::unwrap_used, reason = "a program that cannot go on has failed")]

use std::time::Instant;

use candle_core::{Device, Tensor};
use nir_nn::Tokens;
use nir_train::objectives::masked_lm;
use nir_train::optimiser::AdamW;
use nir_train::parameters::Parameters;
use nir_train::recipe::{Head, Model, Optimiser};
use nir_train::student::Student;

/// That of `nir`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VOCAB: usize = 8192;
const LENGTH: usize = 64;
const GAPS: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().unwrap());
    let (batch, steps) = (arguments.next().unwrap_or(32), arguments.next().unwrap_or(20));
    let model: Model = serde_json::from_str(
        r#"{"vocabulary": "", "fresh": [], "learn": ["*"], "layers": 4, "hidden": 256, "heads": 4, "intermediate": 1024,
            "positions": 64, "std": 0.02, "residual_std": 0.02, "segment_std": 0.02,
            "identity": {"look": [0, 0, 0, 0], "carry": [0, 0, 0, 0], "words": 0}}"#,
    )
    .unwrap();
    let head: Head = serde_json::from_str(
        r#"{"masked-lm": {"text": {"template": ["{text}"], "special_tokens": true, "max_length": 64}}}"#,
    )
    .unwrap();
    let optimiser: Optimiser = serde_json::from_str(
        r#"{"steps": 1000, "batch": 1, "rate": 1e-4, "warm_up": 10, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
            "weight_decay": 0.01, "clip": 1.0, "checkpoint_every": 1}"#,
    )
    .unwrap();
    let device = Device::Cpu;
    let parameters = Parameters::new(&model, &head, VOCAB, "".as_ref(), 1, &device).unwrap();
    let student = Student::new(&model, &head, VOCAB, parameters.tensors(), &device).unwrap();
    let optimiser = AdamW::new(optimiser, &parameters).unwrap();
    let mut seconds: Vec<f64> = (0..steps)
        .map(|step| {
            let texts: Vec<Tokens> = (0..batch).map(|text| made_up(step * batch + text)).collect();
            let begun = Instant::now();
            train(&student, &parameters, &optimiser, &texts, step);
            begun.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{:.0} tokens/s", (batch * LENGTH) as f64 / seconds[steps / 2]);
}

fn train(
    student: &Student,
    parameters: &Parameters,
    optimiser: &AdamW,
    texts: &[Tokens],
    step: usize,
) {
    let places: Vec<(usize, usize)> =
        (0..texts.len()).flat_map(|text| (0..GAPS).map(move |i| (text, 6 * i))).collect();
    let truth: Vec<u32> = places.iter().map(|&(text, i)| texts[text].ids[i]).collect();
    let logits = student.logits(texts, &places).unwrap();
    let loss = masked_lm::loss(&logits, &Tensor::new(truth, &Device::Cpu).unwrap()).unwrap();
    optimiser.step(parameters, &loss.backward().unwrap(), step).unwrap();
}

fn made_up(seed: usize) -> Tokens {
    let ids = (0..LENGTH).map(|i| ((seed * 7919 + i * 104_729) % VOCAB) as u32).collect();
    Tokens { ids, types: vec![0; LENGTH], unseen: 0 }
}
