//! Methods with a model, end to end, over a tiny checkpoint with random weights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::Nir;

const METHOD: &str = r#"[card]
name  = "mine"
paper = "karpukhin2020dpr"

[[stage]]
use        = "bi_encoder"
model.weights  = "file:../model"
model.ignore   = ["pooler.*"]
pooling    = "mean"
similarity = "cosine"
query      = { template = ["{text}"], special_tokens = true, max_length = 20 }
document   = { template = ["{text}"], special_tokens = true, max_length = 40 }
index      = { use = "flat", storage = "f32" }
depth      = 10
"#;

/// A folder with the method above and the checkpoint that it names.
fn prepared() -> Nir {
    let nir = Nir::new();
    nir.write("mine/dense.toml", METHOD);
    let model = nir.path("model");
    fs::create_dir_all(&model).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/fixtures/bert");
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixture.join(name), model.join(name)).unwrap();
    }
    nir
}

const RUN: [&str; 6] = ["run", "mine/dense.toml", "--on", "toy", "--run", "out.trec"];

/// The error of the run above in a folder that `spoil` has changed; nothing may be written.
#[track_caller]
fn spoilt(spoil: impl FnOnce(&Nir)) -> String {
    let nir = prepared();
    spoil(&nir);
    let error = nir.run(&RUN).error();
    assert!(!nir.path("out.trec").exists(), "something was written");
    error
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

/// Replaces a part of a file.
fn edit(path: PathBuf, part: &str, by: &str) {
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(part), "{text}");
    fs::write(path, text.replace(part, by)).unwrap();
}

#[test]
fn a_checkpoint_in_a_folder_ranks_the_same_at_any_number_of_threads() {
    let nir = prepared();
    nir.run(&RUN).ok();
    let once = fs::read(nir.path("out.trec")).unwrap();
    nir.run(&["cache", "clear", "all"]).ok();
    nir.run(&[&RUN[..], &["--threads", "1"]].concat()).ok();
    assert_eq!(once, fs::read(nir.path("out.trec")).unwrap());
}

#[test]
fn another_precision_is_another_run() {
    let nir = prepared();
    nir.run(&RUN).ok();
    let exact = fs::read(nir.path("out.trec")).unwrap();
    nir.run(&[&RUN[..], &["--precision", "int8"]].concat()).ok();
    assert_ne!(exact, fs::read(nir.path("out.trec")).unwrap());
    let error = nir.run(&[&RUN[..], &["--precision", "int4"]].concat()).error();
    assert_says(&error, &["unknown precision `int4`: expected one of f32, bf16, f16, int8"]);
}

#[test]
fn an_architecture_that_we_lack() {
    let error = spoilt(|nir| edit(nir.path("model/config.json"), "\"bert\"", "\"funnel\""));
    assert_says(&error, &["mine/dense.toml", "config.json", "`funnel`: expected one of bert,"]);
}

