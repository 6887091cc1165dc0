//! Published weights over sentences of our own, against sentence-transformers and transformers (`tests/oracles`).
//!
//! Each runs where `NIR_MODELS` holds its folder (`.ci/models mpnet splade e5`); says so and passes elsewhere.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use nir_nn::checkpoint::Checkpoint;
use nir_nn::heads::{LogitPooling, MaskedLm, Vector};
use nir_nn::{
    Backend, Input, Model, Pooling, Precision, Rows, Tokenizer, Tokens, Truncation, normalise,
    numbers,
};

/// A checkpoint with the sentences that its oracle has read, and what that has found.
struct Published {
    folder: PathBuf,
    texts: Vec<String>,
    expected: HashMap<String, Tensor>,
    /// What a sentence stands in.
    template: &'static str,
    max_length: usize,
}

impl Published {
    /// Nothing where `NIR_MODELS` does not hold it.
    fn find(name: &str, fixture: &str, template: &'static str, max_length: usize) -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("NIR_MODELS")?).join(name);
        if !folder.is_dir() {
            eprintln!("skipped: {} is missing", folder.display());
            return None;
        }
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
        let texts = std::fs::read_to_string(fixture.join("texts.txt")).unwrap();
        let texts = texts.lines().map(str::to_owned).collect();
        let expected = fixture.join("expected.safetensors");
        let expected = candle_core::safetensors::load(expected, &Device::Cpu).unwrap();
        Some(Self { folder, texts, expected, template, max_length })
    }

    fn mpnet() -> Option<Self> {
        Self::find("all-mpnet-base-v2", "mpnet-published", "{text}", 384)
    }

    fn e5() -> Option<Self> {
        Self::find("multilingual-e5-small-4-bits", "e5-published", "query: {text}", 512)
    }

    fn splade() -> Option<Self> {
        Self::find("splade-tiny", "splade-tiny-published", "{text}", 512)
    }

    fn tokens(&self, tokenizer: &Tokenizer) -> Vec<Tokens> {
        let input = Input {
            template: vec![self.template.to_owned()],
            lower_case: false,
            special_tokens: true,
            max_length: self.max_length,
            fill: None,
        };
        let bound = tokenizer.bind(&input, Truncation::Longest).unwrap();
        self.texts.iter().map(|text| bound.encode(|_| text.clone()).unwrap()).collect()
    }

    /// Its vectors by the mean, normalised, `[texts, dim]`, and those of the oracle.
    fn vectors(&self, backend: &Backend) -> (Vec<f32>, Vec<f32>) {
        let model = self.mean_model(backend);
        let vector = |hidden: &_| normalise(&model.head.forward(hidden)?);
        let text = |i: usize| self.texts[i].clone();
        let found = model
            .encoder
            .table(&self.tokens(&model.tokenizer), model.head.rows(), vector, text)
            .unwrap();
        (found.rows, numbers(&self.expected["vectors"]).unwrap())
    }

    fn mean_model(&self, backend: &Backend) -> Model<Vector> {
        let checkpoint = Checkpoint::in_folder(&self.folder).unwrap();
        let ignore = ["pooler.*".to_owned()];
        let model = Model::load(&checkpoint, None, backend, &ignore, |architecture, tensors| {
            Vector::load(architecture, tensors, Pooling::Mean, None)
        });
        model.unwrap()
    }

    /// Its weights of words for each text, `[texts][vocab]`.
    fn weights(&self, backend: &Backend) -> Vec<Vec<f32>> {
        let checkpoint = Checkpoint::in_folder(&self.folder).unwrap();
        let model = Model::load(&checkpoint, None, backend, &[], MaskedLm::load).unwrap();
        let tokens = self.tokens(&model.tokenizer);
        let mut found = vec![Vec::new(); tokens.len()];
        let pooled = model.encoder.in_batches(&tokens, Rows::All, |places, hidden| {
            let weights = model.head.pool(hidden, LogitPooling::Max)?; // [batch, vocab]
            for (row, &place) in places.iter().enumerate() {
                found[place] = numbers(&weights.get(row)?)?;
            }
            Ok(())
        });
        pooled.unwrap();
        found
    }

    /// With its first `count` sentences alone.
    fn first(mut self, count: usize) -> Self {
        self.texts.truncate(count);
        let vectors = self.expected["vectors"].narrow(0, 0, count).unwrap();
        self.expected.insert("vectors".to_owned(), vectors);
        self
    }

    /// A flat tensor cut into one piece for each text, by its `counts`.
    fn pieces<T: candle_core::WithDType>(&self, name: &str) -> Vec<Vec<T>> {
        let mut rest = self.expected[name].to_vec1::<T>().unwrap();
        let counts = self.expected["counts"].to_vec1::<u32>().unwrap();
        counts.iter().map(|&count| rest.drain(..count as usize).collect()).collect()
    }
}

fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The vectors in f32, each number to 1e-5.
#[track_caller]
fn assert_exact(published: &Published, backend: &Backend) {
    let (found, expected) = published.vectors(backend);
    let largest = largest_difference(&found, &expected);
    assert!(largest <= 1e-5, "{largest:e}");
}

/// The vectors in int8, by their cosine with the exact ones.
#[track_caller]
fn assert_near(published: &Published, dim: usize) {
    let (found, expected) = published.vectors(&Backend::new("cpu", Precision::Int8).unwrap());
    for (a, b) in found.chunks(dim).zip(expected.chunks(dim)) {
        let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        assert!(cosine >= 0.99, "{cosine}");
    }
}

#[test]
fn mpnet_has_the_vectors_of_sentence_transformers() {
    let Some(mpnet) = Published::mpnet() else { return };
    assert_exact(&mpnet, &Backend::reference());
    assert_near(&mpnet, 768);
    // The other form of the encoder needs ten times as long on a busy machine, and a text cut at 384 tokens most of it.
    assert_exact(&mpnet.first(4), &Backend::reference().plain());
}

/// Its table of words has 250,037 rows, so that loading it takes longer than encoding: once in f32, once in int8. The other form
/// of the encoder is held to smaller checkpoints of this architecture (`golden.rs`).
#[test]
fn multilingual_e5_has_the_vectors_of_transformers() {
    let Some(e5) = Published::e5() else { return };
    assert_exact(&e5, &Backend::reference());
    assert_near(&e5, 384);
}

#[test]
fn multilingual_e5_has_the_tokens_of_every_script() {
    let Some(e5) = Published::e5() else { return };
    let (tokenizer, _) = Tokenizer::in_file(&e5.folder.join("tokenizer.json"), 512).unwrap();
    let found: Vec<Vec<u32>> = e5.tokens(&tokenizer).into_iter().map(|tokens| tokens.ids).collect();
    assert_eq!(found, e5.pieces::<u32>("ids"));
}

#[test]
fn splade_tiny_has_the_weights_of_transformers() {
    let Some(splade) = Published::splade() else { return };
    let expected: Vec<Vec<f32>> = {
        let (words, weights) = (splade.pieces::<u32>("words"), splade.pieces::<f32>("weights"));
        let full = |(words, weights): (&Vec<u32>, &Vec<f32>)| {
            let mut full = vec![0.0; 30_522];
            words.iter().zip(weights).for_each(|(&word, &weight)| full[word as usize] = weight);
            full
        };
        words.iter().zip(&weights).map(full).collect()
    };
    for backend in [Backend::reference(), Backend::reference().plain()] {
        for (found, expected) in splade.weights(&backend).iter().zip(&expected) {
            let largest = largest_difference(found, expected);
            assert!(largest <= 1e-5, "{largest:e}");
        }
    }
}
