//! Tiny encoder-decoders against what PyTorch's `transformers` computes and writes with them (`tests/oracles/writers.py`).
//!
//! Expected logits are exact to f32. An error is measured as in `golden.rs`: the length of all differences of a case, relative to
//! the length of what is expected.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use nir_nn::checkpoint::Checkpoint;
use nir_nn::{Backend, Beam, Precision, Sampling, Seq2Seq, Tokens, Writer as _, never, numbers};
use serde::Deserialize;

#[derive(Deserialize)]
struct Inputs {
    most: usize,
    sampling: Warped,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Warped {
    temperature: f32,
    top_k: usize,
    top_p: f32,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    target: String,
    ids: Vec<u32>,
    target_ids: Vec<u32>,
    kept: Vec<u32>,
    shares: Vec<f64>,
    greedy: Vec<u32>,
    beam: Vec<u32>,
    beam_early: Vec<u32>,
    beam_long: Vec<u32>,
    text_of_greedy: String,
}

struct Fixture {
    name: &'static str,
    folder: PathBuf,
    inputs: Inputs,
    expected: HashMap<String, Tensor>,
}

const NAMES: [&str; 3] = ["t5", "t5-v1.1", "bart"];

fn fixtures() -> impl Iterator<Item = Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/writers");
    NAMES.into_iter().map(move |name| {
        let folder = root.join(name);
        let text = std::fs::read(folder.join("inputs.json")).unwrap();
        let expected = folder.join("expected.safetensors");
        Fixture {
            name,
            inputs: serde_json::from_slice(&text).unwrap(),
            expected: candle_core::safetensors::load(expected, &Device::Cpu).unwrap(),
            folder,
        }
    })
}

impl Fixture {
    fn model(&self, backend: &Backend) -> Seq2Seq {
        let checkpoint = Checkpoint::in_folder(&self.folder).unwrap();
        Seq2Seq::load(&checkpoint, None, backend, &[]).unwrap()
    }

    fn texts(&self) -> Vec<Tokens> {
        self.inputs.cases.iter().map(|case| tokens(&case.ids)).collect()
    }

    fn targets(&self) -> Vec<Vec<u32>> {
        self.inputs.cases.iter().map(|case| case.target_ids.clone()).collect()
    }

    fn expected(&self, case: &Case, tensor: &str) -> Vec<f32> {
        numbers(&self.expected[&format!("{}.{tensor}", case.name)]).unwrap()
    }

