//! Encodes texts with a checkpoint, for `benches/peers/neural.py`: prints what one pass over all of them cost.
//!
//! `encoder_peer MODEL TEXTS THREADS PRECISION MAX_LENGTH`, where TEXTS has one text a line; or one pair a line, joined by a
//! tab, for a cross-encoder. After a pass that does not count it prints one line of JSON.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use nir_nn::checkpoint::Checkpoint;
use nir_nn::heads::{Classifier, Vector};
use nir_nn::{Backend, Bound, Input, Model, Pooling, Rows, Table, Tokens, Truncation, normalise};
use rayon::prelude::*;

const USAGE: &str = "usage: encoder_peer MODEL TEXTS THREADS PRECISION MAX_LENGTH";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, texts, threads, precision, max_length] = &arguments[..] else {
        anyhow::bail!(USAGE)
    };
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    let text = std::fs::read_to_string(texts).with_context(|| texts.clone())?;
    let lines: Vec<&str> = text.lines().collect();
    let precision = precision.parse().map_err(anyhow::Error::msg)?;
    let backend = Backend::new("cpu", precision)?;
    let checkpoint = Checkpoint::in_folder(Path::new(model))?;
    let encode = match lines.first().is_some_and(|line| line.contains('\t')) {
        true => cross(&checkpoint, &backend, max_length.parse()?)?,
        false => vectors(&checkpoint, &backend, max_length.parse()?)?,
    };
    encode(&lines)?;
    let (cpu, wall) = (cpu_seconds()?, Instant::now());
    let table = encode(&lines)?;
    let (cpu, wall) = (cpu_seconds()? - cpu, wall.elapsed().as_secs_f64());
    let sum: f32 = table.rows.iter().sum();
    println!("{{\"texts\": {}, \"cpu\": {cpu}, \"wall\": {wall}, \"sum\": {sum}}}", lines.len());
    Ok(())
}

type Encode = Box<dyn Fn(&[&str]) -> Result<Table>>;

fn bind<H>(model: &Model<H>, template: &[&str], max_length: usize) -> Result<Bound> {
    let template = template.iter().map(|&text| text.to_owned()).collect();
    let input = Input { template, lower_case: false, special_tokens: true, max_length, fill: None };
    Ok(model.tokenizer.bind(&input, Truncation::Longest)?)
}

/// Mean pooling and length 1.
fn vectors(checkpoint: &Checkpoint, backend: &Backend, max_length: usize) -> Result<Encode> {
    let ignore = ["pooler.*".to_owned()];
    let model = Model::load(checkpoint, None, backend, &ignore, |architecture, tensors| {
        Vector::load(architecture, tensors, Pooling::Mean, None)
    })?;
    let bound = bind(&model, &["{text}"], max_length)?;
    Ok(Box::new(move |texts| {
        let tokens = texts.par_iter().map(|text| bound.encode(|_| (*text).to_owned()));
        let tokens: Vec<Tokens> = tokens.collect::<Result<_, _>>()?;
        let head = |hidden: &_| normalise(&model.head.forward(hidden)?);
        Ok(model.encoder.table(&tokens, Rows::All, head, |i| texts[i].to_owned())?)
    }))
}

/// One logit for a pair.
fn cross(checkpoint: &Checkpoint, backend: &Backend, max_length: usize) -> Result<Encode> {
    let model = Model::load(checkpoint, None, backend, &[], Classifier::load)?;
    let bound = bind(&model, &["{first}", "{second}"], max_length)?;
    Ok(Box::new(move |pairs| {
        let encode = |pair: &&str| {
            let (first, second) = pair.split_once('\t').unwrap_or((pair, ""));
            bound.encode(|name| if name == "first" { first } else { second }.to_owned())
        };
        let tokens: Vec<Tokens> = pairs.par_iter().map(encode).collect::<Result<_, _>>()?;
        let head = |hidden: &_| model.head.forward(hidden);
        Ok(model.encoder.table(&tokens, Rows::First, head, |i| pairs[i].to_owned())?)
    }))
}

/// Seconds that all threads of this process have computed.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').context("/proc/self/stat has no name")?.1;
    let ticks: Vec<f64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / 100.0) // Linux counts in hundredths of a second
}
