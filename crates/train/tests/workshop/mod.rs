//! A folder with texts, judgements, a vocabulary and a training set, all made up.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use nir_train::vectors::Stored;
use nir_train::{Folders, Outcome, Recipe, Result, Watch, train, vocabulary};

/// Topics, each with words of its own.
const TOPICS: usize = 8;

pub(crate) struct Workshop(tempfile::TempDir);

impl Workshop {
    pub(crate) fn new() -> Self {
        let shop = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(shop.models()).unwrap();
        shop.write_texts();
        shop.write_ids();
        let recipe = "task = \"vocabulary\"\nsummary = \"\"\nsize = 200\nmin_frequency = 1\nalphabet = 60\n\
                      data = { documents = [\"documents.tsv\"], queries = [\"queries.tsv\"] }";
        let recipe: vocabulary::Recipe = toml::from_str(recipe).unwrap();
        let (data, models) = (shop.0.path().to_owned(), shop.models());
        let output = models.join("vocabulary");
        recipe
            .make(&Folders {
                data: &data,
                models: &models,
                output: &output,
                progress: &nir_core::Silent,
            })
            .unwrap();
        shop
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.0.path().join("models")
    }

    /// Four documents and two queries a topic.
    fn write_texts(&self) {
        let (mut documents, mut queries) = (String::new(), String::new());
        for topic in 0..TOPICS {
            for i in 0..4 {
                let [a, b, c] = [i, i + 1, i + 2].map(|word| word_of(topic, word));
                writeln!(documents, "d{topic}-{i}\tthe {a} of {b} and the {c}").unwrap();
            }
            for i in 0..2 {
                let (a, b) = (word_of(topic, i + 4), word_of(topic, i + 2));
                writeln!(queries, "q{topic}-{i}\twhat is {a} {b}").unwrap();
            }
        }
        fs::write(self.0.path().join("documents.tsv"), documents).unwrap();
        fs::write(self.0.path().join("queries.tsv"), queries).unwrap();
    }

    fn write_ids(&self) {
        let (mut examples, mut qrels, mut teacher) = (String::new(), String::new(), String::new());
        let mut clusters = String::new();
        for topic in 0..TOPICS {
            for i in 0..2 {
                write!(examples, "q{topic}-{i}\td{topic}-{i}").unwrap();
                writeln!(qrels, "q{topic}-{i} 0 d{topic}-{i} 1").unwrap();
                writeln!(teacher, "q{topic}-{i} Q0 d{topic}-{i} 1 0.9 t").unwrap();
                writeln!(clusters, "q{topic}-{i}\t{}", topic % 2).unwrap();
                for other in 1..4 {
                    let negative = format!("d{}-{i}", (topic + other) % TOPICS);
                    write!(examples, "\t{negative}").unwrap();
                    writeln!(teacher, "q{topic}-{i} Q0 {negative} 2 0.{other} t").unwrap();
                }
                examples.push('\n');
            }
        }
        fs::write(self.models().join("examples.tsv"), examples).unwrap();
        fs::write(self.models().join("teacher.trec"), teacher).unwrap();
        fs::write(self.models().join("clusters.tsv"), clusters).unwrap();
        fs::write(self.0.path().join("qrels.txt"), qrels).unwrap();
    }

    /// A teacher that puts each topic in a direction of its own.
    pub(crate) fn teacher_vectors(&self, dim: usize) {
        let vectors = |names: Vec<String>| {
            let row = |name: &String| {
                let topic = name.as_bytes()[1] - b'0';
                (0..dim)
                    .map(move |i| f32::from(u8::from(i == usize::from(topic))))
                    .collect::<Vec<_>>()
            };
            let rows: Vec<Vec<f32>> = names.iter().map(row).collect();
            (names, Tensor::new(rows, &Device::Cpu).unwrap())
        };
        let names = |kind: char, each: usize| {
            (0..TOPICS).flat_map(|t| (0..each).map(move |i| format!("{kind}{t}-{i}"))).collect()
        };
        let stored = Stored { queries: vectors(names('q', 2)), documents: vectors(names('d', 4)) };
        stored.save(&self.models()).unwrap();
    }

    pub(crate) fn train(
        &self,
        recipe: &str,
        name: &str,
        watch: &mut dyn Watch,
    ) -> Result<Option<Outcome>> {
        let recipe: Recipe = toml::from_str(recipe).unwrap_or_else(|error| panic!("{error}"));
        let (models, output) = (self.models(), self.models().join(name));
        let folders = Folders {
            data: self.0.path(),
            models: &models,
            output: &output,
            progress: &nir_core::Silent,
        };
        train(&recipe, &folders, &Device::Cpu, watch)
    }
}

/// A recipe for a network of two small blocks.
pub(crate) fn recipe(head: &str, objective: &str, steps: usize) -> String {
    let validation = if head.contains("masked-lm") { "" } else { VALIDATION };
    let validation = match head.contains("cross-encoder") {
        true => validation.replace("[validation]", "[validation]\ncandidates = \"teacher.trec\""),
        false => validation.to_owned(),
    };
    format!("{HEADING}{head}{objective}{OPTIMISER}steps = {steps}\n{validation}")
}

/// Words of a topic are made of its letter.
fn word_of(topic: usize, number: usize) -> String {
    let letter = char::from(b'a' + topic as u8);
    format!("{letter}{}{letter}", char::from(b'p' + (number % 6) as u8))
}

const HEADING: &str = r#"
task = "train"
summary = "A tiny model"
seed = 1

[model]
vocabulary = "vocabulary"
fresh = []
learn = ["*"]
layers = 2
hidden = 16
heads = 2
intermediate = 32
positions = 24
std = 0.1
residual_std = 0.1
segment_std = 0.1
identity = { look = [0.0, 0.0], carry = [0.0, 0.0], words = 0.0 }

[data]
documents = ["documents.tsv"]
queries = ["queries.tsv"]
"#;

const OPTIMISER: &str = r"
[optimiser]
batch = 8
rate = 0.003
warm_up = 5
beta1 = 0.9
beta2 = 0.999
eps = 1e-8
weight_decay = 0.01
clip = 1.0
checkpoint_every = 5
";

const VALIDATION: &str = r#"
[validation]
every = 4
queries = "queries.tsv"
qrels = "qrels.txt"
limit = 100
measure = "RR@10"
"#;
