//! Baselines that are damaged or hostile: an error that names the file, and never a panic.

#[path = "../../../fuzz/harness.rs"]
mod harness;
#[path = "../../../fuzz/targets/gate.rs"]
mod targets;

#[test]
fn baselines() {
    harness::run("baseline", &["results/gate"], "json", targets::baseline);
}
