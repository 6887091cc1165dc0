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
    Backend, Input, Model, Pooling, Precision, Rows, Tokens, Truncation, normalise, numbers,
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

    fn tokens<H>(&self, model: &Model<H>) -> Vec<Tokens> {
        let input = Input {
            template: vec![self.template.to_owned()],
            lower_case: false,
            special_tokens: true,
            max_length: self.max_length,
            fill: None,
        };
        let bound = model.tokenizer.bind(&input, Truncation::Longest).unwrap();
        self.texts.iter().map(|text| bound.encode(|_| text.clone()).unwrap()).collect()
    }

    /// Its vectors by the mean, normalised, `[texts, dim]`, and those of the oracle.
    fn vectors(&self, backend: &Backend) -> (Vec<f32>, Vec<f32>) {
        let model = self.mean_model(backend);
        let vector = |hidden: &_| normalise(&model.head.forward(hidden)?);
        let text = |i: usize| self.texts[i].clone();
        let found =
            model.encoder.table(&self.tokens(&model), model.head.rows(), vector, text).unwrap();
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
        let tokens = self.tokens(&model);
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

/// Both forms of the encoder in f32, then the vectors in int8.
fn assert_vectors(published: &Published, dim: usize) {
    for backend in [Backend::reference(), Backend::reference().plain()] {
        let (found, expected) = published.vectors(&backend);
        let largest = largest_difference(&found, &expected);
        assert!(largest <= 1e-5, "{largest:e}");
    }
    let (found, expected) = published.vectors(&Backend::new("cpu", Precision::Int8).unwrap());
    for (a, b) in found.chunks(dim).zip(expected.chunks(dim)) {
        let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        assert!(cosine >= 0.99, "{cosine}");
    }
}

#[test]
fn mpnet_has_the_vectors_of_sentence_transformers() {
    let Some(mpnet) = Published::mpnet() else { return };
    assert_vectors(&mpnet, 768);
}

#[test]
fn multilingual_e5_has_the_vectors_of_transformers() {
    let Some(e5) = Published::e5() else { return };
    assert_vectors(&e5, 384);
}

#[test]
fn multilingual_e5_has_the_tokens_of_every_script() {
    let Some(e5) = Published::e5() else { return };
    let tokens = e5.tokens(&e5.mean_model(&Backend::reference()));
    let found: Vec<Vec<u32>> = tokens.into_iter().map(|tokens| tokens.ids).collect();
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