    /// The largest relative error of a tensor over the cases.
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

fn tokens(ids: &[u32]) -> Tokens {
    Tokens { ids: ids.to_vec(), types: vec![0; ids.len()], unseen: 0 }
}

fn backends() -> [(Backend, &'static str); 2] {
    [(Backend::reference(), "packed"), (Backend::reference().plain(), "plain")]
}

#[test]
fn logits_and_likelihoods_are_those_of_the_reference_at_every_position() {
    for fixture in fixtures() {
        let (texts, targets) = (fixture.texts(), fixture.targets());
        assert!(targets.iter().filter(|target| target.len() > 40).count() >= 2);
        for (backend, how) in backends() {
            let model = fixture.model(&backend);
            let logits = model.logits(&texts, &targets).unwrap();
            fixture.hold("logits", &logits, 1e-5, how);
            let likelihoods = model.log_likelihoods(&texts, &targets).unwrap();
            fixture.hold("log_likelihoods", &likelihoods, 1e-5, how);
            for (at, (text, target)) in texts.iter().zip(&targets).enumerate() {
                let alone =
                    model.logits(std::slice::from_ref(text), std::slice::from_ref(target)).unwrap();
                if how == "packed" {
                    let name = &fixture.inputs.cases[at].name;
                    assert_eq!(alone[0], logits[at], "{name} is another in a batch");
                }
            }
        }
    }
}

#[test]
fn other_precisions_are_near() {
    for fixture in fixtures() {
        let (texts, targets) = (fixture.texts(), fixture.targets());
        // Weights of random values, whose sharp attention turns a rounding into another token: five roundings of bf16 a layer.
        for (precision, tolerance) in
            [(Precision::F16, 0.02), (Precision::Bf16, 0.15), (Precision::Int8, 0.25)]
        {
            let model = fixture.model(&Backend::new("cpu", precision).unwrap());
            let logits = model.logits(&texts, &targets).unwrap();
            fixture.hold("logits", &logits, tolerance, &precision.to_string());
        }
    }
}

#[test]
fn the_first_logits_of_chosen_tokens_are_columns_of_all() {
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        let ids = [5, 90];
        let table = model.first(&fixture.texts(), &[], &ids, &|_| String::new()).unwrap();
        for (case, row) in fixture.inputs.cases.iter().zip(table.rows.chunks(2)) {
            let logits = fixture.expected(case, "logits");
            let vocab = logits.len() / case.target_ids.len();
            let largest = logits[..vocab].iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
            for (found, id) in row.iter().zip(ids) {
                let apart = (found - logits[id as usize]).abs();
                assert!(apart < 1e-5 * largest, "{} {}: {apart}", fixture.name, case.name);
            }
        }
    }
}

#[test]
fn what_is_written_is_what_the_reference_writes() {
    let with =
        |beams, length_penalty, early_stopping| Beam { beams, length_penalty, early_stopping };
    for fixture in fixtures() {
        for (backend, how) in backends() {
            let model = fixture.model(&backend);
            let (texts, most) = (fixture.texts(), fixture.inputs.most);
            let beam = |with: Beam| model.beam(&texts, with, most).unwrap();
            let hold = |way: &str, found: Vec<Vec<u32>>, expected: &dyn Fn(&Case) -> Vec<u32>| {
                for (case, found) in fixture.inputs.cases.iter().zip(found) {
                    let what = format!("{} {how}: {way} of {}", fixture.name, case.name);
                    assert_eq!(found, expected(case), "{what}");
                }
            };
            hold("greedy", model.greedy(&texts, &[], most, &never).unwrap(), &|case| {
                case.greedy.clone()
            });
            hold("beam", beam(with(4, 1.0, false)), &|case| case.beam.clone());
            hold("early", beam(with(4, 1.0, true)), &|case| case.beam_early.clone());
            hold("long", beam(with(3, 2.0, false)), &|case| case.beam_long.clone());
            for case in &fixture.inputs.cases {
                assert_eq!(model.tokenizer.decode(&case.greedy).unwrap(), case.text_of_greedy);
            }
        }
    }
}

#[test]
fn the_tokens_that_are_drawn_from_are_those_of_the_reference() {
    for fixture in fixtures() {
        let Warped { temperature, top_k, top_p } = fixture.inputs.sampling;
        let with = Sampling { top_k: Some(top_k), top_p: Some(top_p), temperature, seed: 1 };
        for case in &fixture.inputs.cases {
            let vocab = fixture.expected(case, "logits").len() / case.target_ids.len();
            let kept = with.kept(&fixture.expected(case, "logits")[..vocab]);
            assert_eq!(kept.iter().map(|(id, _)| *id).collect::<Vec<_>>(), case.kept);
            for ((_, share), expected) in kept.iter().zip(&case.shares) {
                assert!((share - expected).abs() < 1e-5, "{}: {kept:?}", case.name);
            }
        }
    }
}

#[test]
fn a_sample_depends_on_its_seed_its_text_and_its_number_alone() {
    let with = Sampling { top_k: Some(10), top_p: None, temperature: 1.0, seed: 7 };
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        let texts = fixture.texts();
        let names: Vec<u64> = (0..texts.len() as u64).collect();
        let together = model.sample(&texts, &[], &names, &with, (3, 12), &never).unwrap();
        // A text after which one token is nearly certain shows neither.
        let (mut changed, mut varied) = (false, false);
        for (at, text) in texts.iter().enumerate() {
            let of = |seed, count| {
                let with = Sampling { seed, ..with };
                let one = std::slice::from_ref(text);
                model
                    .sample(one, &[], &names[at..=at], &with, (count, 12), &never)
                    .unwrap()
                    .remove(0)
            };
            assert_eq!(together[at], of(7, 3));
            assert_eq!(together[at][..2], of(7, 2));
            changed |= together[at] != of(8, 3);
            varied |= together[at][0] != together[at][1];
        }
        assert!(changed && varied, "{}", fixture.name);
    }
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

/// The fixture `t5` with changed tensors or another config, and the error of loading it.
fn changed(change: impl Fn(&mut BTreeMap<String, Tensor>), config: &[(&str, &str)]) -> String {
    let from = fixtures().next().unwrap().folder;
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
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
    match Seq2Seq::load(&checkpoint, None, &Backend::reference(), &[]) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_tensor_is_accounted_for() {
    assert_eq!(changed(|_| (), &[]), "");
    let missing = "decoder.block.1.layer.1.EncDecAttention.k.weight";
    let error = changed(|tensors| drop(tensors.remove(missing)), &[]);
    assert!(error.contains("lacks the tensors") && error.contains(missing), "{error}");
    let one = || Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = changed(|tensors| drop(tensors.insert("decoder.extra".to_owned(), one())), &[]);
    assert!(error.contains("does not use") && error.contains("decoder.extra"), "{error}");
    // Copies of the word embeddings may be left out, but must be copies.
    assert_eq!(changed(|tensors| drop(tensors.remove("decoder.embed_tokens.weight")), &[]), "");
    let other = |tensors: &mut BTreeMap<String, Tensor>| {
        let head = (&tensors["lm_head.weight"] * 2.0).unwrap();
        tensors.insert("lm_head.weight".to_owned(), head);
    };
    let error = changed(other, &[]);
    assert!(error.contains("`lm_head.weight` is not the table of word embeddings"), "{error}");
}

#[test]
fn a_config_that_would_run_as_another_model_is_refused() {
    let refused = |old, new| changed(|_| (), &[(old, new)]);
    let error = refused(r#""model_type": "t5""#, r#""model_type": "bert""#);
    assert!(error.contains("expected an encoder-decoder, one of t5, mt5, bart"), "{error}");
    let error = refused(r#""feed_forward_proj": "relu""#, r#""feed_forward_proj": "gated-mish""#);
    assert!(error.contains("unknown activation `mish`"), "{error}");
    let error = refused(
        r#""relative_attention_num_buckets": 32"#,
        r#""relative_attention_num_buckets": 2"#,
    );
    assert!(error.contains("2 buckets up to the distance 128"), "{error}");
}

#[test]
fn a_long_target_is_cut_and_still_ends() {
    let model = fixtures().next().unwrap().model(&Backend::reference());
    let target = model.target("why bread rises", 4).unwrap();
    assert_eq!((target.len(), target.last()), (4, Some(&1)));
    assert_eq!(model.target("a", 4).unwrap().last(), Some(&1));
}

/// What a prompt of at most `max_length` tokens says of a query and a document.
fn prompt(max_length: usize, query: &str, document: &str) -> Result<(usize, String), String> {
    let model = fixtures().next().unwrap().model(&Backend::reference());
    let template = "Query: {query} Document: {document} Relevant:";
    let prompt = model.tokenizer.bind_prompt(template, &["document", "query"], max_length);
    let field = |name: &str| if name == "query" { query } else { document }.to_owned();
    let tokens = prompt.unwrap().encode(field).map_err(|error| error.to_string())?;
    assert_eq!(tokens.ids.last(), Some(&1), "`</s>`");
    Ok((tokens.len(), model.tokenizer.decode(&tokens.ids).unwrap()))
}

#[test]
fn a_long_prompt_leaves_out_the_end_of_the_document_and_keeps_its_own() {
    let document = "Bread rises faster in warm rooms; cold rooms make better bread. ".repeat(40);
    let whole = prompt(16_000, "how long", &document).unwrap();
    assert!(whole.0 > 1000, "{whole:?}");
    for max_length in [64, 100, 400, 999] {
        let (length, text) = prompt(max_length, "how long", &document).unwrap();
        // A cut may fall together with the space behind it: one token fewer at most.
        assert!((max_length - 2..=max_length).contains(&length), "{length} of {max_length}");
        assert!(text.contains("how long") && text.ends_with("elevant:"), "{text}");
    }
    // Where the query alone is too long, it gives way too, and the instruction stays.
    let (length, text) = prompt(60, &document, &document).unwrap();
    assert!((57..=60).contains(&length) && text.ends_with("elevant:"), "{length}: {text}");
    let error = prompt(10, "how long", &document).unwrap_err();
    assert!(
        error.contains("cannot be written in 10 tokens, even without document and query"),
        "{error}"
    );
}

#[test]
fn what_follows_may_begin_as_it_is_told() {
    for fixture in fixtures() {
        let model = fixture.model(&Backend::reference());
        for (case, text) in fixture.inputs.cases.iter().zip(fixture.texts()) {
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
