//! Checkpoints that are damaged or hostile: an error that names the folder, and never a panic.

#[path = "../../../fuzz/harness.rs"]
mod harness;
#[path = "../../../fuzz/targets/nn.rs"]
mod targets;

const FIXTURES: [&str; 5] = ["bert", "distilbert", "roberta", "electra", "xlm-roberta"];

fn fixtures(file: &str) -> Vec<String> {
    FIXTURES.iter().map(|name| format!("crates/nn/tests/fixtures/{name}/{file}")).collect()
}

fn run(name: &str, file: &str, target: fn(&[u8])) {
    let files = fixtures(file);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    harness::run(name, &files, "json", target);
}

#[test]
fn architectures() {
    run("architecture", "config.json", targets::architecture);
}

#[test]
fn tokenizers() {
    run("tokenizer", "tokenizer.json", targets::tokenizer);
}

#[test]
fn weights() {
    harness::run("weights", &[], "safetensors", targets::weights);
}
