//! Tells the program what it was built from: the commit and the compiler.

use std::path::Path;
use std::process::Command;

fn main() {
    // When it runs, not when it was compiled: a copied target folder may have come from another checkout.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&package).join("../..");
    println!("cargo::rustc-env=NIR_COMMIT={}", commit(&root));
    println!("cargo::rustc-env=NIR_PROFILE={}", std::env::var("PROFILE").expect("cargo sets it"));
    println!(
        "cargo::rustc-env=NIR_RUSTC={}",
        output("rustc", &["--version"], &root).unwrap_or_default()
    );
}

/// The commit, with `+changes` where code differs from it; `unknown` outside git.
fn commit(root: &Path) -> String {
    let Some(folder) = output("git", &["rev-parse", "--absolute-git-dir"], root) else {
        return "unknown".to_owned();
    };
    println!("cargo::rerun-if-changed={folder}/logs/HEAD");
    let Some(commit) = output("git", &["rev-parse", "HEAD"], root) else {
        return "unknown".to_owned();
    };
    let changed = ["status", "--porcelain", "--", "crates", "Cargo.toml", "Cargo.lock"];
    let clean = output("git", &changed, root).is_some_and(|changes| changes.is_empty());
    if clean { commit } else { format!("{commit}+changes") }
}

fn output(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
