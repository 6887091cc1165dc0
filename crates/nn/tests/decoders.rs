//! Tiny language models against what PyTorch's `transformers` computes and writes with them (`tests/oracles/decoders.py`).
//!
//! Expected logits are exact to f32. An error is measured as in `golden.rs`: the length of all differences of a case, relative to
//! the length of what is expected.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use nir_nn::checkpoint::Checkpoint;
use nir_nn::heads::Vector;
use nir_nn::{
    Backend, Beam, CausalLm, Model, Pooling, Precision, Sampling, Similarity, Tokens, Writer as _,
    never, numbers,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Inputs {
    most: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    target: String,
    ids: Vec<u32>,
    target_ids: Vec<u32>,
    greedy: Vec<u32>,
    beam: Vec<u32>,
    text_of_greedy: String,
}

struct Fixture {
    name: &'static str,
    folder: PathBuf,
    inputs: Inputs,
    expected: HashMap<String, Tensor>,
}

const NAMES: [&str; 5] = ["gpt2", "llama", "mistral", "qwen2", "qwen3"];

fn fixtures() -> impl Iterator<Item = Fixture> {
    NAMES.into_iter().map(fixture)
}

fn fixture(name: &'static str) -> Fixture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders").join(name);
    let text = std::fs::read(folder.join("inputs.json")).unwrap();
    let expected = folder.join("expected.safetensors");
    Fixture {
        name,
        inputs: serde_json::from_slice(&text).unwrap(),
        expected: candle_core::safetensors::load(expected, &Device::Cpu).unwrap(),
        folder,
    }
}

impl Fixture {
    fn model(&self, backend: &Backend) -> CausalLm {
        let checkpoint = Checkpoint::in_folder(&self.folder).unwrap();
        CausalLm::load(&checkpoint, None, backend, &[]).unwrap()
    }

    fn prompts(&self) -> Vec<Tokens> {
        self.inputs.cases.iter().map(|case| tokens(&case.ids)).collect()
    }

    fn targets(&self) -> Vec<Vec<u32>> {
        self.inputs.cases.iter().map(|case| case.target_ids.clone()).collect()
    }

    /// Prompts with their targets behind them.
    fn whole(&self) -> Vec<Tokens> {
        let whole = |case: &Case| tokens(&[&case.ids[..], &case.target_ids].concat());
        self.inputs.cases.iter().map(whole).collect()
    }

    fn expected(&self, case: &Case, tensor: &str) -> Vec<f32> {
        numbers(&self.expected[&format!("{}.{tensor}", case.name)]).unwrap()
    }

    /// Holds the relative error of a tensor of every case below a tolerance.
    #[track_caller]
    fn hold(&self, tensor: &str, found: &[Vec<f32>], tolerance: f64, how: &str) {
        for (case, found) in self.inputs.cases.iter().zip(found) {
            let expected = self.expected(case, tensor);
            assert_eq!(found.len(), expected.len());
            let length = |x: &mut dyn Iterator<Item = f32>| {
                x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
            };
            let apart = length(&mut found.iter().zip(&expected).map(|(a, b)| a - b));
            let error = apart / length(&mut expected.iter().copied());
            // False also where it is not a number.
            let near = error <= tolerance;
            assert!(near, "{}: {tensor} of {} {how}: {error:e}", self.name, case.name);
        }
    }
}

/// A decoder as an encoder: the vector of a text is the last hidden state of its last token.
#[test]
fn the_last_state_is_a_vector() {
    for fixture in fixtures() {
        let checkpoint = Checkpoint::in_folder(&fixture.folder).unwrap();
        for (backend, how) in backends() {
            let model = Model::load(&checkpoint, None, &backend, &[], |architecture, tensors| {
                Vector::load(architecture, tensors, Pooling::Last, None)
            });
            let Model { encoder, head, .. } = model.unwrap();
            let name = |_: usize| String::new();
            let table = head.table(&encoder, &fixture.prompts(), 0, Similarity::Dot, name).unwrap();
            let rows: Vec<Vec<f32>> = table.rows.chunks(table.width).map(<[f32]>::to_vec).collect();
            fixture.hold("last", &rows, 1e-5, how);
        }
    }
}

fn tokens(ids: &[u32]) -> Tokens {
    Tokens { ids: ids.to_vec(), types: vec![0; ids.len()], unseen: 0 }
}

fn backends() -> [(Backend, &'static str); 2] {
    [(Backend::reference(), "packed"), (Backend::reference().plain(), "plain")]
}

#[test]
fn logits_and_likelihoods_are_those_of_the_reference_at_every_position() {
    for fixture in fixtures() {
        let (prompts, targets) = (fixture.prompts(), fixture.targets());
        assert!(targets.iter().filter(|target| target.len() > 40).count() >= 2);
        for (backend, how) in backends() {
            let model = fixture.model(&backend);
            fixture.hold("logits", &model.logits(&fixture.whole()).unwrap(), 1e-5, how);
            let likelihoods = model.log_likelihoods(&prompts, &targets).unwrap();
            fixture.hold("log_likelihoods", &likelihoods, 1e-5, how);
        }
    }
}

#[test]
fn other_precisions_are_near() {
    for fixture in fixtures() {
        // Weights of random values, whose sharp attention turns a rounding into another token.
        for (precision, tolerance) in
            [(Precision::F16, 0.05), (Precision::Bf16, 0.3), (Precision::Int8, 0.4)]
        {
            let model = fixture.model(&Backend::new("cpu", precision).unwrap());
            let logits = model.logits(&fixture.whole()).unwrap();
            fixture.hold("logits", &logits, tolerance, &precision.to_string());
        }
    }
}

#[test]
fn what_texts_share_is_computed_once_and_changes_nothing() {
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        let (prompts, targets) = (fixture.prompts(), fixture.targets());
        let together = model.log_likelihoods(&prompts, &targets).unwrap();
        for (at, (prompt, target)) in prompts.iter().zip(&targets).enumerate() {
            let prompt = std::slice::from_ref(prompt);
            let alone = model.log_likelihoods(prompt, std::slice::from_ref(target)).unwrap();
            let name = &fixture.inputs.cases[at].name;
            for (alone, together) in alone[0].iter().zip(&together[at]) {
                assert!((alone - together).abs() < 1e-4, "{} {name}", fixture.name);
            }
        }
    }
}

#[test]
fn the_logits_of_chosen_tokens_are_columns_of_all() {
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        let ids = [5, 90];
        let table = model.first(&fixture.whole(), &[], &ids, &|_| String::new()).unwrap();
        for (case, row) in fixture.inputs.cases.iter().zip(table.rows.chunks(2)) {
            let logits = fixture.expected(case, "logits");
            let vocab = logits.len() / (case.ids.len() + case.target_ids.len());
            let last = &logits[logits.len() - vocab..];
            let largest = last.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
            for (found, id) in row.iter().zip(ids) {
                let apart = (found - last[id as usize]).abs();
                assert!(apart < 2e-5 * largest, "{} {}: {apart}", fixture.name, case.name);
            }
        }
    }
}

