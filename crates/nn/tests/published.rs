//! Published weights: all-mpnet-base-v2 over sentences of our own against sentence-transformers (`tests/oracles/mpnet.py`).
//!
//! Runs where `NIR_MODELS` holds `all-mpnet-base-v2/` (`.ci/models mpnet`); says so and passes elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use candle_core::Device;
use nir_nn::checkpoint::Checkpoint;
use nir_nn::heads::Vector;
use nir_nn::{Backend, Input, Model, Pooling, Precision, Tokens, Truncation, normalise, numbers};

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("NIR_MODELS")?).join("all-mpnet-base-v2");
    if !folder.is_dir() {
        eprintln!("skipped: {} is missing", folder.display());
    }
    folder.is_dir().then_some(folder)
}

/// Vectors as sentence-transformers makes them, `[texts, 768]`, and those it made.
fn vectors(folder: &Path, backend: &Backend) -> (Vec<f32>, Vec<f32>) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mpnet-published");
    let texts = std::fs::read_to_string(fixture.join("texts.txt")).unwrap();
    let expected =
        candle_core::safetensors::load(fixture.join("expected.safetensors"), &Device::Cpu).unwrap();
    let checkpoint = Checkpoint::in_folder(folder).unwrap();
    let ignore = ["pooler.*".to_owned()];
    let model = Model::load(&checkpoint, None, backend, &ignore, |architecture, tensors| {
        Vector::load(architecture, tensors, Pooling::Mean, None)
    });
    let model = model.unwrap();
    let template = vec!["{text}".to_owned()];
    let input =
        Input { template, lower_case: false, special_tokens: true, max_length: 384, fill: None };
    let bound = model.tokenizer.bind(&input, Truncation::Longest).unwrap();
    let tokens: Vec<Tokens> =
        texts.lines().map(|text| bound.encode(|_| text.to_owned()).unwrap()).collect();
    let vector = |hidden: &_| normalise(&model.head.forward(hidden)?);
    let text = |i: usize| texts.lines().nth(i).unwrap().to_owned();
    let found = model.encoder.table(&tokens, model.head.rows(), vector, text).unwrap();
    (found.rows, numbers(&expected["vectors"]).unwrap())
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let Some(folder) = folder() else { return };
    for backend in [Backend::reference(), Backend::reference().plain()] {
        let (found, expected) = vectors(&folder, &backend);
        let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let largest = difference.fold(0.0, f32::max);
        assert!(found.len() == 7 * 768 && largest <= 1e-5, "{largest:e}");
    }
}

#[test]
fn int8_vectors_point_the_same_way() {
    let Some(folder) = folder() else { return };
    let (found, expected) = vectors(&folder, &Backend::new("cpu", Precision::Int8).unwrap());
    for (a, b) in found.chunks(768).zip(expected.chunks(768)) {
        let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        assert!(cosine >= 0.99, "{cosine}");
    }
}
