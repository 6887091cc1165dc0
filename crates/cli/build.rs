//! Tells the program what it was built from: the commit, the compiler, and a digest of the code that makes rankings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates whose code decides a ranking; a change in them makes cached rankings stale.
const CRATES: [&str; 4] = ["core", "index", "methods", "nn"];

fn main() {
    // When it runs, not when it was compiled: a copied target folder may have come from another checkout.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&package).join("../..");
    println!("cargo::rustc-env=NIR_CODE={}", code_digest(&root));
    println!("cargo::rustc-env=NIR_COMMIT={}", commit(&root));
    println!("cargo::rustc-env=NIR_PROFILE={}", std::env::var("PROFILE").expect("cargo sets it"));
    println!(
        "cargo::rustc-env=NIR_RUSTC={}",
        output("rustc", &["--version"], &root).unwrap_or_default()
    );
}

/// Over names and contents of all sources of [`CRATES`], and the versions of their libraries.
fn code_digest(root: &Path) -> String {
    let mut files = vec![root.join("Cargo.lock")];
    for name in CRATES {
        let folder = root.join("crates").join(name).join("src");
        println!("cargo::rerun-if-changed={}", folder.display());
        sources(&folder, &mut files);
    }
    println!("cargo::rerun-if-changed={}", files[0].display());
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let name = file
            .strip_prefix(root)
            .expect("every source lies below the root")
            .to_string_lossy()
            .into_owned();
        hasher.update(name.as_bytes());
        hasher.update(&fs::read(&file).expect("a source can be read"));
    }
    hasher.finalize().to_hex().to_string()
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a crate has sources") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            sources(&path, files);
        } else {
            files.push(path);
        }
    }
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
