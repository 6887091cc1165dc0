//! Recipes and what they read, damaged or hostile: an error that names the file, and never a panic.

#[path = "../../../fuzz/harness.rs"]
mod harness;
#[path = "../../../fuzz/targets/train.rs"]
mod targets;

#[test]
fn recipes() {
    harness::run("recipe", &["configs/training"], "toml", targets::recipe);
}

#[test]
fn training_sets() {
    harness::run("training-set", &[], "tsv", targets::examples);
}

#[test]
fn clusters() {
    harness::run("clusters", &[], "tsv", targets::query_clusters);
}

#[test]
fn teachers() {
    harness::run("teacher", &[], "safetensors", targets::teacher);
}

#[test]
fn states() {
    harness::run("state", &[], "safetensors", targets::state);
}

#[test]
#[ignore = "writes the corpus of `states` anew, after a change of what a training keeps"]
fn write_the_corpus_of_states() {
    let folder = harness::repository("fuzz/corpus/state");
    std::fs::create_dir_all(&folder).expect("the corpus lies in the repository");
    let file = folder.join("one-step.safetensors");
    std::fs::write(file, targets::state_after_one_step()).expect("and it can be written to");
}