#[test]
fn what_is_written_is_what_the_reference_writes() {
    let beam = Beam { beams: 4, length_penalty: 1.0, early_stopping: false };
    for fixture in fixtures() {
        for (backend, how) in backends() {
            let model = fixture.model(&backend);
            let (prompts, most) = (fixture.prompts(), fixture.inputs.most);
            let (greedy, beam) =
                (model.greedy(&prompts, &[], most, &never), model.beam(&prompts, beam, most));
            for (case, found) in fixture.inputs.cases.iter().zip(greedy.unwrap()) {
                assert_eq!(found, case.greedy, "{} {how}: greedy of {}", fixture.name, case.name);
                assert_eq!(model.tokenizer.decode(&case.greedy).unwrap(), case.text_of_greedy);
            }
            for (case, found) in fixture.inputs.cases.iter().zip(beam.unwrap()) {
                assert_eq!(found, case.beam, "{} {how}: beam of {}", fixture.name, case.name);
            }
        }
    }
}

#[test]
fn the_same_prompt_twice_and_one_of_a_single_token_are_read() {
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        let (case, most) = (&fixture.inputs.cases[1], fixture.inputs.most);
        let prompts = [tokens(&case.ids), tokens(&[5]), tokens(&case.ids)];
        let found = model.greedy(&prompts, &[], most, &never).unwrap();
        assert_eq!([&found[0], &found[2]], [&case.greedy; 2], "{}", fixture.name);
        let alone = model.greedy(&prompts[1..2], &[], most, &never).unwrap();
        assert_eq!(found[1], alone[0], "{}", fixture.name);
    }
}

