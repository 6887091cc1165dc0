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
weights    = "file:model"
ignore     = ["pooler.*"]
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
    let error = spoilt(|nir| edit(nir.path("model/config.json"), "\"bert\"", "\"mpnet\""));
    assert_says(&error, &["mine/dense.toml", "config.json", "`mpnet`: expected one of bert,"]);
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

#[test]
fn tensors_that_nobody_takes() {
    let error = spoilt(|nir| edit(nir.path("mine/dense.toml"), "\"pooler.*\"", ""));
    assert_says(
        &error,
        &["does not use", "ignore = [\"pooler.dense.bias\", \"pooler.dense.weight\"]"],
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
    let error = spoilt(|nir| edit(nir.path("mine/dense.toml"), "file:model", "hf:org/name"));
    assert_says(&error, &["mine/dense.toml:6", "`hf:org/name` needs a revision"]);
}

#[test]
fn no_network_and_nothing_cached() {
    let nir = prepared();
    let with = "hf:org/name\"\nrevision   = \"main";
    edit(nir.path("mine/dense.toml"), "file:model", with);
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
    let weights = format!("weights    = \"hf:org/name\"\nrevision   = \"{commit}\"");
    nir.write("mine/dense.toml", &METHOD.replace("weights    = \"file:model\"", &weights));
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
    let hub = METHOD.replace("\"file:model\"", "\"hf:org/name\"\nrevision   = \"main\"");
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
