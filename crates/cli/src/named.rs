//! What a command line names: methods, comparisons and sweeps, by name or by the path of a file.

use std::path::Path;

use anyhow::{Result, bail};
use nir_catalogue::{Comparison, Config, Method, Sweep};
use nir_core::did_you_mean;
use nir_engine::{Library, Models, checkpoint};

/// A method by its name, by the path of its file, or read out of a checkpoint.
pub(crate) fn method_of(what: &str, library: &Library, models: &Models) -> Result<Method> {
    match checkpoint::is_checkpoint(what) {
        true => checkpoint::method(what, models),
        false => method(what, library),
    }
}

/// A method by its name or by the path of its file.
pub(crate) fn method(what: &str, library: &Library) -> Result<Method> {
    match config(what, library)? {
        Config::Method(method) => Ok(method),
        Config::Comparison(comparison) => {
            let names = comparison.methods.iter().map(|name| name.as_ref().as_str());
            let names: Vec<&str> = names.collect();
            bail!("`{what}` is a comparison: name one of its methods, {}", names.join(", "))
        }
        Config::Sweep(_) => {
            bail!("`{what}` is a sweep, which `nir bench index` takes: expected a method")
        }
    }
}

/// A comparison by its name or by the path of its file, with its methods.
pub(crate) fn comparison(what: &str, library: &Library) -> Result<(Comparison, Vec<Method>)> {
    match library.named(what)? {
        Some(Config::Comparison(comparison)) => library.rows(comparison),
        Some(other) => bail!("`{what}` is {}: expected a comparison", other.kind()),
        None => {
            let known = library.comparisons.keys().map(|name| format!("configs/{name}.toml"));
            let known: Vec<String> = known.collect();
            bail!("`{what}` is no file: expected a comparison, such as {}", known.join(", "))
        }
    }
}

/// A sweep by its name or by the path of its file.
pub(crate) fn sweep(what: &str, library: &Library) -> Result<Sweep> {
    match config(what, library)? {
        Config::Sweep(sweep) => Ok(sweep),
        other => bail!("`{what}` is {}: expected a sweep", other.kind()),
    }
}

/// A config by its name or by the path of its file.
pub(crate) fn config(what: &str, library: &Library) -> Result<Config> {
    if let Some(config) = library.named(what)? {
        return Ok(config);
    }
    if checkpoint::is_checkpoint(what) {
        bail!(
            "`{what}` is a checkpoint, and no config: `nir run`, `nir search`, `nir encode` and `nir report` take one, and \
             `nir new method dense/mine --from {what}` writes its config"
        );
    }
    let in_configs = |name: &String| format!("configs/{name}.toml");
    let comparisons: Vec<String> = library.comparisons.keys().map(in_configs).collect();
    let sweeps: Vec<String> = library.sweeps.keys().map(in_configs).collect();
    let beside = files_beside(Path::new(what));
    let known = library.methods.keys().chain(&comparisons).chain(&sweeps).chain(&beside);
    let meant = did_you_mean(what, known.map(String::as_str));
    let meant = meant.map(|meant| meant + " ").unwrap_or_default();
    bail!(
        "`{what}` is neither a method nor a file; {meant}`nir list --methods` shows all methods, configs/*.toml are comparisons"
    );
}

/// The configs in the folder of `path`, as a user would type them, to suggest one for a misspelling.
fn files_beside(path: &Path) -> Vec<String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(listed).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let configs = names.filter(|name| name.ends_with(".toml"));
    configs.map(|name| folder.join(name).display().to_string()).collect()
}
