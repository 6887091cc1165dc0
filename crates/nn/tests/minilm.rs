//! Published weights: all-MiniLM-L6-v2 over passages of MS MARCO against sentence-transformers (`tests/oracles`).
//!
//! Runs where `NIR_MODELS` holds `all-MiniLM-L6-v2/` and `NIR_DATA` holds `msmarco-mini/`; says so and passes elsewhere,
//! because neither may lie in the repository. Recorded are numbers only; texts are found by their ids.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use candle_core::safetensors::BufferedSafetensors;
use candle_core::{Device, Tensor};
use flate2::read::GzDecoder;
use nir_nn::checkpoint::Checkpoint;
use nir_nn::heads::Vector;
use nir_nn::{Backend, Input, Model, Pooling, Precision, Tokens, Truncation, normalise, numbers};
use serde::Deserialize;

/// `expected.json`: ids in the order of the rows.
#[derive(Deserialize)]
struct Expected {
    passages: Vec<String>,
    queries: Vec<String>,
}

/// The folders that the environment names, if it names both.
fn folders() -> Option<(PathBuf, PathBuf)> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let model = folder("NIR_MODELS")?.join("all-MiniLM-L6-v2");
    let data = folder("NIR_DATA")?.join("msmarco-mini");
    let found = model.is_dir() && data.is_dir();
    if !found {
        eprintln!("skipped: {} or {} is missing", model.display(), data.display());
    }
    found.then_some((model, data))
}

fn fixture() -> (Expected, BufferedSafetensors) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/minilm");
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let tensors = std::fs::read(folder.join("expected.safetensors")).unwrap();
    (serde_json::from_slice(&expected).unwrap(), BufferedSafetensors::new(tensors).unwrap())
}

fn tensor(tensors: &BufferedSafetensors, name: &str) -> Tensor {
    tensors.load(name, &Device::Cpu).unwrap()
}

/// Lines of `id <tab> text`, the first `count` of them.
fn lines(reader: impl std::io::Read, count: usize) -> Vec<(String, String)> {
    let line = |line: std::io::Result<String>| {
        let (id, text) = line.as_ref().unwrap().split_once('\t').unwrap();
        (id.to_owned(), text.to_owned())
    };
    BufReader::new(reader).lines().take(count).map(line).collect()
}

fn passages(data: &Path, count: usize) -> Vec<(String, String)> {
    lines(GzDecoder::new(File::open(data.join("collection.tsv.gz")).unwrap()), count)
}

fn queries(data: &Path) -> HashMap<String, String> {
    let files = ["queries.dl19.tsv", "queries.dev.tsv"];
    let read = |name| lines(File::open(data.join(name)).unwrap(), usize::MAX);
    files.into_iter().flat_map(read).collect()
}

struct MiniLm {
    model: Model<Vector>,
}

impl MiniLm {
    fn new(folder: &Path, backend: &Backend) -> Self {
        let checkpoint = Checkpoint::in_folder(folder).unwrap();
        let ignore = ["pooler.*".to_owned()];
        let model = Model::load(&checkpoint, None, backend, &ignore, |architecture, tensors| {
            Vector::load(architecture, tensors, Pooling::Mean, None)
        });
        Self { model: model.unwrap() }
    }

    fn tokens(&self, texts: &[&str], max_length: usize) -> Vec<Tokens> {
        let template = vec!["{text}".to_owned()];
        let input =
            Input { template, lower_case: false, special_tokens: true, max_length, fill: None };
        let bound = self.model.tokenizer.bind(&input, Truncation::Longest).unwrap();
        texts.iter().map(|text| bound.encode(|_| (*text).to_owned()).unwrap()).collect()
    }

    /// `[texts, 384]`
    fn vectors(&self, texts: &[&str]) -> Vec<f32> {
        let (encoder, head) = (&self.model.encoder, &self.model.head);
        let tokens = self.tokens(texts, 256);
        let vector = |hidden: &_| normalise(&head.forward(hidden)?);
        encoder.table(&tokens, head.rows(), vector, |i| texts[i].to_owned()).unwrap().rows
    }
}