#[test]
fn a_truncated_file_of_weights() {
    let error = spoilt(|nir| {
        let path = nir.path("model/model.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert_says(&error, &["model.safetensors", "no complete safetensors file", "fetch it again"]);
}

#[test]
fn a_tokenizer_that_does_not_fit_the_vocabulary() {
    let error = spoilt(|nir| {
        let large = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/fixtures/roberta");
        fs::copy(large.join("tokenizer.json"), nir.path("model/tokenizer.json")).unwrap();
    });
    assert_says(&error, &["token numbers up to", "they do not belong together"]);
}

#[test]
fn more_tokens_than_positions() {
    let error = spoilt(|nir| edit(nir.path("mine/dense.toml"), "= 40", "= 1024"));
    assert_says(&error, &["`max_length` is 1024, the model has 40 positions"]);
}

/// Copies a file of one of `nir-nn`'s checkpoints.
fn copy_fixture(from: &str, to: PathBuf) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/fixtures");
    fs::copy(fixtures.join(from), to).unwrap();
}

#[test]
fn weights_outside_the_table_of_their_model() {
    let error = spoilt(|nir| drop(nir.write("mine/dense.toml", &METHOD.replace("model.", ""))));
    let expected = "unknown field `ignore`, expected one of `model`, `query_model`, `pooling`";
    assert_says(&error, &["mine/dense.toml:8", expected]);
}

#[test]
fn tensors_that_nobody_takes() {
    let colbert = |nir: &Nir| {
        for name in ["config.json", "model.safetensors"] {
            copy_fixture(&format!("colbert/{name}"), nir.path("model").join(name));
        }
    };
    let error = spoilt(colbert);
    assert_says(&error, &["does not use", "ignore = [\"linear.weight\"]"]);
}

#[test]
fn a_pooler_that_nothing_uses_needs_no_word() {
    let nir = prepared();
    nir.run(&RUN).ok();
    let with_pattern = fs::read(nir.path("out.trec")).unwrap();
    edit(nir.path("mine/dense.toml"), "model.ignore   = [\"pooler.*\"]\n", "");
    nir.run(&RUN).ok();
    assert_eq!(with_pattern, fs::read(nir.path("out.trec")).unwrap());
}

const MODULES: &str = r#"[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;

/// Makes the checkpoint say how it pools.
fn says(nir: &Nir, pooling: &str) {
    nir.write("model/modules.json", MODULES);
    nir.write("model/1_Pooling/config.json", &format!(r#"{{"pooling_mode": "{pooling}"}}"#));
}

#[test]
fn a_checkpoint_that_says_otherwise() {
    let error = spoilt(|nir| says(nir, "cls"));
    assert_says(
        &error,
        &[
            "mine/dense.toml",
            "model/1_Pooling/config.json: says pooling = \"cls\"",
            "the config says pooling = \"mean\"",
        ],
    );
    let nir = prepared();
    says(&nir, "cls");
    let path = nir.path("mine/dense.toml");
    edit(path.clone(), "name  = \"mine\"", "name = \"mine\"\noverrides = [\"pooling\"]");
    assert_says(
        &nir.run(&RUN).error(),
        &["dense.toml:3:1: `overrides` contradicts the checkpoint without a reason"],
    );
    edit(path.clone(), "overrides", "differs = \"the mean, to see what it costs\"\noverrides");
    nir.run(&RUN).ok();
    edit(path, "\"pooling\"]", "\"poling\"]");
    assert_says(
        &nir.run(&RUN).error(),
        &["dense.toml:4:14: `overrides` names `poling`: expected some of pooling"],
    );
}

/// The result of a run over toy, as JSON.
fn result(nir: &Nir, method: &str) -> serde_json::Value {
    let text = fs::read(nir.path(&format!("results/toy/{method}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn weights(cell: &serde_json::Value) -> Vec<&String> {
    cell["provenance"]["weights"].as_object().unwrap().keys().collect()
}

#[test]
fn a_checkpoint_runs_with_no_config() {
    let nir = prepared();
    says(&nir, "mean");
    nir.write("model/config_sentence_transformers.json", r#"{"prompts": {"query": "query: "}}"#);
    let finished =
        nir.run(&["run", "file:model", "lexical/bm25", "--on", "toy", "--results", "results"]);
    finished.ok();
    let stderr = finished.stderr();
    for line in [
        "use            = \"bi_encoder\"",
        "pooling        = \"mean\"  # 1_Pooling/config.json",
        "similarity     = \"cosine\"  # the module Normalize",
        "query          = { template = [\"query: {text}\"], special_tokens = true, max_length = 40 }  # config.json, config_sentence_transformers.json",
        "document       = { template = [\"{title} {text}\"]",
        "report: nir report file:model lexical/bm25 --on toy",
    ] {
        assert!(stderr.contains(line), "`{line}` is not in: {stderr}");
    }
    let cells = common::files_below(&nir.path("results/toy/checkpoints"));
    let name = cells[0].file_stem().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with("model-") && name.len() == 14, "{name}");
    let cell = result(&nir, &format!("checkpoints/{name}"));
    assert!(stderr.contains(cell["provenance"]["contract"].as_str().unwrap()));
    let report = ["report", "file:model", "--on", "toy", "--results", "results"];
    assert!(nir.run(&report).ok().contains(&name));

    // The config that is written from it says the same.
    let new = ["new", "method", "dense/mine", "--from", "file:model", "--out", "mine/new.toml"];
    nir.run(&new).ok();
    nir.run(&["run", "file:model", "--on", "toy", "--run", "a.trec"]).ok();
    nir.run(&["run", "mine/new.toml", "--on", "toy", "--run", "b.trec"]).ok();
    assert_eq!(fs::read(nir.path("a.trec")).unwrap(), fs::read(nir.path("b.trec")).unwrap());
    let error = nir.run(&["new", "method", "sparse/mine", "--from", "file:model"]).error();
    assert_says(&error, &["of the family `dense`, not `sparse`: name it dense/…"]);
}

#[test]
fn heads_tell_a_sparse_model_and_a_cross_encoder() {
    for (fixture, parts) in [
        ("bert-mlm", ["use            = \"splade\"", "pooling        = \"max\""]),
        (
            "bert-relevance-1",
            ["use            = \"pointwise\"", "score          = \"logit\"  # config.json"],
        ),
        ("bert-relevance-2", ["use      = \"bm25\"", "score          = \"log-softmax\""]),
    ] {
        let nir = Nir::new();
        fs::create_dir_all(nir.path("model")).unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            copy_fixture(&format!("{fixture}/{name}"), nir.path("model").join(name));
        }
        let finished = nir.run(&["run", "file:model", "--on", "toy", "--run", "out.trec"]);
        finished.ok();
        assert_says(&finished.stderr(), &parts);
    }
    let nir = prepared();
    let error = nir.run(&["run", "file:model", "--on", "toy", "--run", "out.trec"]).error();
    assert_says(
        &error,
        &[
            "names BertModel and no head",
            "nothing says how a text becomes a vector",
            "nir new method",
        ],
    );
    assert_says(
        &nir.run(&["explain", "file:model"]).error(),
        &["`file:model` is a checkpoint, and no config", "--from file:model"],
    );
}

/// A folder as model2vec writes it: no special tokens, as many tokens as it reads, and its own mean, normalised.
#[test]
fn static_embeddings_run_with_no_config() {
    let nir = Nir::new();
    fs::create_dir_all(nir.path("model")).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        copy_fixture(&format!("static/{name}"), nir.path("model").join(name));
    }
    let module = |name, path| {
        format!(r#"{{"path": "{path}", "type": "sentence_transformers.models.{name}"}}"#)
    };
    let modules = [module("StaticEmbedding", "."), module("Normalize", "1_Normalize")];
    nir.write("model/modules.json", &format!("[{}]", modules.join(", ")));
    let run = ["run", "file:model", "--on", "toy", "--run", "out.trec"];
    let finished = nir.run(&run);
    finished.ok();
    assert_says(
        &finished.stderr(),
        &[
            "pooling        = \"mean\"  # modules.json",
            "similarity     = \"cosine\"  # the module Normalize",
            "special_tokens = false, max_length = 512 }  # model2vec's own",
        ],
    );
    let new = ["new", "method", "dense/mine", "--from", "file:model", "--out", "mine/new.toml"];
    nir.run(&new).ok();
    edit(nir.path("mine/new.toml"), "special_tokens = false", "special_tokens = true");
    let error = nir.run(&["run", "mine/new.toml", "--on", "toy", "--run", "b.trec"]).error();
    assert_says(
        &error,
        &["says special_tokens = false, and the config says special_tokens = true"],
    );
}

/// `nir check` knows where results come from that no config of `configs` has made.
#[test]
fn results_of_checkpoints_and_of_methods_in_files_are_checked() {
    let nir = prepared();
    says(&nir, "mean");
    nir.write("nir.toml", "");
    for method in ["file:model", "mine/dense.toml"] {
        nir.run(&["run", method, "--on", "toy", "--results", "results"]).ok();
    }
    assert_says(&nir.run(&["check"]).ok(), &["2 results: 0 problems"]);
    edit(nir.path("mine/dense.toml"), "max_length = 20", "max_length = 19");
    let finished = nir.run(&["check"]);
    let error = "results/toy/mine/dense.json: made from another";
    assert_says(&finished.error(), &[error, "mine/dense.toml"]);
    fs::remove_file(nir.path("mine/dense.toml")).unwrap();
    assert_says(&nir.run(&["check"]).error(), &["its method `mine/dense` has no config"]);
}

#[test]
fn a_folder_of_models_is_named_in_the_result_and_no_commit() {
    let nir = prepared();
    let hub = "hf:org/name\"\nmodel.revision = \"0123456789abcdef0123456789abcdef01234567";
    edit(nir.path("mine/dense.toml"), "file:../model", hub);
    fs::create_dir_all(nir.path("models/org")).unwrap();
    fs::rename(nir.path("model"), nir.path("models/org/name")).unwrap();
    let run = ["run", "mine/dense.toml", "--on", "toy", "--results", "results"];
    nir.run(&[&run[..], &["--models", "models"]].concat()).ok();
    assert_eq!(weights(&result(&nir, "mine/dense")), ["folder:org/name"]);
    let error = nir.run(&[&run[..], &["--models", "modles"]].concat()).error();
    assert_says(&error, &["--models names `modles`, which is no folder"]);
    let finished =
        common::Finished(nir.command(&run).env("NIR_MODELS", "nowhere").output().unwrap());
    assert_says(&finished.error(), &["NIR_MODELS names `nowhere`, which is no folder"]);
}

#[test]
fn weights_that_a_config_pins() {
    let nir = prepared();
    let path = nir.path("mine/dense.toml");
    let zeros = "0".repeat(64);
    edit(path.clone(), "pooling  ", &format!("sha256 = \"{zeros}\"\npooling  "));
    let error = nir.run(&RUN).error();
    assert_says(
        &error,
        &["model.safetensors: its sha256 is ", &format!("the config pins {zeros}")],
    );
    let found = error.split("its sha256 is ").nth(1).unwrap()[..64].to_owned();
    edit(path, &zeros, &found);
    nir.run(&RUN).ok();
    // What changes afterwards is seen even where the run is in the cache.
    let weights = nir.path("model/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(weights, bytes).unwrap();
    assert_says(&nir.run(&RUN).error(), &["these are other weights"]);
}

/// Reports, fusions and what is printed work with a method in a file as with one of the program's own.
#[test]
fn a_method_in_a_file_is_like_any_other() {
    let nir = prepared();
    nir.write(
        "mine/both.toml",
        "[card]\nname = \"both\"\npaper = \"cormack2009rrf\"\n\n[[stage]]\nuse = \"rrf\"\n\
         inputs = [\"dense.toml\", \"lexical/bm25\"]\nk = 60\ndepth = 100\n",
    );
    let run = ["run", "./mine/both.toml", "--on", "toy", "--results", "results", "--runs", "runs"];
    let finished = nir.run(&run);
    finished.ok();
    assert_says(&finished.stderr(), &["report: nir report ./mine/both.toml --on toy"]);
    let metadata = fs::read_to_string(nir.path("runs/toy/mine/both.ir_metadata.yaml")).unwrap();
    assert_says(&metadata, &["nir run ./mine/both.toml --on toy --runs DIR"]);
    let report = ["report", "./mine/both.toml", "--on", "toy", "--results", "results"];
    assert_says(&nir.run(&report).ok(), &["mine/both"]);
    let inputs = result(&nir, "mine/both")["provenance"]["inputs"].as_object().unwrap().len();
    assert_eq!(inputs, 2);
    for typed in ["mine/boht.toml", "./mine/both"] {
        let error = nir.run(&["run", typed, "--on", "toy"]).error();
        assert_says(
            &error,
            &[&format!("`{typed}` is neither a method nor a file"), "mine/both.toml"],
        );
    }
    edit(nir.path("mine/both.toml"), "dense.toml", "sparse.toml");
    assert_says(
        &nir.run(&run).error(),
        &[
            "mine/both.toml: `inputs`: `sparse.toml` is neither a method nor a file (./mine/sparse.toml)",
        ],
    );
}

#[test]
fn weights_that_are_not_numbers() {
    let error = spoilt(|nir| {
        let path = nir.path("model/model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        // The header's length stands first, the first tensor behind the header.
        let header: [u8; 8] = bytes[..8].try_into().unwrap();
        let first = 8 + u64::from_le_bytes(header) as usize;
        bytes[first..first + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(path, bytes).unwrap();
    });
    assert_says(&error, &["holds NaN or Inf: the weights are damaged"]);
}

#[test]
fn a_location_without_a_revision() {
    let error = spoilt(|nir| edit(nir.path("mine/dense.toml"), "file:../model", "hf:org/name"));
    assert_says(&error, &["mine/dense.toml:6", "`hf:org/name` needs a revision"]);
}

#[test]
fn no_network_and_nothing_cached() {
    let nir = prepared();
    let with = "hf:org/name\"\nmodel.revision = \"main";
    edit(nir.path("mine/dense.toml"), "file:../model", with);
    let error = nir.run(&[&RUN[..], &["--offline"]].concat()).error();
    assert_says(&error, &["hf:org/name@main", "the network is off", "file:"]);
}

#[test]
fn a_prefix_that_the_checkpoint_demands() {
    let error = spoilt(|nir| {
        let prompts = r#"{ "prompts": { "query": "query: ", "document": "" } }"#;
        nir.write("model/config_sentence_transformers.json", prompts);
    });
    assert_says(&error, &["was trained with the prefix `query: ` before queries", "query: {text}"]);
}

/// Shards of 4,096 documents: a run that is killed after the first keeps it.
#[test]
fn a_killed_run_goes_on_where_it_was() {
    let nir = prepared();
    let document =
        |i: usize| format!("d{i}\tthe keeper of lighthouse {i} counted {} ships\n", i * 7);
    nir.write("docs.tsv", &(0..12_000).map(document).collect::<String>());
    nir.write("queries.tsv", "q\thow many ships\n");
    let run = [
        "run",
        "mine/dense.toml",
        "--corpus",
        "docs.tsv",
        "--queries",
        "queries.tsv",
        "--run",
        "out.trec",
    ];
    let mut child = nir.command(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let vectors = nir.path("cache/vectors");
    let shards = || {
        let entries = fs::read_dir(&vectors).into_iter().flatten();
        let mut shards: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::metadata(&path).unwrap().modified().unwrap()))
            .collect();
        shards.sort();
        shards
    };
    let start = Instant::now();
    while shards().is_empty() && start.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = shards();
    assert!(!kept.is_empty());
    nir.run(&run).ok();
    let all = shards();
    assert!(all.len() == 3 && kept.iter().all(|shard| all.contains(shard)), "{kept:?} {all:?}");
    let resumed = fs::read(nir.path("out.trec")).unwrap();
    nir.run(&["cache", "clear", "all"]).ok();
    nir.run(&run).ok();
    assert_eq!(resumed, fs::read(nir.path("out.trec")).unwrap());
}

/// The checkpoint above in the hub's cache, under names that are hashes of what they name.
#[cfg(unix)]
fn in_the_hubs_cache(nir: &Nir, commit: &str) {
    let repo = nir.path("hub/hub/models--org--name");
    let (blobs, snapshot) = (repo.join("blobs"), repo.join("snapshots").join(commit));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        let file = nir.path("model").join(name);
        let sum = std::process::Command::new("sha256sum").arg(&file).output().unwrap().stdout;
        let hash = String::from_utf8(sum).unwrap()[..64].to_owned();
        fs::copy(&file, blobs.join(&hash)).unwrap();
        let link = Path::new("../../blobs").join(&hash);
        std::os::unix::fs::symlink(link, snapshot.join(name)).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn damaged_weights_in_the_hubs_cache_are_set_aside_and_not_used() {
    let nir = prepared();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    in_the_hubs_cache(&nir, commit);
    let weights = format!("model.weights  = \"hf:org/name\"\nmodel.revision = \"{commit}\"");
    nir.write("mine/dense.toml", &METHOD.replace("model.weights  = \"file:../model\"", &weights));
    let run = [&RUN[..], &["--offline"]].concat();
    nir.run(&run).ok();
    let link = nir.path("hub/hub/models--org--name/snapshots").join(commit);
    let blob = fs::canonicalize(link.join("model.safetensors")).unwrap();
    let mut bytes = fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&blob, bytes).unwrap();
    nir.run(&["cache", "clear", "runs"]).ok();
    let error = nir.run(&run).error();
    assert_says(&error, &["is damaged: its content has another hash", "set aside as"]);
    assert!(!blob.exists() && blob.with_extension("damaged").exists());
}

/// Weights that name a branch are refused by `--strict`, unless the card says why no commit is known.
#[test]
fn a_branch_needs_a_reason() {
    let nir = Nir::new();
    let papers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/papers.toml");
    nir.write("configs/papers.toml", &fs::read_to_string(papers).unwrap());
    let hub = METHOD.replace("\"file:../model\"", "\"hf:org/name\"\nmodel.revision = \"main\"");
    let path = "configs/dense/mine.toml";
    nir.write(path, &hub);
    let strict = ["check", "--strict"];
    let problem = "configs/dense/mine.toml: `hf:org/name@main`: name a commit, or say in the card why none is known";
    assert_says(&nir.run(&strict).error(), &[problem]);

    let reason = "unpinned = \"the hub could not be asked\"\n\n[[stage]]";
    nir.write(path, &hub.replace("[[stage]]", reason));
    let finished = nir.run(&strict);
    finished.ok();
    let said = "unpinned: configs/dense/mine.toml: `hf:org/name@main`: the hub could not be asked";
    assert_says(&finished.stderr(), &[said]);

    nir.write(path, &METHOD.replace("[[stage]]", reason));
    assert_says(
        &nir.run(&["check"]).error(),
        &["`unpinned` gives a reason, and no weights are named by a branch"],
    );
}
