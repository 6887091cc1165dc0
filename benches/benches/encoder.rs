//! Encoders: 32 texts of 64 tokens through a network of all-MiniLM-L6-v2's shape with random weights, on one thread, beside
//! `candle-transformers`, whose BERT is what a Rust program would otherwise use.

use std::hint::black_box;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use candle_transformers::models::bert::{BertModel, Config};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nir_nn::checkpoint::Weights;
use nir_nn::{Architecture, Backend, Encoder, Precision, Rows, Tensors, Tokens, Trunk, numbers};

const TEXTS: usize = 32;
const LENGTH: usize = 64;
const CONFIG: &str = r#"{
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6,
    "num_attention_heads": 12, "intermediate_size": 1536, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "max_position_embeddings": 512, "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
    "pad_token_id": 0, "position_embedding_type": "absolute"
}"#;

fn texts() -> Vec<Tokens> {
    let id = |text: usize, at: usize| ((text * 7919 + at * 104_729) % 29_000 + 1_000) as u32;
    let text = |text| Tokens {
        ids: (0..LENGTH).map(|at| id(text, at)).collect(),
        types: vec![0; LENGTH],
        unseen: 0,
    };
    (0..TEXTS).map(text).collect()
}

/// The network as `candle-transformers` has it; its weights are left in `file`.
fn stock(file: &Path) -> BertModel {
    let weights = VarMap::new();
    let from = VarBuilder::from_varmap(&weights, DType::F32, &Device::Cpu);
    let config: Config = serde_json::from_str(CONFIG).expect("the config is JSON");
    let model = BertModel::load(from, &config).expect("random weights have every shape");
    weights.save(file).expect("there is room for weights");
    model
}

fn ours(folder: &Path, precision: Precision) -> Encoder {
    let config = folder.join("config.json");
    std::fs::write(&config, CONFIG).expect("there is room for a config");
    let architecture = Architecture::read(&config).expect("the config is BERT's");
    let backend = Backend::new("cpu", precision).expect("there is a processor");
    let weights = Weights::Safetensors(vec![folder.join("model.safetensors")]);
    let load = |tensors: &mut Tensors| Trunk::load(&architecture, tensors);
    let trunk = Tensors::load(&weights, "random weights", &backend, &[], load);
    Encoder::new(trunk.expect("every tensor is there"), &backend).expect("it packs")
}

fn encoders(criterion: &mut Criterion) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("it is the first pool");
    let dir = tempfile::tempdir().expect("there is a folder for weights");
    let stock = stock(&dir.path().join("model.safetensors"));
    let texts = texts();
    let ids: Vec<u32> = texts.iter().flat_map(|text| text.ids.clone()).collect();
    let ids = Tensor::from_vec(ids, (TEXTS, LENGTH), &Device::Cpu).expect("ids are whole rows");
    let types = ids.zeros_like().expect("a tensor of zeros");
    let reference = stock.forward(&ids, &types, None).expect("it computes");

    let mut group = criterion.benchmark_group("encoder/32x64");
    group.throughput(Throughput::Elements(TEXTS as u64)).sample_size(10);
    group.bench_function("candle-transformers f32", |bencher| {
        bencher.iter(|| stock.forward(black_box(&ids), &types, None).expect("it computes"));
    });
    for (name, precision) in [("f32", Precision::F32), ("int8", Precision::Int8)] {
        let encoder = ours(dir.path(), precision);
        let hidden = encoder.hidden(&texts, Rows::All).expect("it computes");
        agree(&hidden.states, &reference, precision);
        group.bench_function(name, |bencher| {
            bencher.iter(|| encoder.hidden(black_box(&texts), Rows::All).expect("it computes"));
        });
    }
    group.finish();
}

/// A bench of a wrong result is worth nothing.
fn agree(ours: &Tensor, theirs: &Tensor, precision: Precision) {
    let [ours, theirs] = [ours, theirs].map(|states| numbers(states).expect("they are floats"));
    let largest = theirs.iter().map(|value| value.abs()).fold(0.0, f32::max);
    let differences = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
    let tolerance = if precision == Precision::F32 { 1e-5 } else { 5e-2 };
    assert!(differences.fold(0.0, f32::max) <= tolerance * largest, "{precision:?} differs");
}

criterion_group!(benches, encoders);
criterion_main!(benches);
