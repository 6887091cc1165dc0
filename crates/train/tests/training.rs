//! Whole trainings of tiny models on made-up texts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod workshop;

use std::fs;
use std::ops::ControlFlow;

use nir_nn::checkpoint::Checkpoint;
use nir_nn::heads::{Classifier, MaskedLm, Vector};
use nir_nn::{Backend, Model, Pooling};
use nir_train::{Outcome, Step, Watch};
use workshop::{Workshop, recipe};

const DENSE: &str = r#"
[head.dense]
pooling = "mean"
similarity = "cosine"
projection = 0
query = { template = ["{text}"], special_tokens = true, max_length = 12 }
document = { template = ["{text}"], special_tokens = true, max_length = 16 }
"#;
const SPARSE: &str = r#"
[head.sparse]
bias = 0.0
query = { template = ["{text}"], special_tokens = true, max_length = 12 }
document = { template = ["{text}"], special_tokens = true, max_length = 16 }
"#;
const CROSS_ENCODER: &str = r#"
[head.cross-encoder]
pair = { template = ["{query}", "{text}"], special_tokens = true, max_length = 24 }
"#;
const MASKED_LM: &str = r#"
[head.masked-lm]
text = { template = ["{text}"], special_tokens = true, max_length = 16 }
"#;

/// An objective of ranking with two negatives.
fn ranking(loss: &str) -> String {
    format!(
        "[objective.ranking]\nexamples = \"examples.tsv\"\nteacher = \"teacher.trec\"\nnegatives = 2\nrandom = 0\nloss = {loss}\n"
    )
}

fn in_batch() -> String {
    ranking("{ in-batch-softmax = { scale = 20.0 } }")
}

/// Keeps losses, and stops after some steps.
struct Losses {
    losses: Vec<f32>,
    stop: usize,
}

impl Losses {
    fn until(stop: usize) -> Self {
        Self { losses: Vec::new(), stop }
    }

    fn mean(&self, from: usize, to: usize) -> f32 {
        self.losses[from..to].iter().sum::<f32>() / (to - from) as f32
    }
}

impl Watch for Losses {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        self.losses.push(step.loss);
        if step.taken == self.stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn validated(&mut self, _: usize, _: f64, _: bool) {}
}

#[test]
fn a_dense_encoder_learns_and_loads() {
    let shop = Workshop::new();
    let mut losses = Losses::until(usize::MAX);
    let recipe = recipe(DENSE, &in_batch(), 60);
    let outcome = shop.train(&recipe, "dense", &mut losses).unwrap().unwrap();
    let (first, last) = (losses.mean(0, 10), losses.mean(50, 60));
    assert!(last < 0.5 * first, "{first} {last}");
    let Outcome { taken, best, .. } = outcome;
    assert!(taken == 60 && best.unwrap().0 > 0.9, "{best:?}");
    let checkpoint = Checkpoint::in_folder(&shop.models().join("dense")).unwrap();
    Model::load(&checkpoint, None, &Backend::reference(), &[], |architecture, tensors| {
        Vector::load(architecture, tensors, Pooling::Mean, None)
    })
    .unwrap();
    let card = fs::read_to_string(shop.models().join("dense/README.md")).unwrap();
    assert!(card.contains("RR@10"), "{card}");
}

#[test]
fn a_sparse_encoder_learns_and_loads() {
    let shop = Workshop::new();
    let weighted = |norm: &str| format!("{{ norm = \"{norm}\", weight = 0.001 }}");
    let regulariser = format!(
        "[regulariser]\nqueries = {}\ndocuments = {}\nwarm_up = 10\n",
        weighted("l1"),
        weighted("flops")
    );
    let loss = ranking("{ in-batch-softmax = { scale = 1.0 } }");
    shop.learns("sparse", SPARSE, &format!("{loss}\n{regulariser}"), 60);
    let checkpoint = Checkpoint::in_folder(&shop.models().join("sparse")).unwrap();
    Model::load(&checkpoint, None, &Backend::reference(), &[], MaskedLm::load).unwrap();
}

#[test]
fn a_cross_encoder_learns_and_loads() {
    let shop = Workshop::new();
    shop.learns("pairs", CROSS_ENCODER, &ranking("{ pointwise = { positive_weight = 1.0 } }"), 500);
    let checkpoint = Checkpoint::in_folder(&shop.models().join("pairs")).unwrap();
    Model::load(&checkpoint, None, &Backend::reference(), &[], Classifier::load).unwrap();
}

#[test]
fn every_other_ranking_loss_learns() {
    let shop = Workshop::new();
    shop.learns("margin", DENSE, &ranking("{ margin-mse = { scale = 1.0 } }"), 60);
    shop.learns(
        "kl",
        DENSE,
        &ranking("{ kl-divergence = { scale = 10.0, teacher_scale = 10.0 } }"),
        60,
    );
    shop.learns("ranknet", DENSE, &ranking("{ rank-net = { scale = 10.0 } }"), 60);
}

#[test]
fn a_masked_language_model_learns_and_a_dense_encoder_grows_on_it() {
    let shop = Workshop::new();
    let objective = "[objective.masked-lm]\nchosen = 0.3\nmasked = 0.8\nrandom = 0.1\n";
    shop.learns("words", MASKED_LM, objective, 100);
    let recipe =
        recipe(DENSE, &in_batch(), 2).replace("fresh = []", "init = \"words\"\nfresh = []");
    shop.train(&recipe, "grown", &mut ()).unwrap().unwrap();
}