#[test]
fn a_text_ends_where_it_is_told_to() {
    let fixture = fixture("llama");
    let model = fixture.model(&Backend::reference());
    let prompts = fixture.prompts();
    let stops = |text: &[u32]| text.len() == 3;
    let found = model.greedy(&prompts, &[], 24, &stops).unwrap();
    for (case, found) in fixture.inputs.cases.iter().zip(found) {
        assert_eq!(found, case.greedy[..3]);
    }
}

#[test]
fn a_sample_depends_on_its_seed_and_its_text_alone() {
    let with = |seed| Sampling { top_k: Some(10), top_p: None, temperature: 1.0, seed };
    let fixture = fixture("qwen3");
    let model = fixture.model(&Backend::reference());
    let prompts = fixture.prompts();
    let names: Vec<u64> = (0..prompts.len() as u64).collect();
    let together = model.sample(&prompts, &[], &names, &with(7), (3, 12), &never).unwrap();
    for (at, prompt) in prompts.iter().enumerate() {
        let one = std::slice::from_ref(prompt);
        let alone = model.sample(one, &[], &names[at..=at], &with(7), (2, 12), &never).unwrap();
        assert_eq!(alone[0], together[at][..2]);
    }
    assert_ne!(together, model.sample(&prompts, &[], &names, &with(8), (3, 12), &never).unwrap());
    assert!(together.iter().any(|texts| texts[0] != texts[1]));
}

#[test]
fn texts_have_the_tokens_of_the_reference() {
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        for case in &fixture.inputs.cases {
            assert_eq!(model.tokenizer.encode(&case.text).unwrap(), case.ids);
            assert_eq!(model.tokenizer.encode(&case.target).unwrap(), case.target_ids);
        }
    }
}

#[test]
fn a_text_that_is_too_long_or_empty_is_refused() {
    let model = fixture("gpt2").model(&Backend::reference());
    let error = model.logits(&[tokens(&[5; 401])]).unwrap_err().to_string();
    assert!(error.contains("a text of 401 tokens is longer than the 400 positions"), "{error}");
    let error = model.greedy(&[tokens(&[5; 390])], &[], 20, &never).unwrap_err();
    assert!(error.to_string().contains("390 tokens, and 20 to be written,"), "{error}");
    let error = model.logits(&[tokens(&[])]).unwrap_err().to_string();
    assert!(error.contains("a text without a token"), "{error}");
}

