//! Losses, gradients and steps against PyTorch: `oracles/gradients.py` says what the fixtures hold.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use nir_nn::{Role, Tokens};
use nir_train::encoded::Encoded;
use nir_train::objectives::flops::{self, Norm, Weighted};
use nir_train::objectives::regression::{self, Distance};
use nir_train::objectives::{Batch, Ranking, masked_lm};
use nir_train::optimiser::AdamW;
use nir_train::parameters::Parameters;
use nir_train::recipe::{Head, Model, Optimiser};
use nir_train::student::Student;

const VOCAB: usize = 24;
const CANDIDATES: usize = 3;

const MODEL: &str = r#"
vocabulary = ""
fresh = []
learn = ["*"]
layers = 2
hidden = 8
heads = 2
intermediate = 12
positions = 12
std = 0.02
residual_std = 0.02
segment_std = 0.02
identity = { look = [0.0, 0.0], carry = [0.0, 0.0], words = 0.0 }
"#;
const INPUT: &str = "{ template = [\"{text}\"], special_tokens = true, max_length = 12 }";

/// A fixture and the model that it begins with.
struct Case {
    tensors: HashMap<String, Tensor>,
    parameters: Parameters,
    student: Student,
}

impl Case {
    fn new(name: &str, head: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/fixtures/{name}.safetensors"));
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let vars: BTreeMap<String, Var> = tensors
            .iter()
            .filter_map(|(name, x)| Some((name.strip_prefix("weights/")?.to_owned(), x)))
            .map(|(name, x)| (name, Var::from_tensor(x).unwrap()))
            .collect();
        let parameters = Parameters { learning: vars.keys().cloned().collect(), vars };
        let model: Model = toml::from_str(MODEL).unwrap();
        let head: Head = toml::from_str(&head.replace("INPUT", INPUT)).unwrap();
        let weights = parameters.tensors();
        let student = Student::new(&model, &head, VOCAB, weights, &Device::Cpu).unwrap();
        Self { tensors, parameters, student }
    }

    fn numbers(&self, name: &str) -> Vec<u32> {
        self.tensors[name].flatten_all().unwrap().to_vec1().unwrap()
    }

    fn texts(&self, kind: &str) -> Vec<Tokens> {
        let lengths = self.numbers(&format!("lengths/{kind}"));
        let rows = |part: &str| self.tensors[&format!("{part}/{kind}")].to_vec2::<u32>().unwrap();
        let cut = |row: Vec<u32>, &length: &u32| row[..length as usize].to_vec();
        let rows = rows("ids").into_iter().zip(rows("types")).zip(&lengths);
        rows.map(|((ids, types), length)| Tokens {
            ids: cut(ids, length),
            types: cut(types, length),
            unseen: 0,
        })
        .collect()
    }

    fn encoded(&self) -> (Encoded, Encoded) {
        let encode = |kind: &str, role| self.student.encode(&self.texts(kind), role).unwrap();
        (encode("queries", Role::Query), encode("documents", Role::Document))
    }

    /// Scores of vectors, or of pairs where there are some.
    fn scores(&self) -> Batch {
        let teacher = self.tensors.get("teacher").cloned();
        if self.student.reads_pairs() {
            let own = self.student.pair_scores(&self.texts("pairs")).unwrap();
            return Batch::of_pairs(own.reshape(((), CANDIDATES)).unwrap(), teacher);
        }
        let (queries, documents) = self.encoded();
        Batch::of_texts(queries, documents, teacher).unwrap()
    }

    fn ranking(&self, loss: &str) -> Tensor {
        let loss: Loss = toml::from_str(&format!("loss = {loss}")).unwrap();
        loss.loss.loss(&self.scores()).unwrap()
    }

    /// Holds the loss and every gradient to PyTorch's.
    fn check(&self, name: &str, loss: &Tensor) {
        close(loss, &self.tensors[&format!("loss/{name}")].squeeze(0).unwrap(), name);
        let gradients = loss.backward().unwrap();
        let mut checked = 0;
        for (weight, var) in self.parameters.learning() {
            let what = format!("gradient/{name}/{weight}");
            if let Some(expected) = self.tensors.get(&what) {
                close(gradients.get(var).expect(&what), expected, &what);
                checked += 1;
            }
        }
        assert!(checked > 30, "{name}: {checked} gradients");
    }
}

#[derive(serde::Deserialize)]
struct Loss {
    loss: Ranking,
}