#[test]
fn vectors_of_a_teacher_are_learnt_by_the_embeddings_alone() {
    let shop = Workshop::new();
    shop.teacher_vectors(8);
    let objective = "[objective.regression]\nteacher = \"vectors.safetensors\"\nloss = { distance = \"cosine\" }\n";
    let head = DENSE.replace("projection = 0", "projection = 8");
    let recipe = recipe(&head, objective, 60)
        .replace("learn = [\"*\"]", "learn = [\"*word_embeddings*\", \"projection*\"]");
    let mut losses = Losses::until(usize::MAX);
    shop.train(&recipe, "bag", &mut losses).unwrap().unwrap();
    let (first, last) = (losses.mean(0, 10), losses.mean(50, 60));
    assert!(last < 0.7 * first, "{first} {last}");
}

#[test]
fn a_killed_training_goes_on_bit_for_bit() {
    let shop = Workshop::new();
    let recipe = recipe(DENSE, &in_batch(), 12);
    shop.train(&recipe, "whole", &mut ()).unwrap().unwrap();
    shop.train(&recipe, "again", &mut ()).unwrap().unwrap();
    // Checkpoints are written every 5 steps: steps 6 and 7 are taken twice.
    assert!(shop.train(&recipe, "killed", &mut Losses::until(7)).unwrap().is_none());
    let outcome = shop.train(&recipe, "killed", &mut ()).unwrap().unwrap();
    assert_eq!(outcome.taken, 7);
    let weights =
        |name: &str| fs::read(shop.models().join(name).join("model.safetensors")).unwrap();
    assert!(weights("whole") == weights("again"), "two trainings differ");
    assert!(weights("whole") == weights("killed"), "a resumed training differs");
    assert!(!shop.models().join("killed/training.safetensors").exists());
}

#[test]
fn another_recipe_does_not_go_on_with_what_was_begun() {
    let shop = Workshop::new();
    let recipe = recipe(DENSE, &in_batch(), 12);
    shop.train(&recipe, "begun", &mut Losses::until(6)).unwrap();
    let other = recipe.replace("rate = 0.003", "rate = 0.004");
    let error = shop.train(&other, "begun", &mut ()).unwrap_err().to_string();
    assert!(error.contains("begun by another recipe"), "{error}");
}

#[test]
fn a_damaged_training_does_not_go_on() {
    let shop = Workshop::new();
    let recipe = recipe(DENSE, &in_batch(), 12);
    shop.train(&recipe, "begun", &mut Losses::until(6)).unwrap();
    let path = shop.models().join("begun/training.safetensors");
    let good = fs::read(&path).unwrap();
    for share in 1..10 {
        let mut bytes = good.clone();
        let at = good.len() * share / 10;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = shop.train(&recipe, "begun", &mut ()).unwrap_err().to_string();
        assert!(error.contains("anew"), "byte {at}: {error}");
    }
    fs::write(&path, good).unwrap();
    shop.train(&recipe, "begun", &mut ()).unwrap().unwrap();
}

#[test]
fn a_batch_of_one_cluster_trains() {
    let shop = Workshop::new();
    let loss = in_batch().replace("negatives = 2", "clusters = \"clusters.tsv\"\nnegatives = 2");
    shop.train(&recipe(DENSE, &loss, 3), "clusters", &mut ()).unwrap().unwrap();
}

#[test]
fn random_documents_stand_among_the_candidates() {
    let shop = Workshop::new();
    let plain = ranking("{ pointwise = { positive_weight = 1.0 } }")
        .replace("teacher = \"teacher.trec\"\n", "");
    let weights = |name: &str, objective: &str| {
        shop.train(&recipe(CROSS_ENCODER, objective, 3), name, &mut ()).unwrap().unwrap();
        fs::read(shop.models().join(name).join("model.safetensors")).unwrap()
    };
    let without = weights("without", &plain);
    let with = weights("with", &plain.replace("random = 0", "random = 2"));
    assert!(without != with, "they change what is learnt");
    let many = plain.replace("random = 0", "random = 100000");
    let error = shop.train(&recipe(CROSS_ENCODER, &many, 2), "many", &mut ()).unwrap_err();
    assert!(error.to_string().contains("`random = 100000` of "), "{error}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let shop = Workshop::new();
    let refused = |head: &str, objective: &str| {
        shop.train(&recipe(head, objective, 2), "refused", &mut ()).unwrap_err().to_string()
    };
    assert!(refused(CROSS_ENCODER, &in_batch()).contains("no vectors to compare across a batch"));
    assert!(refused(MASKED_LM, &in_batch()).contains("need each other"));
    let many = in_batch().replace("negatives = 2", "negatives = 9");
    assert!(refused(DENSE, &many).contains("has 3 negatives, the recipe draws 9"));
    let misspelt = recipe(DENSE, &in_batch(), 2).replace("seed = 1", "sede = 1");
    assert!(
        toml::from_str::<nir_train::Recipe>(&misspelt).unwrap_err().message().contains("`sede`")
    );
}

impl Workshop {
    /// Trains, and holds the loss to fall.
    fn learns(&self, name: &str, head: &str, objective: &str, steps: usize) {
        let mut losses = Losses::until(usize::MAX);
        self.train(&recipe(head, objective, steps), name, &mut losses).unwrap().unwrap();
        let (first, last) = (losses.mean(0, 10), losses.mean(steps - 10, steps));
        assert!(last < 0.8 * first, "{name}: {first} {last}");
    }
}