/// Copies a fixture with changed tensors and `config.json`; returns the error of loading it.
fn changed(
    name: &'static str,
    change: impl Fn(&mut BTreeMap<String, Tensor>),
    config: &[(&str, &str)],
) -> String {
    let from = fixture(name).folder;
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(from.join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let mut text = std::fs::read_to_string(from.join("config.json")).unwrap();
    for (old, new) in config {
        assert!(text.contains(old), "{text}");
        text = text.replace(old, new);
    }
    std::fs::write(folder.path().join("config.json"), text).unwrap();
    let weights = candle_core::safetensors::load(from.join("model.safetensors"), &Device::Cpu);
    let mut weights: BTreeMap<String, Tensor> = weights.unwrap().into_iter().collect();
    change(&mut weights);
    let weights: HashMap<String, Tensor> = weights.into_iter().collect();
    candle_core::safetensors::save(&weights, folder.path().join("model.safetensors")).unwrap();
    let checkpoint = Checkpoint::in_folder(folder.path()).unwrap();
    match CausalLm::load(&checkpoint, None, &Backend::reference(), &[]) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_tensor_is_accounted_for() {
    let missing = "model.layers.1.self_attn.k_norm.weight";
    let error = changed("qwen3", |tensors| drop(tensors.remove(missing)), &[]);
    assert!(error.contains("lacks the tensors") && error.contains(missing), "{error}");
    let one =
        |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
    let error =
        changed("llama", |tensors| drop(tensors.insert("model.extra".to_owned(), one(&[3]))), &[]);
    assert!(error.contains("does not use") && error.contains("model.extra"), "{error}");
    // What old files have and no code reads.
    let old = |tensors: &mut BTreeMap<String, Tensor>| {
        tensors.insert("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), one(&[4]));
    };
    assert_eq!(changed("llama", old, &[]), "");
    let mask = |tensors: &mut BTreeMap<String, Tensor>| {
        tensors.insert("transformer.h.2.attn.bias".to_owned(), one(&[1, 1, 4, 4]));
    };
    assert_eq!(changed("gpt2", mask, &[]), "");
    // Weights that are stored the other way round have the shape that they have.
    let other = |tensors: &mut BTreeMap<String, Tensor>| {
        tensors.insert("transformer.h.0.mlp.c_fc.weight".to_owned(), one(&[48, 32]));
    };
    let error = changed("gpt2", other, &[]);
    assert!(error.contains("has shape [48, 32], expected [32, 48]"), "{error}");
}

#[test]
fn a_config_that_would_run_as_another_model_is_refused() {
    let refused = |name, old, new| changed(name, |_| (), &[(old, new)]);
    let error = refused("llama", r#""model_type": "llama""#, r#""model_type": "bloom""#);
    assert!(
        error.contains("expected a model that writes: t5, mt5, bart, or a decoder, one of gpt2, llama, mistral, qwen2, qwen3"),
        "{error}"
    );
    let error = refused("llama", r#""num_key_value_heads": 2"#, r#""num_key_value_heads": 3"#);
    assert!(error.contains("4 heads of queries cannot share 3 of keys"), "{error}");
    let error = refused("llama", r#""rope_type": "llama3""#, r#""rope_type": "yarn""#);
    assert!(error.contains("positions are scaled by `yarn`"), "{error}");
    let error = refused("llama", r#""low_freq_factor": 1.0,"#, "");
    assert!(error.contains("lacks `low_freq_factor`"), "{error}");
}

#[test]
fn what_follows_may_begin_as_it_is_told() {
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        for (case, text) in fixture.inputs.cases.iter().zip(fixture.prompts()) {
            let (begins, most) = (case.greedy.len().min(3), fixture.inputs.most);
            let (begins, rest) = case.greedy.split_at(begins);
            let one = std::slice::from_ref(&text);
            let found = model.greedy(one, begins, most - begins.len(), &never).unwrap();
            assert_eq!(found[0], rest, "{} {}", fixture.name, case.name);
            // The token that follows is the likeliest: no other has a larger logit.
            if let Some(&next) = rest.first() {
                let row =
                    model.first(one, begins, &[next, 5, 90], &|_| String::new()).unwrap().rows;
                assert!(
                    row[1..].iter().all(|other| *other <= row[0]),
                    "{} {}",
                    fixture.name,
                    case.name
                );
            }
        }
    }
}