/// Within 2e-5 of the largest number: candle's derivative of GELU has its constants in six digits, and late interaction adds
/// that up over the tokens of a query.
fn close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (found, expected) = (numbers(found), numbers(expected));
    let largest = expected.iter().fold(0.01f32, |a, b| a.max(b.abs()));
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() <= 2e-5 * largest, "{what}: {a}, PyTorch {b} (largest {largest})");
    }
}

const DENSE: &str = "[dense]\npooling = \"mean\"\nsimilarity = \"cosine\"\nprojection = 6\nquery = INPUT\ndocument = INPUT";

#[test]
fn dense_gradients_are_pytorchs() {
    let case = Case::new("dense", DENSE);
    for (name, loss) in [
        ("in-batch-softmax", "{ in-batch-softmax = { scale = 20.0 } }"),
        ("margin-mse", "{ margin-mse = { scale = 1.0 } }"),
        ("kl-divergence", "{ kl-divergence = { scale = 10.0, teacher_scale = 2.0 } }"),
        ("rank-net", "{ rank-net = { scale = 1.0 } }"),
    ] {
        case.check(name, &case.ranking(loss));
    }
    for (name, distance) in
        [("regression-cosine", Distance::Cosine), ("regression-mse", Distance::Mse)]
    {
        let loss = regression::loss(
            &regression::Config { distance },
            case.encoded().1.vectors(),
            &case.tensors["teacher_vectors"],
        );
        case.check(name, &loss.unwrap());
    }
}

#[test]
fn sparse_gradients_are_pytorchs() {
    let case = Case::new("sparse", "[sparse]\nbias = 0.0\nquery = INPUT\ndocument = INPUT");
    let weighted = |norm, weight| Weighted { norm, weight };
    let regulariser = flops::Config {
        queries: weighted(Norm::L1, 0.1),
        documents: weighted(Norm::Flops, 0.2),
        warm_up: 4,
    };
    let (queries, documents) = case.encoded();
    let penalty = regulariser.penalty(1, queries.vectors(), documents.vectors()).unwrap();
    let scores = Batch::of_texts(queries, documents, None).unwrap();
    let loss: Loss = toml::from_str("loss = { in-batch-softmax = { scale = 1.0 } }").unwrap();
    case.check("in-batch-softmax", &(loss.loss.loss(&scores).unwrap() + penalty).unwrap());
}

#[test]
fn late_interaction_gradients_are_pytorchs() {
    let case = Case::new("late", "[late]\ndim = 4\nquery = INPUT\ndocument = INPUT");
    for (name, loss) in [
        ("in-batch-softmax", "{ in-batch-softmax = { scale = 2.0 } }"),
        ("kl-divergence", "{ kl-divergence = { scale = 10.0, teacher_scale = 2.0 } }"),
    ] {
        case.check(name, &case.ranking(loss));
    }
}

#[test]
fn cross_encoder_gradients_are_pytorchs() {
    let case = Case::new("cross-encoder", "[cross-encoder]\npair = INPUT");
    for (name, loss) in [
        ("pointwise", "{ pointwise = { positive_weight = 2.0 } }"),
        ("rank-net", "{ rank-net = { scale = 1.0 } }"),
        ("margin-mse", "{ margin-mse = { scale = 1.0 } }"),
    ] {
        case.check(name, &case.ranking(loss));
    }
}

#[test]
fn masked_lm_gradients_are_pytorchs() {
    let case = Case::new("masked-lm", "[masked-lm]\ntext = INPUT");
    let places: Vec<(usize, usize)> = case
        .numbers("places")
        .chunks(2)
        .map(|place| (place[0] as usize, place[1] as usize))
        .collect();
    let logits = case.student.logits(&case.texts("texts"), &places).unwrap();
    case.check("masked-lm", &masked_lm::loss(&logits, &case.tensors["truth"]).unwrap());
}

#[test]
fn five_steps_of_adamw_are_pytorchs() {
    let case = Case::new("dense", DENSE);
    let config = Optimiser {
        steps: 8,
        batch: 3,
        rate: 0.01,
        warm_up: 2,
        beta1: 0.9,
        beta2: 0.98,
        eps: 1e-6,
        weight_decay: 0.1,
        clip: 0.5,
        checkpoint_every: 1,
    };
    let optimiser = AdamW::new(config, &case.parameters).unwrap();
    for step in 0..5 {
        let loss = case.ranking("{ in-batch-softmax = { scale = 20.0 } }");
        optimiser.step(&case.parameters, &loss.backward().unwrap(), step).unwrap();
    }
    for (name, var) in case.parameters.learning().filter(|(name, _)| !name.ends_with("key.bias")) {
        close(var, &case.tensors[&format!("trained/{name}")], name);
    }
}