fn texts(lines: &[(String, String)]) -> Vec<&str> {
    lines.iter().map(|(_, text)| text.as_str()).collect()
}

/// FNV-1a over the ids in little-endian bytes.
fn fnv1a(ids: &[u32]) -> u64 {
    let bytes = ids.iter().flat_map(|id| id.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Candle has no tensors of u64.
fn u64s(tensors: &BufferedSafetensors, name: &str) -> Vec<u64> {
    let view = tensors.get(name).unwrap();
    let (words, _) = view.data().as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

#[test]
fn five_thousand_passages_become_the_same_tokens() {
    let Some((model, data)) = folders() else { return };
    let (_, expected) = fixture();
    let minilm = MiniLm::new(&model, &Backend::reference());
    let passages = passages(&data, 5000);
    for max_length in [128, 256] {
        let tokens = minilm.tokens(&texts(&passages), max_length);
        let found: Vec<u64> = tokens.iter().map(|tokens| fnv1a(&tokens.ids)).collect();
        assert_eq!(found, u64s(&expected, &format!("tokens.{max_length}")), "{max_length}");
    }
}

/// Passages by their ids, then queries by theirs, with the vectors recorded for them.
fn recorded(data: &Path) -> (Vec<String>, Vec<f32>) {
    let (names, tensors) = fixture();
    let all: HashMap<String, String> = passages(data, usize::MAX).into_iter().collect();
    let queries = queries(data);
    let texts = names.passages.iter().map(|id| all[id].clone());
    let texts = texts.chain(names.queries.iter().map(|id| queries[id].clone())).collect();
    let mut vectors = numbers(&tensor(&tensors, "passages")).unwrap();
    vectors.extend(numbers(&tensor(&tensors, "queries")).unwrap());
    (texts, vectors)
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let Some((model, data)) = folders() else { return };
    let (texts, expected) = recorded(&data);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for backend in [Backend::reference(), Backend::reference().plain()] {
        let found = MiniLm::new(&model, &backend).vectors(&texts);
        let difference = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let largest = difference.fold(0.0, f32::max);
        assert!(found.len() == 200 * 384 && largest <= 1e-5, "{largest:e}");
    }
}

#[test]
fn int8_vectors_point_the_same_way() {
    let Some((model, data)) = folders() else { return };
    let (texts, expected) = recorded(&data);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let backend = Backend::new("cpu", Precision::Int8).unwrap();
    let found = MiniLm::new(&model, &backend).vectors(&texts);
    let cosine = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosines = found.chunks(384).zip(expected.chunks(384)).map(cosine);
    let mean = cosines.sum::<f32>() / texts.len() as f32;
    assert!(mean >= 0.997, "{mean}");
}

#[test]
fn the_hundred_best_are_the_same() {
    let Some((model, data)) = folders() else { return };
    let (names, expected) = fixture();
    let minilm = MiniLm::new(&model, &Backend::reference());
    let (passages, queries) = (passages(&data, 4000), queries(&data));
    let passages = minilm.vectors(&texts(&passages));
    let queries: Vec<&str> = names.queries.iter().map(|id| queries[id].as_str()).collect();
    let queries = minilm.vectors(&queries);
    let rows = tensor(&expected, "ranking.rows").to_vec2::<u32>().unwrap();
    let scores = tensor(&expected, "ranking.scores").to_vec2::<f32>().unwrap();
    for (query, (rows, scores)) in queries.chunks(384).zip(rows.iter().zip(&scores)) {
        let dot = |row: usize| -> f32 {
            passages[row * 384..][..384].iter().zip(query).map(|(a, b)| a * b).sum()
        };
        let mut ranked: Vec<(f32, u32)> = (0..4000).map(|row| (dot(row as usize), row)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (place, &(score, row)) in ranked.iter().take(100).enumerate() {
            // Scores closer than a millionth may stand in either order: theirs were computed in f32 too.
            let same =
                rows[place] == row || (scores[place] - dot(rows[place] as usize)).abs() < 1e-6;
            assert!(same && (score - scores[place]).abs() < 2e-6, "place {place}: {row}, {score}");
        }
    }
}
