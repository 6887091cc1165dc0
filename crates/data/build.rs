//! Manifests are embedded: a change under `datasets/` must rebuild this crate.

fn main() {
    println!("cargo::rerun-if-changed=../../datasets");
}
